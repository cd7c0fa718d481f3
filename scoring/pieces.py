"""The pieces of ink that a glyph is made of: the body of a letter, its dots and accents.

A piece is a contour that bounds ink from outside. It turns the way the largest contour turns; the holes turn
the other way (TrueType and PostScript differ in which way is which, and agree in that). What turns the other
way but lies in no piece is no hole: it is filled like any other, for it has nothing to be cut out of.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from glyphs.outline import Outline, Outlines

MOST = 32  # pieces of one glyph; one with more is an ornament, of which nothing is told
_DIGITS = 4
_SLACK = 0.005  # em that a hole may reach beyond its piece


class Piece(NamedTuple):
    """Where a piece lies within its glyph, and the area that its control points enclose; em, em^2."""

    left: float
    bottom: float
    right: float
    top: float
    area: float


def around(pieces: Sequence[Piece]) -> Piece:
    """The box of several pieces, one at least, and the sum of their areas."""
    lefts, bottoms, rights, tops, areas = zip(*pieces, strict=True)
    return Piece(min(lefts), min(bottoms), max(rights), max(tops), sum(areas))


def pieces_of(outlines: Sequence[Outline], bottoms: Sequence[float]) -> list[tuple[Piece, ...]]:
    """The pieces of each outline, in the order of its contours; none where there are more than `MOST`.

    bottoms: where each outline's origin lies above the baseline, em
    """
    if not outlines:
        return []
    every = Outlines.of(outlines)
    start, _ = every.contour_ends()
    following = every.following()
    points = every.points * np.repeat(1 / every.units_per_em, every.point_counts)[:, None]
    points[:, 1] += np.repeat(bottoms, every.point_counts)
    x, y = points.T
    areas = np.add.reduceat(x * y[following] - x[following] * y, start) / 2
    boxes = np.c_[
        np.minimum.reduceat(points, start), np.maximum.reduceat(points, start), np.abs(areas)
    ].round(_DIGITS)
    found: list[tuple[Piece, ...]] = []
    at = 0
    for count in every.contour_counts.tolist():
        of = slice(at, at + count)
        turns = np.sign(areas[of])
        outer = turns == turns[np.abs(areas[of]).argmax()]
        if not outer.all():
            outer[~outer] = ~_inside(boxes[of][~outer], boxes[of][outer])
        kept = boxes[of][outer] if outer.sum() <= MOST else boxes[:0]
        found.append(tuple(Piece(*row) for row in kept.tolist()))
        at += count
    return found


def _inside(boxes: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of the boxes, (N, 5) rows of pieces, lies in one of the others, (M, 5)."""
    low = boxes[:, None, :2] >= others[None, :, :2] - _SLACK
    high = boxes[:, None, 2:4] <= others[None, :, 2:4] + _SLACK
    inside: NDArray[np.bool_] = np.all(low & high, axis=2).any(axis=1)
    return inside
