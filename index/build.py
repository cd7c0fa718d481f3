"""Choosing reference glyphs from a dataset and indexing them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from glyphs.dataset.shapes import Shapes
from glyphs.dataset.store import Dataset, GlyphTable
from glyphs.errors import BadDataset
from glyphs.labels import Label
from glyphs.raster import Raster, RasterSettings
from glyphs.splits import Split
from index.kinds import RECALL, Kind, Tell, quiet
from index.pictures import Pictures, small_picture
from index.references import References
from index.search import ReferenceIndex

# (N, S, S) uint8 rasters, (N, 4) float32 metrics -> (N, E) float32 unit embeddings
Embed = Callable[[NDArray[np.uint8], NDArray[np.float32]], NDArray[np.float32]]
CHUNK = 256  # glyphs drawn and embedded at once
CANDIDATES = 4  # families looked at for every reference kept


def choose_references(dataset: Dataset, labels: Iterable[Label], per_label: int) -> GlyphTable:
    """Up to `per_label` training glyphs of each label, every one from another family."""
    ids = dataset.label_ids()
    table = dataset.table(Split.TRAIN)
    table = table.take(np.isin(table.label, [ids[label] for label in labels if label in ids]))
    return table.spread(per_label)


def most_telling(embeddings: NDArray[np.float32], keep: int) -> list[int]:
    """Which `keep` rows of (N, E) unit embeddings stand best for all N, most telling first.

    Greedy facility location (Nemhauser, Wolsey and Fisher, 1978): each step takes the row that
    adds most to the sum, over all rows, of the similarity to the nearest row taken.
    """
    similar = embeddings @ embeddings.T
    chosen: list[int] = []
    served = np.full(len(embeddings), -1.0, np.float32)
    for _ in range(min(keep, len(embeddings))):
        gain = np.maximum(similar, served[:, None]).sum(axis=0)
        gain[chosen] = -np.inf
        chosen.append(int(gain.argmax()))
        served = np.maximum(served, similar[:, chosen[-1]])
    return chosen


class IndexBuilder:
    """Draws and embeds candidates; iterate over `run` for progress, then take `index`."""

    def __init__(
        self,
        dataset: Dataset,
        labels: Iterable[Label],
        *,
        per_label: int,
        settings: RasterSettings,
        kind: Kind = Kind.AUTO,
        recall: float = RECALL,
    ) -> None:
        """per_label: references kept of each label, out of `CANDIDATES` times as many families
        kind, recall: of the index, as of `ReferenceIndex.build`

        Raises:
            BadDataset: the dataset has a glyph of none of the labels.
        """
        self._table = choose_references(dataset, labels, per_label * CANDIDATES)
        if not len(self._table):
            raise BadDataset(f"{dataset.path} has no training glyph of the bundle's labels.")
        self._keep = per_label
        self._settings = settings
        self._kind, self._recall = kind, recall
        self._shapes = Shapes(dataset, self._table.shape.tolist())
        known, fonts = dataset.labels(), dataset.fonts()
        self._labels = [known[int(label)] for label in self._table.label]
        self._fonts = [fonts[int(font)] for font in self._table.font]
        self.index: ReferenceIndex | None = None

    def __len__(self) -> int:
        """How many candidates there are."""
        return len(self._table)

    def run(self, embed: Embed, tell: Tell = quiet) -> Iterator[int]:
        """Yields how many candidates are done.

        tell: is told how the index is built, after the last candidate

        Raises:
            BadIndex: what `ReferenceIndex.build` raises.
        """
        parts = []
        for start in range(0, len(self), CHUNK):
            rows = slice(start, min(start + CHUNK, len(self)))
            rasters = np.stack([self._draw(row) for row in range(rows.start, rows.stop)])
            parts.append(embed(rasters, self._table.metrics[rows]))
            yield rows.stop
        embeddings = np.concatenate(parts)
        # Candidates of a label lie together.
        starts = np.flatnonzero(np.r_[True, np.diff(self._table.label) != 0])
        kept = [
            int(start) + row
            for start, end in zip(starts, [*starts[1:], len(self)], strict=True)
            for row in most_telling(embeddings[start:end], self._keep)
        ]
        families, styles = zip(*(self._fonts[row] for row in kept), strict=True)
        pictures = Pictures.of(small_picture(self._draw(row)) for row in kept)
        references = References([self._labels[row] for row in kept], families, styles, pictures)
        self.index = ReferenceIndex.build(
            embeddings[kept], references, kind=self._kind, recall=self._recall, tell=tell
        )

    def _draw(self, row: int) -> Raster:
        return self._shapes.draw(int(self._table.shape[row]), self._settings)
