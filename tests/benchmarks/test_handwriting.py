from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from benchmarks.handwriting import TREATMENTS, is_right
from glyphs.equivalence import Equivalence, Evidence
from glyphs.labels import Label
from glyphs.picture import read_picture

ALIKE = Equivalence([Evidence(Label(ord("A")), Label(0x391), "seed")])


@pytest.mark.parametrize(
    ("answer", "wanted"), [("A", "A"), ("A", "a"), ("a", "A"), ("Α", "A"), ("Α", "a"), ("7", "7")]
)
def test_case_and_twins_are_forgiven(answer: str, wanted: str) -> None:
    assert is_right(ALIKE, Label(ord(answer)), Label(ord(wanted)))


@pytest.mark.parametrize(("answer", "wanted"), [("B", "A"), ("Β", "B"), ("1", "l")])
def test_nothing_else_is(answer: str, wanted: str) -> None:
    assert not is_right(ALIKE, Label(ord(answer)), Label(ord(wanted)))


@pytest.mark.parametrize("name", TREATMENTS)
def test_a_treated_picture_still_shows_what_it_showed(name: str) -> None:
    picture = Image.new("L", (28, 28), 255)
    ImageDraw.Draw(picture).line([(8, 4), (8, 23), (20, 23)], 0, 3)  # an L
    rasters = []
    for shown in (picture, TREATMENTS[name](picture)):
        file = io.BytesIO()
        shown.save(file, "PNG")
        rasters.append(read_picture(file.getvalue()).astype(float))
    assert np.corrcoef(rasters[0].ravel(), rasters[1].ravel())[0, 1] > 0.7
