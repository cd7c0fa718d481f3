"""The shape of a glyph: quadratic or cubic contours, as FreeType holds them.

An outline is kept in font units with its bounding box moved to the origin, so that the same
shape has the same bytes wherever its glyph places it; where it sits is part of the glyph's
metrics. Provenance: FreeType's FT_Outline (points, tags, contour ends).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from hashlib import blake2b

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
            ends = np.concatenate(([-1], contours))
            if ends[-1] != n_points - 1 or (ends[1:] <= ends[:-1]).any():
                # FreeType trusts them, and would read and write where there are no points.
                raise ValueError("its contours do not end where its points do")
        except (struct.error, ValueError) as error:
            raise BadDataset(f"Not an outline: {error}.", "Build the dataset anew.") from None
        return cls(points.reshape(-1, 2).astype(np.int32), tags, contours, units_per_em)


def outline_hash(data: bytes) -> bytes:
    """16-byte identity of an outline's bytes: equal for equal shapes of equal scale."""
    return blake2b(data, digest_size=16).digest()


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
    waiting: list[int] = []  # control points since the last point on the curve
    for at in order[:-1]:
        kind = kinds[at]
        if kind == _ON:
            controls = " ".join([f"{xs[i]} {ys[i]}" for i in waiting])
            parts.append(f"{_COMMANDS[len(waiting)]}{controls} {xs[at]} {ys[at]}")
            waiting = []
        elif kind == _CONIC and waiting:
            parts.append(f"Q{xs[waiting[0]]} {ys[waiting[0]]} {between(waiting[0], at)}")
            waiting = [at]
        else:
            waiting = [*waiting[-1:], at]
    at = order[-1]
    if waiting:
        controls = " ".join([f"{xs[i]} {ys[i]}" for i in waiting])
        close = f"{xs[at]} {ys[at]}" if kinds[at] == _ON else between(end - 1, start)
        parts.append(f"{_COMMANDS[len(waiting)]}{controls} {close}")
    parts.append("Z")
