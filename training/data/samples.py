"""Numbered samples, drawn on demand, a batch at a time.

What a sample shows is a pure function of the seed and its number: its label and its font. How it is distorted
depends on what it is drawn together with, too: a batch, or a device's part of it. So every epoch differs, any
run can be repeated bit for bit, and a run that was killed continues as if it had not been.

Samples 2k and 2k+1 are partners: by default they share a label and differ in family, which gives the
contrastive loss a positive for every anchor.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset
from torch.utils.data import Sampler

from glyphs.dataset.store import GlyphTable
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


class Samples(TorchDataset[Batch]):
    """Numbered training samples; see the module's text.

    weights: (L,) how often a label is drawn; group: (L,) the contrastive group of each label;
    favoured: ids of families from which a share of a label's samples is drawn
    """

    def __init__(
        self,
        drawn: Drawn,
        config: TrainConfig,
        weights: NDArray[np.float64],
        group: NDArray[np.int64],
        favoured: NDArray[np.int64],
    ) -> None:
        self._shapes, self._config = drawn.shapes, config
        self._settings = config.raster
        self._cumulative = np.cumsum(weights) / weights.sum()
        # Labels that can be drawn by group, for partners of one group: its members lie in a row.
        self._group = group
        drawable = np.flatnonzero(weights)
        self._by_group = drawable[np.argsort(group[drawable], kind="stable")]
        self._group_starts = np.searchsorted(group[self._by_group], np.arange(group.max() + 2))
        # Rows by label, then by family, favoured ones first: families are drawn evenly, then a glyph within.
        is_favoured = np.isin(drawn.table.family, favoured)
        order = np.lexsort((drawn.table.family, ~is_favoured, drawn.places))
        self.table, self.places = drawn.table.take(order), drawn.places[order]
        changes = np.r_[True, (np.diff(self.places) != 0) | (np.diff(self.table.family) != 0)]
        self._family_starts = np.r_[np.flatnonzero(changes), len(order)]
        of_family = self.places[self._family_starts[:-1]]
        self._label_starts = np.searchsorted(of_family, np.arange(len(weights) + 1))
        first = is_favoured[order][self._family_starts[:-1]]
        self._favoured = np.bincount(of_family[first], minlength=len(weights))

    def rows(self, numbers: Sequence[int]) -> NDArray[np.int64]:
        """(N,) which glyphs samples show, by their numbers in order."""
        batch, place = np.divmod(numbers, self._config.batch)
        return np.concatenate([self._rows(number)[place[batch == number]] for number in np.unique(batch)])

    def _rows(self, batch: int) -> NDArray[np.int64]:
        """Which glyphs a batch shows; partners stand side by side."""
        config = self._config
        rng = np.random.Generator(np.random.Philox(key=[config.seed, batch]))
        draws = config.batch if config.partner == "none" else config.batch // 2
        label = np.searchsorted(self._cumulative, rng.random(draws), side="right")
        label = np.minimum(label, len(self._label_starts) - 2)
        one, other = self._families(label, rng)
        if config.partner == "group":
            start, end = (self._group_starts[self._group[label] + n] for n in (0, 1))
            member = self._by_group[start + _below(end - start, rng)]
            other = np.where(member == label, other, self._families(member, rng)[1])
        family = one if config.partner == "none" else np.stack([one, other], axis=1).ravel()
        start, end = self._family_starts[family], self._family_starts[family + 1]
        rows: NDArray[np.int64] = start + _below(end - start, rng)
        return rows

    def _families(
        self, label: NDArray[np.int64], rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """A family of each label, and another where it has several, by their places in `_family_starts`."""
        first, after = self._label_starts[label], self._label_starts[label + 1]
        one = _below(after - first, rng)
        other = (one + 1 + _below(after - first - 1, rng)) % (after - first)
        if self._favoured.any():
            one, other = (self._instead(drawn, label, rng) for drawn in (one, other))
            other = np.where(other == one, (one + 1) % (after - first), other)
        return first + one, first + other

    def _instead(
        self, drawn: NDArray[np.int64], label: NDArray[np.int64], rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Families that were drawn, a share of them replaced by favoured ones where labels have any."""
        favoured = self._favoured[label]
        taken = (rng.random(len(label)) < self._config.favoured_share) & (favoured > 0)
        return np.where(taken, _below(favoured, rng), drawn)

    def __getitems__(self, numbers: Sequence[int]) -> Batch:
        """Samples that are drawn together, as torch's loader asks for them."""
        rows = self.rows(numbers)
        rng = np.random.Generator(np.random.Philox(key=[self._config.seed + 1, numbers[0]]))
        shape = self.table.shape[rows]
        how = self._config.augmentation
        metrics = hidden(self.table.metrics[rows], how, rng)
        rasters = augmented([self._shapes.get(i) for i in shape.tolist()], self._settings, how, rng)
        return _batch(rasters, metrics, self.places[rows], shape)


class Clean(TorchDataset[Batch]):
    """Glyphs as their fonts draw them, with their metrics."""

    def __init__(self, drawn: Drawn, settings: RasterSettings) -> None:
        self.drawn, self._settings = drawn, settings

    def __len__(self) -> int:
        return len(self.drawn)

    def __getitems__(self, numbers: Sequence[int]) -> Batch:
        table, rows = self.drawn.table, np.asarray(numbers)
        rasters = self.drawn.shapes.draw_all(table.shape[rows], self._settings)
        return _batch(rasters, table.metrics[rows], self.drawn.places[rows], table.shape[rows])


def together(samples: Any) -> Any:
    """What torch's loader makes a batch of samples with: they come as one."""
    return samples


def _batch(
    rasters: Pixels, metrics: NDArray[np.float32], places: NDArray[np.int64], shapes: NDArray[np.int32]
) -> Batch:
    image = torch.from_numpy(rasters)
    return {
        "image": image[:, None] if image.ndim == 3 else image,
        "metrics": torch.from_numpy(metrics),
        "label": torch.from_numpy(places),
        "shape": torch.from_numpy(shapes.astype(np.int64)),
    }


def _below(counts: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """A whole number from 0 up to each count, which is left out; 0 where the count is 0."""
    return (rng.random(len(counts)) * counts).astype(np.int64)


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
