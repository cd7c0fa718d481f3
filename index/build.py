"""Choosing reference glyphs from a dataset and indexing them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from glyphs.dataset.shapes import Shapes
from glyphs.dataset.store import Dataset, GlyphTable
from glyphs.errors import BadDataset
from glyphs.labels import Label
from glyphs.raster import RasterSettings
from glyphs.splits import Split
from index.references import PICTURE, References, small_picture
from index.search import ReferenceIndex

# (N, S, S) uint8 rasters, (N, 4) float32 metrics -> (N, E) float32 unit embeddings
Embed = Callable[[NDArray[np.uint8], NDArray[np.float32]], NDArray[np.float32]]
_CHUNK = 256


def choose_references(dataset: Dataset, labels: Iterable[Label], per_label: int, seed: int = 0) -> GlyphTable:
    """Up to `per_label` training glyphs of each label, every one from another family."""
    ids = dataset.label_ids()
    table = dataset.table(Split.TRAIN)
    table = table.take(np.isin(table.label, [ids[label] for label in labels if label in ids]))
    if not len(table):
        return table
    table = table.take(np.random.default_rng(seed).permutation(len(table)))
    # The first row of each (label, family) in a random order is a random style of that family.
    _, first = np.unique(np.stack([table.label, table.family], axis=1), axis=0, return_index=True)
    table = table.take(np.sort(first))
    order = np.argsort(table.label, kind="stable")
    _, starts, counts = np.unique(table.label[order], return_index=True, return_counts=True)
    return table.take(
        np.concatenate([order[s : s + min(n, per_label)] for s, n in zip(starts, counts, strict=True)])
    )


class IndexBuilder:
    """Draws and embeds references; iterate over `run` for progress, then take `index`."""

    def __init__(
        self, dataset: Dataset, labels: Iterable[Label], *, per_label: int, settings: RasterSettings
    ) -> None:
        """Raises BadDataset where the dataset has a glyph of none of the labels."""
        self._table = choose_references(dataset, labels, per_label)
        if not len(self._table):
            raise BadDataset(f"{dataset.path} has no training glyph of the bundle's labels.")
        self._settings = settings
        self._shapes = Shapes(dataset, self._table.shape.tolist())
        known, fonts = dataset.labels(), dataset.fonts()
        self._labels = [known[int(label)] for label in self._table.label]
        self._fonts = [fonts[int(font)] for font in self._table.font]
        self.index: ReferenceIndex | None = None

    def __len__(self) -> int:
        return len(self._table)

    def run(self, embed: Embed) -> Iterator[int]:
        """Yields how many references are done."""
        pictures = np.zeros((len(self), PICTURE, PICTURE), np.uint8)
        embeddings = []
        for start in range(0, len(self), _CHUNK):
            rows = range(start, min(start + _CHUNK, len(self)))
            rasters = np.stack(
                [self._shapes.draw(int(self._table.shape[row]), self._settings) for row in rows]
            )
            embeddings.append(embed(rasters, self._table.metrics[rows.start : rows.stop]))
            pictures[rows.start : rows.stop] = [small_picture(raster) for raster in rasters]
            yield rows.stop
        families, styles = zip(*self._fonts, strict=True)
        self.index = ReferenceIndex.build(
            np.concatenate(embeddings), References(self._labels, families, styles, pictures)
        )
