"""The shape of a glyph: quadratic or cubic contours, as FreeType holds them.

An outline is kept in font units with its bounding box moved to the origin, so that the same
shape has the same bytes wherever its glyph places it; where it sits is part of the glyph's
metrics. Provenance: FreeType's FT_Outline (points, tags, contour ends).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from operator import lt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glyphs.errors import BadDataset

_HEADER = struct.Struct("<HHH")  # units per em, number of points, number of contours


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """Contours of one glyph.

    points:   (P, 2) int32, font units, bounding box of the control points at the origin, y up
    tags:     (P,) uint8, FreeType's point tags (bit 0: on the curve; bit 1: cubic control)
    contours: (C,) int16, index of each contour's last point
    """

    points: NDArray[np.int32]
    tags: NDArray[np.uint8]
    contours: NDArray[np.int16]
    units_per_em: int

    def to_bytes(self) -> bytes:
        """Compact form: header, contour ends, tags, points as int16 (a shape wider than 32,767
        units does not fit; no font the format allows has one after the move to the origin
        unless its coordinates span both signs entirely, and such a glyph is refused).
        """
        if self.points.size and int(self.points.max()) > 32767:
            raise BadDataset("An outline spans more than 32,767 font units.")
        header = _HEADER.pack(self.units_per_em, len(self.points), len(self.contours))
        return b"".join(
            (header, self.contours.tobytes(), self.tags.tobytes(), self.points.astype("<i2").tobytes())
        )

    @classmethod
    def from_bytes(cls, data: bytes | memoryview) -> Outline:
        """Read what `to_bytes` wrote.

        Raises:
            BadDataset: the bytes are not an outline.
        """
        try:
            units_per_em, n_points, n_contours = _HEADER.unpack_from(data)
            at = _HEADER.size
            contours = np.frombuffer(data, "<i2", n_contours, at)
            tags = np.frombuffer(data, np.uint8, n_points, at + 2 * n_contours)
            points = np.frombuffer(data, "<i2", 2 * n_points, at + 2 * n_contours + n_points)
            ends = [-1, *contours.tolist()]
            if ends[-1] != n_points - 1 or not all(map(lt, ends, ends[1:])):
                # FreeType trusts them, and would read and write where there are no points.
                raise ValueError("its contours do not end where its points do")
        except (struct.error, ValueError) as error:
            raise BadDataset(f"Not an outline: {error}.", "Build the dataset anew.") from None
        return cls(points.reshape(-1, 2).astype(np.int32), tags, contours, units_per_em)


@dataclass(frozen=True, slots=True, eq=False)
class Outlines:
    """Contours of N glyphs, one glyph after another, so that numpy works on all of them at once.

    points:       (P, 2) integers, font units, as of `Outline`
    tags:         (P,) uint8
    contours:     (C,) int16, index of each contour's last point among those of its own glyph
    point_counts, contour_counts, units_per_em: (N,) int64
    """

    points: NDArray[np.integer[Any]]
    tags: NDArray[np.uint8]
    contours: NDArray[np.int16]
    point_counts: NDArray[np.int64]
    contour_counts: NDArray[np.int64]
    units_per_em: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.point_counts)

    @classmethod
    def of(cls, outlines: Sequence[Outline]) -> Outlines:
        """Put outlines, one at least, together."""
        sizes = [(len(one.points), len(one.contours), one.units_per_em) for one in outlines]
        return cls(
            np.concatenate([one.points for one in outlines]),
            np.concatenate([one.tags for one in outlines]),
            np.concatenate([one.contours for one in outlines], dtype=np.int16, casting="unsafe"),
            *np.array(sizes, np.int64).T,
        )

    @classmethod
    def from_block(
        cls, block: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]
    ) -> Outlines:
        """Read what `Outline.to_bytes` wrote N times: block[starts[i]:ends[i]] is one outline.

        Raises:
            BadDataset: one of them is no outline.
        """
        try:
            if (ends - starts < _HEADER.size).any():
                raise ValueError("it has no header")
            header = block[starts[:, None] + np.arange(_HEADER.size)].view("<u2").astype(np.int64)
            units_per_em, n_points, n_contours = header.T
            at = starts + _HEADER.size
            if (at + 2 * n_contours + 5 * n_points > ends).any():
                raise ValueError("it breaks off")
            contours = block[_ranges(at, 2 * n_contours)].view("<i2")
            tags = block[_ranges(at + 2 * n_contours, n_points)]
            points = block[_ranges(at + 2 * n_contours + n_points, 4 * n_points)].view("<i2")
            after = np.cumsum(n_contours)
            before = np.r_[np.int16(-1), contours]  # what each contour's last point comes after
            before[after - n_contours] = -1
            closed = n_contours > 0
            if (
                (n_points[~closed] != 0).any()
                or (contours[after[closed] - 1] != n_points[closed] - 1).any()
                or (contours <= before[:-1]).any()
            ):
                # FreeType trusts them, and would read and write where there are no points.
                raise ValueError("its contours do not end where its points do")
        except ValueError as error:
            raise BadDataset(f"Not an outline: {error}.", "Build the dataset anew.") from None
        return cls(points.reshape(-1, 2), tags, contours, n_points, n_contours, units_per_em)

    def owners(self) -> NDArray[np.int64]:
        """(P,): the number of the glyph that each point belongs to."""
        return np.repeat(np.arange(len(self)), self.point_counts)

    def contour_ends(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(C,), (C,): where each contour's first and last point stand among all points, one at least."""
        firsts = np.cumsum(self.point_counts) - self.point_counts
        lasts = self.contours.astype(np.int64) + np.repeat(firsts, self.contour_counts)
        return np.r_[0, lasts[:-1] + 1], lasts

    def following(self) -> NDArray[np.int64]:
        """(P,): which point comes after each, the first of a contour after its last."""
        starts, lasts = self.contour_ends()
        following = np.arange(1, len(self.points) + 1)
        following[lasts] = starts
        return following

    def part(self, start: int, end: int) -> Outlines:
        """Outlines number `start` to `end` - 1, without copying."""
        first, of_first = int(self.point_counts[:start].sum()), int(self.contour_counts[:start].sum())
        some = slice(start, end)
        last = first + int(self.point_counts[some].sum())
        of_last = of_first + int(self.contour_counts[some].sum())
        return Outlines(
            self.points[first:last], self.tags[first:last], self.contours[of_first:of_last],
            self.point_counts[some], self.contour_counts[some], self.units_per_em[some],
        )  # fmt: skip


def outline_hash(data: bytes) -> bytes:
    """16-byte identity of an outline's bytes: equal for equal shapes of equal scale."""
    return blake2b(data, digest_size=16).digest()


def _ranges(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """starts[0], starts[0] + 1, ... as many as lengths[0], then those of starts[1], and so on."""
    total = np.cumsum(lengths)
    return np.repeat(starts - total + lengths, lengths) + np.arange(total[-1] if len(total) else 0)


_ON, _CONIC, _CUBIC_CONTROL = 1, 0, 2  # a point's tag, of its two lowest bits
_BETWEEN = 3  # as a tag: on the curve, half way between two conic control points, and not stored
_START, _LINE, _QUADRATIC, _CUBIC, _NEXT = b"MLQC "  # what is written before a point
_CLOSE, _END = b"Z\n"  # behind a contour; behind an outline


def svg_paths(outlines: Sequence[Outline], origins: Sequence[tuple[int, int]]) -> list[str]:
    """SVG path data (SVG 2, section 9.3) of each outline in font units, y down; filled nonzero.

    origins: where each outline's origin goes, y up
    """
    if not any(len(outline.points) for outline in outlines):
        return [""] * len(outlines)
    every = Outlines.of(outlines)
    points = every.points.astype(np.float64)
    points += np.repeat(np.asarray(origins), every.point_counts, axis=0)
    points[:, 1] *= -1
    points, kinds, starts, lasts = _with_implied(every, points)
    # A contour is walked from its first point on the curve that is stored, or else from the last implied
    # one, and back to that.
    stored = np.where(kinds == _ON, np.arange(len(kinds)), len(kinds))
    begins = np.minimum.reduceat(stored, starts)
    begins = np.where(begins < len(kinds), begins, lasts)
    lengths = lasts - starts + 1
    turn = _ranges(begins - starts, lengths + 1)
    walk = np.repeat(starts, lengths + 1) + turn % np.repeat(lengths, lengths + 1)
    of_kind = kinds[walk]
    on = (of_kind == _ON) | (of_kind == _BETWEEN)
    before = np.r_[True, on[:-1]]
    control = np.where(of_kind == _CONIC, np.uint8(_QUADRATIC), np.uint8(_CUBIC))
    command = np.where(before, np.where(on, np.uint8(_LINE), control), np.uint8(_NEXT))
    ends = np.cumsum(lengths + 1) - 1
    command[ends - lengths] = _START
    close = np.zeros((len(walk), 2), np.uint8)
    close[ends, 0] = _CLOSE
    inked = every.contour_counts > 0
    close[ends[np.cumsum(every.contour_counts[inked]) - 1], 1] = _END
    between = np.full(len(walk), _NEXT, np.uint8)
    letters = np.column_stack([command, _decimal(points[walk, 0]), between, _decimal(points[walk, 1]), close])
    letters[ends[before[ends]], :-2] = 0  # a line back to where it began need not be told
    drawn = iter(letters[letters > 0].tobytes().decode("ascii").split("\n"))
    return [next(drawn) if has_ink else "" for has_ink in inked.tolist()]


def _decimal(numbers: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Whole numbers and halves as ASCII, a row each, 0 being no letter: much faster than one by one."""
    doubled = np.abs(2 * numbers).astype(np.int32)
    left = doubled >> 1
    width = len(str(left.max()))
    letters = np.zeros((width + 3, len(numbers)), np.uint8)
    letters[0, numbers < 0] = ord("-")
    for place in range(width, 0, -1):
        rest = left // 10
        letters[place] = left - 10 * rest + ord("0")
        if place < width:
            letters[place, left == 0] = 0
        left = rest
    half = (doubled & 1).astype(bool)
    letters[-2, half], letters[-1, half] = b".5"
    return letters.T


def _with_implied(
    outlines: Outlines, points: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """Points, kinds, and first and last point of each contour, with the points that TrueType leaves out,
    between two conic control points.

    points: where the points of the outlines go
    """
    tags, following, (starts, lasts) = outlines.tags, outlines.following(), outlines.contour_ends()
    kinds: NDArray[np.uint8] = np.where(tags & _ON, np.uint8(_ON), tags & np.uint8(_CUBIC_CONTROL))
    implied = (kinds == _CONIC) & (kinds[following] == _CONIC)
    more = np.cumsum(implied)
    stored = np.arange(len(points)) + more - implied
    between = stored[implied] + 1
    every = np.empty((len(points) + len(between), 2))
    of_kind = np.full(len(every), _BETWEEN, np.uint8)
    every[stored], of_kind[stored] = points, kinds
    every[between] = (points[implied] + points[following[implied]]) / 2
    return every, of_kind, starts + more[starts] - implied[starts], lasts + more[lasts]
