"""Fixtures: EMNIST's files and picture files, made small."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Array = NDArray[np.uint8]
EmnistMaker = Callable[..., Path]
PictureMaker = Callable[..., Path]


def idx(array: Array) -> bytes:
    """The array as an IDX file."""
    return struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def make_emnist(tmp_path: Path) -> EmnistMaker:
    """Write a split's files: 64 training and 16 test images of an L, upright, whose labels take turns."""

    def make(split: str, mapping: str, *, labels: int = 2, first: int = 0) -> Path:
        folder = tmp_path / "emnist"
        folder.mkdir(exist_ok=True)
        (folder / f"emnist-{split}-mapping.txt").write_text(mapping)
        for part, count in (("train", 64), ("test", 16)):
            images = np.zeros((count, 28, 28), np.uint8)
            images[:, 4:24, 8:11] = images[:, 21:24, 8:20] = 255
            stored = {
                "images-idx3": np.ascontiguousarray(images.transpose(0, 2, 1)),
                "labels-idx1": (first + np.arange(count) % labels).astype(np.uint8),
            }
            for kind, array in stored.items():
                (folder / f"emnist-{split}-{part}-{kind}-ubyte.gz").write_bytes(gzip.compress(idx(array), 1))
        return folder

    return make


@pytest.fixture
def draw() -> PictureMaker:
    """Write a picture of a line, dark red on white."""

    def make(path: Path, width: int = 5, size: tuple[int, int] = (48, 32)) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = Image.new("RGB", size, "white")
        ImageDraw.Draw(picture).line((6, 6, size[0] - 8, size[1] - 8), fill=(120, 0, 0), width=width)
        picture.save(path)
        return path

    return make
