"""Glyphs of a dataset as models take them, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from glyphs.dataset.store import GlyphTable
from glyphs.raster import RasterSettings
from recognition.recogniser import LARGEST_BATCH, Recogniser
from training.data import Source


def drawn(
    source: Source, table: GlyphTable, settings: RasterSettings
) -> Iterator[tuple[slice, NDArray[np.uint8]]]:
    """Rows of a table of the source's glyphs, at most LARGEST_BATCH at once, and their rasters (n, S, S)."""
    shapes = source.shapes(np.unique(table.shape).tolist())
    for start in range(0, len(table), LARGEST_BATCH):
        rows = slice(start, start + LARGEST_BATCH)
        yield rows, shapes.draw_all(table.shape[rows], settings)


def embedded(recogniser: Recogniser, source: Source, table: GlyphTable) -> NDArray[np.float32]:
    """(N, E) unit embeddings of a table's glyphs, with their metrics."""
    manifest = recogniser.bundle.manifest
    parts = [np.empty((0, manifest.embedding), np.float32)]
    for rows, rasters in drawn(source, table, manifest.raster):
        parts.append(recogniser.answer(rasters, table.metrics[rows]).embeddings)
    return np.concatenate(parts)
