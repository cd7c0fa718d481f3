"""Masks: what grows and what is connected, beside SciPy and a flood."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from glyphs import masks


@settings(deadline=None, max_examples=200)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32))
def test_blobs_are_what_a_flood_would_fill(height: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random((height, width)) < rng.random()
    starts, stops, labels = masks.blobs(mask)
    read = np.zeros(mask.shape, int)
    for start, stop, label in zip(starts, stops, labels, strict=True):
        row, left = divmod(int(start), width + 2)
        read[row, left - 1 : left - 1 + stop - start] = label + 1
    np.testing.assert_array_equal(read > 0, mask)

    filled = np.zeros(mask.shape, int)
    for seed_row, seed_column in np.argwhere(mask):
        if filled[seed_row, seed_column]:
            continue
        wave, number = [(seed_row, seed_column)], filled.max() + 1
        while wave:
            row, column = wave.pop()
            if 0 <= row < height and 0 <= column < width and mask[row, column] and not filled[row, column]:
                filled[row, column] = number
                wave += [(row + i, column + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    assert len(set(zip(read[mask], filled[mask], strict=True))) == filled.max() == len(set(labels))


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 6), st.integers(0, 2**32))
def test_what_is_grown_is_dilated_by_a_square(height: int, width: int, by: int, seed: int) -> None:
    mask = np.random.default_rng(seed).random((height, width)) < 0.2
    square = np.ones((2 * by + 1, 2 * by + 1), bool)
    np.testing.assert_array_equal(masks.grown(mask, by), ndimage.binary_dilation(mask, square))
