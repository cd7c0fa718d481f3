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

    def svg_path(self, origin: tuple[int, int] = (0, 0)) -> str:
        """SVG path data (SVG 2, section 9.3) in font units, y down; filled nonzero.

        origin: where the outline's origin goes, y up
        """
        xs = (self.points[:, 0] + origin[0]).tolist()
        ys = (-self.points[:, 1] - origin[1]).tolist()
        kinds = (self.tags & 3).tolist()
        parts: list[str] = []
        start = 0
        for last in self.contours.tolist():
            _contour(parts, xs, ys, kinds, start, last + 1)
            start = last + 1
        return "".join(parts)

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


_ON, _CONIC = 1, 0  # a point's tag, of its two lowest bits; 2 is a cubic's control point
_COMMANDS = "LQC"  # with none, one or two control points


def _contour(parts: list[str], xs: list[int], ys: list[int], kinds: list[int], start: int, end: int) -> None:
    """Append a closed contour: between two conic control points lies a point that is not stored."""

    def between(first: int, second: int) -> str:
        return f"{(xs[first] + xs[second]) / 2:g} {(ys[first] + ys[second]) / 2:g}"

    if _ON in kinds[start:end]:
        begin = kinds.index(_ON, start, end)
        order = [*range(begin + 1, end), *range(start, begin + 1)]
        parts.append(f"M{xs[begin]} {ys[begin]}")
    else:
        order = [*range(start, end), start]
        parts.append(f"M{between(end - 1, start)}")
    # Control points since the last point on the curve: how many, their coordinates, and the last one.
    waiting, controls, previous = 0, "", start
    for at in order[:-1]:
        kind, point = kinds[at], f"{xs[at]} {ys[at]}"
        if kind == _ON:
            parts.append(f"{_COMMANDS[waiting]}{controls}{point}")
            waiting, controls = 0, ""
        elif kind == _CONIC and waiting:
            parts.append(f"Q{controls}{between(previous, at)}")
            controls = f"{point} "
        else:
            waiting, controls = waiting + 1, f"{controls}{point} "
        previous = at
    at = order[-1]
    if waiting:
        close = f"{xs[at]} {ys[at]}" if kinds[at] == _ON else between(end - 1, start)
        parts.append(f"{_COMMANDS[waiting]}{controls}{close}")
    parts.append("Z")
