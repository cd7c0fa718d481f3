"""Numbered samples, drawn on demand.

A sample is a pure function of (seed, its number): its label, its font and its augmentation. So
every epoch differs, any run can be repeated bit for bit, and a run that was killed continues
as if it had not been. Samples 2k and 2k+1 are partners: by default they share a label and
differ in family, which gives the contrastive loss a positive for every anchor.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset
from torch.utils.data import Sampler

from glyphs.dataset.store import GlyphTable
from glyphs.errors import BadFont, BadPicture
from glyphs.raster import RasterSettings
from training.augmentation import augmented, hidden
from training.config import TrainConfig
from training.data.source import Drawable, Pixels


class Batch(TypedDict):
    """image (B, C, S, S) uint8; metrics (B, 4) float32; label, shape (B,) int64 (shape: its id)."""

    image: Tensor
    metrics: Tensor
    label: Tensor
    shape: Tensor


@dataclass(frozen=True, slots=True)
class Drawn:
    """Glyphs with the place of each one's label among a model's labels, and their shapes.

    places: (G,) int64
    """

    table: GlyphTable
    places: NDArray[np.int64]
    shapes: Drawable

    def __len__(self) -> int:
        return len(self.table)


class Samples(TorchDataset[dict[str, Tensor]]):
    """Numbered training samples; see the module's text.

    weights: (L,) how often a label is drawn; group: (L,) the contrastive group of each label
    """

    def __init__(
        self,
        drawn: Drawn,
        config: TrainConfig,
        weights: NDArray[np.float64],
        group: NDArray[np.int64],
    ) -> None:
        self._shapes, self._config = drawn.shapes, config
        self._settings = config.raster
        self._cumulative = np.cumsum(weights) / weights.sum()
        # Labels that can be drawn by group, for partners of one group: its members lie in a row.
        self._group = group
        drawable = np.flatnonzero(weights)
        self._by_group = drawable[np.argsort(group[drawable], kind="stable")]
        self._group_starts = np.searchsorted(group[self._by_group], np.arange(group.max() + 2))
        # Rows by label, then by family: a label's families are drawn evenly, then a glyph within.
        order = np.lexsort((drawn.table.family, drawn.places))
        self.table, self.places = drawn.table.take(order), drawn.places[order]
        changes = np.r_[True, (np.diff(self.places) != 0) | (np.diff(self.table.family) != 0)]
        self._family_starts = np.r_[np.flatnonzero(changes), len(order)]
        of_family = self.places[self._family_starts[:-1]]
        self._label_starts = np.searchsorted(of_family, np.arange(len(weights) + 1))

    def row(self, number: int) -> int:
        """Which glyph sample `number` shows."""
        partner = self._config.partner
        pair, second = (number, 0) if partner == "none" else divmod(number, 2)
        rng = np.random.Generator(np.random.Philox(key=[self._config.seed, pair]))
        label = min(
            int(np.searchsorted(self._cumulative, rng.random(), side="right")), len(self._label_starts) - 2
        )
        first, after = int(self._label_starts[label]), int(self._label_starts[label + 1])
        families = rng.permutation(after - first)[:2] if after - first > 1 else np.zeros(2, int)
        if partner == "group" and second:
            start, end = (int(self._group_starts[self._group[label] + n]) for n in (0, 1))
            other = int(self._by_group[start + int(rng.integers(end - start))])
            if other != label:
                first, after = int(self._label_starts[other]), int(self._label_starts[other + 1])
                families = rng.integers(after - first, size=2)
        group = first + int(families[second])
        start, end = int(self._family_starts[group]), int(self._family_starts[group + 1])
        return start + int(rng.integers(0, 1 << 30, size=2)[second]) % (end - start)

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        row = self.row(number)
        rng = np.random.Generator(np.random.Philox(key=[self._config.seed + 1, number]))
        shape = int(self.table.shape[row])
        metrics = hidden(self.table.metrics[row], self._config.augmentation, rng)
        return _sample(self._draw(shape, rng), metrics, self.places[row], shape)

    def _draw(self, identifier: int, rng: np.random.Generator) -> Pixels:
        try:
            return augmented(self._shapes.get(identifier), self._settings, self._config.augmentation, rng)
        except (BadFont, BadPicture):  # a sliver that distortion flattened: as it is
            return self._shapes.draw(identifier, self._settings)


class Clean(TorchDataset[dict[str, Tensor]]):
    """Glyphs as their fonts draw them, with their metrics."""

    def __init__(self, drawn: Drawn, settings: RasterSettings) -> None:
        self.drawn, self._settings = drawn, settings

    def __len__(self) -> int:
        return len(self.drawn)

    def __getitem__(self, row: int) -> dict[str, Tensor]:
        table = self.drawn.table
        shape = int(table.shape[row])
        raster = self.drawn.shapes.draw(shape, self._settings)
        return _sample(raster, table.metrics[row], self.drawn.places[row], shape)


def _sample(raster: Pixels, metrics: NDArray[np.float32], place: np.int64, shape: int) -> dict[str, Tensor]:
    image = torch.from_numpy(raster)
    return {
        "image": image[None] if image.ndim == 2 else image,
        "metrics": torch.from_numpy(metrics),
        "label": torch.tensor(place),
        "shape": torch.tensor(shape),
    }


class Numbers(Sampler[int]):
    """The sample numbers of one epoch; of every batch, the part of device `rank` among `world`."""

    def __init__(self, config: TrainConfig, rank: int = 0, world: int = 1) -> None:
        self._batches, self._batch = config.batches_per_epoch, config.batch
        self._part = config.batch // world
        self._offset = rank * self._part
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this, also when it resumes."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._batches * self._part

    def __iter__(self) -> Iterator[int]:
        first = self._epoch * self._batches
        for batch in range(first, first + self._batches):
            start = batch * self._batch + self._offset
            yield from range(start, start + self._part)
