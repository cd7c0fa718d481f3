from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from export.bundle import export_bundle
from training.checkpoint import load_checkpoint
from training.config import Losses
from training.fit import train
from training.presets import TINY


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Discs and plates: what a small model learns in seconds."""
    folder = tmp_path_factory.mktemp("shapes")
    rng = np.random.default_rng(0)
    for part, many in (("train", 32), ("validation", 50)):
        for name, draw in (("disc", ImageDraw.ImageDraw.ellipse), ("plate", ImageDraw.ImageDraw.rectangle)):
            (folder / part / name).mkdir(parents=True)
            for number in range(many):
                picture = Image.new("L", (40, 40), 255)
                left, top = rng.integers(3, 12, 2).tolist()
                draw(ImageDraw.Draw(picture), (left, top, left + 22, top + 22), fill=0)
                picture.save(folder / part / name / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def learned(pictures: Path, one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A float32 bundle that tells discs from plates."""
    folder = tmp_path_factory.mktemp("learned")
    config = replace(
        TINY, model="residual_cnn", size=32, box=28, batch=16, samples=16 * 80, epoch_samples=16 * 80,
        learning_rate=1e-3, losses=Losses(embedding="none"),
    )  # fmt: skip
    checkpoint = train(pictures, folder / "run", config, progress=False)
    export_bundle(load_checkpoint(checkpoint), pictures, folder / "bundle")
    return folder / "bundle"
