from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glyphs.outline import Outline
from scoring.pieces import MOST, Piece, around, pieces_of

SQUARE = [(0, 0), (0, 1), (1, 1), (1, 0)]


def outline(*contours: tuple[int, int, int, bool]) -> Outline:
    """Squares: left, bottom and side, and whether each turns the other way."""
    points = [
        (left + side * x, bottom + side * y)
        for left, bottom, side, hole in contours
        for x, y in (SQUARE[::-1] if hole else SQUARE)
    ]
    ends = np.arange(1, len(contours) + 1) * 4 - 1
    return Outline(
        np.array(points, np.int32), np.ones(len(points), np.uint8), ends.astype(np.int16), units_per_em=1000
    )


def test_holes_are_no_pieces_whichever_way_they_turn() -> None:
    ring = [(0, 0, 500, False), (100, 100, 300, True), (200, 600, 100, False)]
    turned = [(left, bottom, side, not hole) for left, bottom, side, hole in ring]
    for contours in (ring, turned):
        (pieces,) = pieces_of([outline(*contours)], [-0.1])
        assert pieces == (
            pytest.approx(Piece(0.0, -0.1, 0.5, 0.4, 0.25)), pytest.approx(Piece(0.2, 0.5, 0.3, 0.6, 0.01)),
        )  # fmt: skip


def test_what_turns_the_other_way_by_itself_is_a_piece() -> None:
    (pieces,) = pieces_of([outline((0, 0, 500, False), (100, 100, 300, True), (200, 600, 100, True))], [0.0])
    assert [(piece.bottom, piece.top) for piece in pieces] == [(0.0, 0.5), (0.6, 0.7)]


def test_a_glyph_of_very_many_pieces_is_not_told_of() -> None:
    many = [(20 * number, 0, 10, False) for number in range(MOST + 1)]
    assert pieces_of([outline(*many), outline(*many[:-1])], [0.0, 0.0])[0] == ()
    assert len(pieces_of([outline(*many[:-1])], [0.0])[0]) == MOST


@given(
    st.lists(
        st.tuples(st.integers(0, 900), st.integers(0, 900), st.integers(1, 99), st.just(False)),
        min_size=1, max_size=8,
    ),
    st.floats(-1, 1),
)  # fmt: skip
def test_glyphs_read_together_are_what_they_are_alone(
    contours: list[tuple[int, int, int, bool]], bottom: float
) -> None:
    one, other = outline(*contours), outline((0, 0, 50, False))
    together = pieces_of([other, one, other], [0.0, bottom, 0.0])
    assert together[1] == pieces_of([one], [bottom])[0]
    assert together[0] == together[2]
    box = around(together[1])
    assert box.left == pytest.approx(min(left for left, *_ in contours) / 1000, abs=1e-4)
    assert box.top == pytest.approx(max(low + side for _, low, side, _ in contours) / 1000 + bottom, abs=1e-4)


def test_no_outlines_have_no_pieces() -> None:
    assert pieces_of([], []) == []
