"""Shapes in memory, ready to draw: one block of bytes that forked workers share."""

from __future__ import annotations

import io
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from glyphs.dataset.store import RASTER, Dataset
from glyphs.errors import BadDataset
from glyphs.outline import Outline, Outlines
from glyphs.raster import Raster, RasterSettings, draw, draw_all, fit

_AT_ONCE = 256  # shapes that are decoded together


class Shapes:
    """The shapes of a dataset that are asked for, by shape id."""

    def __init__(self, dataset: Dataset, ids: Iterable[int]) -> None:
        block = bytearray()
        index, ends, rasters = [], [], []
        for identifier, kind, data in dataset.shape_data(ids):
            block += data
            index.append(identifier)
            ends.append(len(block))
            rasters.append(kind == RASTER)
        self._block = bytes(block)
        self._ends = np.array([0, *ends], np.int64)
        self._rasters = np.array(rasters, bool)
        self._places = np.full(max(index, default=0) + 1, -1, np.int32)
        self._places[index] = np.arange(len(index))

    def __len__(self) -> int:
        return len(self._rasters)

    def get(self, identifier: int) -> Outline | NDArray[np.uint8]:
        """The outline, or for an imported raster its ink, (H, W) uint8."""
        place = int(self._places[identifier])
        data = memoryview(self._block)[self._ends[place] : self._ends[place + 1]]
        if not self._rasters[place]:
            return Outline.from_bytes(data)
        try:
            return np.asarray(Image.open(io.BytesIO(data)))
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise BadDataset(f"Shape {identifier} of the dataset is a broken raster: {error}.") from None

    def draw(self, identifier: int, settings: RasterSettings = RasterSettings()) -> Raster:
        """The shape's undistorted raster."""
        shape = self.get(identifier)
        return draw(shape, settings) if isinstance(shape, Outline) else fit(shape, settings)

    def draw_all(
        self,
        identifiers: ArrayLike,
        settings: RasterSettings = RasterSettings(),
        out: NDArray[np.uint8] | None = None,
    ) -> NDArray[np.uint8]:
        """The undistorted rasters of N shapes, (N, size, size) uint8, as `draw` makes each.

        out: where to draw them; see `glyphs.raster.draw_all`
        """
        wanted = np.asarray(identifiers)
        if out is None:
            out = np.empty((len(wanted), settings.size, settings.size), np.uint8)
        block = np.frombuffer(self._block, np.uint8)
        for start in range(0, len(wanted), _AT_ONCE):
            some, rows = wanted[start : start + _AT_ONCE], out[start : start + _AT_ONCE]
            places = self._places[some]
            if self._rasters[places].any():
                for row, identifier in zip(rows, some.tolist(), strict=True):
                    row[:] = self.draw(identifier, settings)
            else:
                outlines = Outlines.from_block(block, self._ends[places], self._ends[places + 1])
                draw_all(outlines, settings, rows)
        return out
