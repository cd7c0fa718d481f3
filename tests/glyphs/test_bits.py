"""Masks as whole numbers do what masks as arrays do."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from glyphs import bits

EIGHT = np.ones((3, 3), bool)


@st.composite
def masks(draw: st.DrawFn) -> NDArray[np.bool_]:
    """Any mask with an empty margin, whose bits therefore do not pass into the next row."""
    height, width = draw(st.integers(1, 12)), draw(st.integers(1, 20))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    return np.pad(rng.random((height, width)) < rng.random(), 1)


def unpacked(number: int, like: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.array([number >> place & 1 for place in range(like.size)], bool).reshape(like.shape)


@given(mask=masks())
def test_a_mask_is_found_in_its_bits(mask: NDArray[np.bool_]) -> None:
    number = bits.of_mask(mask)
    np.testing.assert_array_equal(unpacked(number, mask), mask)
    assert number.bit_count() == np.count_nonzero(mask)


@given(mask=masks().filter(np.any))
def test_a_box_is_where_rows_and_columns_begin_and_end(mask: NDArray[np.bool_]) -> None:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    for part in (mask, mask[1:-1, 1:-1]):  # with an empty margin and without
        moved = 0 if part is mask else 1
        left, top, right, bottom = bits.box(bits.of_mask(part), part.shape[1])
        assert (left, right) == (columns[0] - moved, columns[-1] + 1 - moved)
        assert (top, bottom) == (rows[0] - moved, rows[-1] + 1 - moved)


@given(mask=masks())
def test_neighbours_are_those_of_a_dilation(mask: NDArray[np.bool_]) -> None:
    spread = unpacked(bits.spread(bits.of_mask(mask), mask.shape[1]), mask)
    np.testing.assert_array_equal(spread, ndimage.binary_dilation(mask, EIGHT))


@given(mask=masks(), side=st.integers(1, 5))
def test_squares_are_an_opening(mask: NDArray[np.bool_], side: int) -> None:
    held = unpacked(bits.squares(bits.of_mask(mask), mask.shape[1], side), mask)
    np.testing.assert_array_equal(held, ndimage.binary_opening(mask, np.ones((side, side))))


@settings(deadline=None)
@given(mask=masks(), steps=st.integers(0, 30), seed=st.integers(0, 2**32))
def test_what_is_reached_is_a_reconstruction(mask: NDArray[np.bool_], steps: int, seed: int) -> None:
    start = mask & (np.random.default_rng(seed).random(mask.shape) < 0.1)
    found = bits.reached(bits.of_mask(start), bits.of_mask(mask), mask.shape[1], steps)
    expected = ndimage.binary_dilation(start, EIGHT, iterations=steps, mask=mask) if steps else start
    np.testing.assert_array_equal(unpacked(found, mask), expected)
