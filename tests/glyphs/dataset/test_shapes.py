"""Shapes in memory."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from glyphs.dataset.shapes import Shapes
from glyphs.dataset.store import RASTER, Dataset, FontRecord, GlyphRecord
from glyphs.errors import BadDataset
from glyphs.labels import Label
from glyphs.outline import Outline
from glyphs.raster import RasterSettings, draw, fit


def png(ink: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(ink).save(file, "PNG")
    return file.getvalue()


def shapes_of(path: Path, *rasters: bytes) -> Shapes:
    """The shapes of a new dataset that holds these rasters as shapes 1, 2, ..."""
    font = FontRecord("x", 0, 0, "x", "Drawn", "Raster", "", 1, 0)
    records = [GlyphRecord(Label(65 + i), RASTER, data, (0, 0, 0, 0)) for i, data in enumerate(rasters)]
    with Dataset.create(path) as dataset:
        dataset.add_font(font, records, {}, {})
        return Shapes(dataset, range(1, len(rasters) + 1))


def test_every_shape_of_a_dataset_is_there_and_draws(small_dataset: Dataset) -> None:
    table = small_dataset.table()
    stored = {identifier: data for identifier, _, data in small_dataset.shape_data(table.shape)}
    shapes = Shapes(small_dataset, stored)
    assert len(shapes) == len(stored) > 1000
    for identifier, data in stored.items():
        shape = shapes.get(identifier)
        assert isinstance(shape, Outline)
        assert shape.to_bytes() == data
        assert shapes.draw(identifier).any()


def test_only_the_shapes_asked_for_are_held(small_dataset: Dataset) -> None:
    shapes = Shapes(small_dataset, [5, 900, 5])
    assert len(shapes) == 2
    outline = shapes.get(900)
    assert isinstance(outline, Outline)
    settings = RasterSettings(size=32, box=28)
    assert np.array_equal(shapes.draw(900, settings), draw(outline, settings))


def test_many_are_drawn_at_once_as_they_are_one_by_one(small_dataset: Dataset) -> None:
    wanted = np.random.default_rng(2).permutation(small_dataset.table().shape)[:600]
    shapes, settings = Shapes(small_dataset, wanted), RasterSettings(size=48, box=40)
    buffer = np.full((600, 48, 48), 9, np.uint8)
    assert shapes.draw_all(wanted, settings, buffer) is buffer
    for identifier, raster in zip(wanted.tolist(), buffer, strict=True):
        assert np.array_equal(raster, shapes.draw(identifier, settings))


def test_no_shapes_are_no_trouble(small_dataset: Dataset) -> None:
    assert len(Shapes(small_dataset, [])) == 0


def test_an_imported_raster_is_fitted(tmp_path: Path) -> None:
    ink = np.zeros((40, 30), np.uint8)
    ink[10:30, 12:17] = 255
    shapes = shapes_of(tmp_path / "glyphs.db", png(ink))
    got = shapes.get(1)
    assert isinstance(got, np.ndarray)
    assert np.array_equal(got, ink)
    assert np.array_equal(shapes.draw(1), fit(ink))
    assert np.array_equal(shapes.draw_all([1, 1]), [fit(ink), fit(ink)])


def test_a_broken_raster_is_a_bad_dataset(tmp_path: Path) -> None:
    whole = png(np.random.default_rng(1).integers(0, 255, (40, 30), np.uint8))
    broken = [
        b"no picture",
        whole[:20],
        whole[: len(whole) // 2],
        with_header(whole, struct.pack(">II", 2**24, 2**24) + whole[24:29]),
        with_header(whole, whole[16:20]),
        whole[:37] + b"\0\0\0\0" + whole[41:],
    ]
    shapes = shapes_of(tmp_path / "glyphs.db", *broken, whole)
    for identifier in range(1, len(broken) + 1):
        with pytest.raises(BadDataset, match=f"Shape {identifier} "):
            shapes.get(identifier)
    assert isinstance(shapes.get(len(broken) + 1), np.ndarray)


def with_header(picture: bytes, header: bytes) -> bytes:
    """A PNG with another IHDR chunk."""
    chunk = b"IHDR" + header
    return (
        picture[:8]
        + struct.pack(">I", len(header))
        + chunk
        + struct.pack(">I", zlib.crc32(chunk))
        + picture[33:]
    )
