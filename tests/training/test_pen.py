from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import label

from glyphs.outline import Outline
from glyphs.raster import RasterSettings, draw
from training.augmentation import augmented
from training.config import Augmentation
from training.pen import penned


def _serif(size: int = 60) -> np.ndarray:
    """An I: a thick stem with thin serifs."""
    ink = np.zeros((size, size), np.uint8)
    ink[8:52, 26:34] = 255
    ink[8:11, 16:44] = ink[49:52, 16:44] = 255
    return ink


def test_a_pen_has_one_width_whatever_the_strokes_were() -> None:
    stems = []
    for seed in range(30):
        written = penned(_serif(), np.random.default_rng(seed)) > 127
        columns, rows = written.sum(axis=0), written.sum(axis=1)
        stem = np.median(rows[rows > 0])
        serifs = np.median(columns[columns > 0])
        assert stem < 2.5 * serifs / 2 + 2  # two serifs over each other
        stems.append(stem)
    assert max(stems) > 2 * min(stems), "fine liners and felt-tip pens"


def test_strokes_stay_where_they_were() -> None:
    for seed in range(20):
        written = penned(_serif(), np.random.default_rng(seed))
        margin = (written.shape[0] - 60) // 2
        assert written[margin : margin + 60, margin : margin + 60][18:42, 28:32].max(axis=1).min() > 127


def test_a_join_is_sometimes_left_open() -> None:
    parts = [label(penned(_serif(), np.random.default_rng(seed)) > 127)[1] for seed in range(60)]
    assert {1, 2} <= set(parts) <= {1, 2, 3}
    assert parts.count(1) > 30


@pytest.mark.parametrize("shape", ["square", "dot"])
def test_areas_are_not_written(shape: str) -> None:
    rows, columns = np.mgrid[:60, :60]
    square = (abs(rows - 30) < 22) & (abs(columns - 30) < 22)
    inside = square if shape == "square" else np.hypot(rows - 30, columns - 30) < 20
    ink = np.where(inside, np.uint8(255), np.uint8(0))
    assert penned(ink, np.random.default_rng(0)) is ink


@settings(max_examples=60)
@given(arrays(np.uint8, st.tuples(st.integers(8, 40), st.integers(8, 40))), st.integers(0, 1000))
def test_any_ink_is_written_or_left(ink: np.ndarray, seed: int) -> None:
    written = penned(ink, np.random.default_rng(seed))
    assert written.dtype == np.uint8
    assert written is ink or (written.any() and min(written.shape) > min(ink.shape))


def test_the_same_generator_writes_the_same() -> None:
    first, again = (penned(_serif(), np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(first, again)


def test_outlines_are_written_as_often_as_asked() -> None:
    bar = Outline(
        np.array([[0, 0], [110, 0], [110, 700], [0, 700]], np.int32),
        np.ones(4, np.uint8),
        np.array([3], np.int16),
        1000,
    )
    raster = RasterSettings(64, 56)
    printed = draw(bar, raster)
    for pen, share in ((0.0, (0, 0)), (0.5, (70, 130)), (1.0, (199, 200))):
        how = Augmentation(rotation=0, slant=0, aspect=0, weight=0, jitter=0, degrade=0, shrink=0, pen=pen)
        drawn = augmented([bar] * 200, raster, how, np.random.default_rng(0))
        assert all(one.shape == (64, 64) and one.any() for one in drawn)
        written = sum(not np.array_equal(one, printed) for one in drawn)
        assert share[0] <= written <= share[1], pen
