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
