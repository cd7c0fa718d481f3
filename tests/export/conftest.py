from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw


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
