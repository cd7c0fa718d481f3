"""Small pictures of reference glyphs, kept as the PNGs that are served.

Of each there is what only its own PNG has: the compressed rows. They lie one after another in a file, which
processes share (memory-mapped), and of which nothing is read before somebody looks at a picture.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from glyphs.errors import BadIndex
from glyphs.raster import Raster

FILE = "pictures.bin"
PICTURE = 48  # pixels of a side
_STEP = 17  # grey levels are multiples of 17: sixteen are plenty for the eye, and take four bits


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


# PNG (ISO/IEC 15948): grey, four bits a pixel, rows without a filter.
_HEAD: Final = b"\x89PNG\r\n\x1a\n" + _chunk(
    b"IHDR", struct.pack(">IIBBBBB", PICTURE, PICTURE, 4, 0, 0, 0, 0)
)
_TAIL: Final = _chunk(b"IEND", b"")


class Pictures:
    """R pictures; `pictures[i]` is the i-th as (PICTURE, PICTURE) uint8, ink bright."""

    def __init__(self, rows: NDArray[np.uint8], lengths: NDArray[np.integer]) -> None:
        """rows: (B,) uint8, the compressed rows of one picture after another; lengths: (R,) bytes of each

        Raises:
            BadIndex: the lengths do not add up to what there is.
        """
        self._rows = rows
        self._ends = np.cumsum(lengths, dtype=np.int64)
        if (lengths < 0).any() or len(rows) != int(self._ends[-1] if len(self._ends) else 0):
            raise BadIndex("The pictures of the references are not as long as they should be.")

    @classmethod
    def of(cls, pictures: Iterable[NDArray[np.uint8]]) -> Pictures:
        """Of (PICTURE, PICTURE) uint8 each, ink bright, as `small_picture` makes them."""
        return cls._joined([_packed(picture) for picture in pictures])

    @classmethod
    def _joined(cls, parts: Sequence[bytes]) -> Pictures:
        return cls(
            np.frombuffer(b"".join(parts), np.uint8), np.fromiter(map(len, parts), np.int64, len(parts))
        )

    def __len__(self) -> int:
        return len(self._ends)

    def _packed(self, number: int) -> bytes:
        start = int(self._ends[number - 1]) if number else 0
        return self._rows[start : int(self._ends[number])].tobytes()

    def __getitem__(self, number: int) -> NDArray[np.uint8]:
        if not 0 <= number < len(self):
            raise IndexError(number)
        rows = np.frombuffer(zlib.decompress(self._packed(number)), np.uint8).reshape(PICTURE, -1)[:, 1:]
        levels = np.stack([rows >> 4, rows & 15], axis=2).reshape(PICTURE, PICTURE)
        return 255 - _STEP * levels

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return map(self.__getitem__, range(len(self)))

    def png(self, number: int) -> bytes:
        """The PNG of a picture, dark on white."""
        return _HEAD + _chunk(b"IDAT", self._packed(number)) + _TAIL

    def take(self, numbers: Sequence[int]) -> Pictures:
        """The pictures of these numbers, in their order."""
        return self._joined([self._packed(number) for number in numbers])

    def __add__(self, others: Pictures) -> Pictures:
        return Pictures(
            np.concatenate([self._rows, others._rows]), np.concatenate([self.lengths, others.lengths])
        )

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(R,) bytes of each, compressed."""
        return np.diff(self._ends, prepend=0)

    def save(self, folder: Path) -> None:
        """Write FILE. `lengths` is kept by who loads them again."""
        self._rows.tofile(folder / FILE)

    @classmethod
    def load(cls, folder: Path, lengths: NDArray[np.integer]) -> Pictures:
        """Raises BadIndex where there are other bytes than the lengths say, OSError without a file."""
        path = folder / FILE
        empty = not path.stat().st_size  # which cannot be mapped
        return cls(np.zeros(0, np.uint8) if empty else np.memmap(path, np.uint8, "r"), lengths)


def small_picture(raster: Raster) -> NDArray[np.uint8]:
    """A raster reduced to a reference's picture, (PICTURE, PICTURE) uint8."""
    reduced = np.asarray(Image.fromarray(raster).resize((PICTURE, PICTURE), Image.Resampling.LANCZOS))
    rounded = (reduced.astype(np.uint16) + _STEP // 2) // _STEP * _STEP
    return np.minimum(rounded, 255).astype(np.uint8)


def _packed(picture: NDArray[np.uint8]) -> bytes:
    levels = 15 - picture // _STEP
    rows = np.zeros((PICTURE, 1 + PICTURE // 2), np.uint8)  # each begins with the kind of its filter: none
    rows[:, 1:] = levels[:, ::2] << 4 | levels[:, 1::2]
    return zlib.compress(rows.tobytes(), 9)
