"""Glyphs for training: which labels, which samples, drawn on demand.

A sample is a pure function of (seed, its number): its label, its font and its augmentation. So
every epoch differs, any run can be repeated bit for bit, and a run that was killed continues
as if it had not been. Samples 2k and 2k+1 share a label and differ in font, which gives the
contrastive loss a positive for every anchor.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import lightning as L
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Sampler
from torch.utils.data import Dataset as TorchDataset

from glyphs.dataset.shapes import Shapes
from glyphs.dataset.store import Dataset, GlyphTable
from glyphs.equivalence import Equivalence, build_equivalence
from glyphs.errors import BadDataset, BadFont, BadPicture
from glyphs.labels import Label
from glyphs.outline import Outline
from glyphs.raster import Raster, RasterSettings
from glyphs.splits import Split
from training.augmentation import augmented, degraded, hidden
from training.config import TrainConfig


class Batch(TypedDict):
    """image (B, 1, S, S) uint8; metrics (B, 4) float32; label, shape (B,) int64 (shape: its id)."""

    image: Tensor
    metrics: Tensor
    label: Tensor
    shape: Tensor


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The labels a model knows, in the order of its logits, and how many families have each."""

    labels: tuple[Label, ...]
    families: tuple[int, ...]

    @classmethod
    def choose(cls, dataset: Dataset, table: GlyphTable, min_families: int) -> Vocabulary:
        """Labels that at least `min_families` families of `table` have, in label order.

        Raises:
            BadDataset: fewer than two labels are that common.
        """
        pairs = np.unique(np.stack([table.label, table.family], axis=1), axis=0)
        identifiers, counts = np.unique(pairs[:, 0], return_counts=True)
        known = dataset.labels()
        chosen = sorted(
            (known[i], n)
            for i, n in zip(identifiers.tolist(), counts.tolist(), strict=True)
            if n >= min_families
        )
        if len(chosen) < 2:
            raise BadDataset(
                f"Fewer than two labels occur in {min_families} training families.",
                "Add fonts, or lower min_families.",
            )
        return cls(tuple(label for label, _ in chosen), tuple(n for _, n in chosen))


class _Samples(TorchDataset[dict[str, Tensor]]):
    """Numbered training samples; see the module's text."""

    def __init__(
        self,
        table: GlyphTable,
        places: NDArray[np.int64],
        shapes: Shapes,
        config: TrainConfig,
        weights: NDArray[np.float64],
    ) -> None:
        self._shapes, self._config = shapes, config
        self._settings = config.raster
        self._cumulative = np.cumsum(weights) / weights.sum()
        # Rows by label, then by family: a label's families are drawn evenly, then a glyph within.
        order = np.lexsort((table.family, places))
        self._table, self._places = table.take(order), places[order]
        changes = np.r_[True, (np.diff(self._places) != 0) | (np.diff(self._table.family) != 0)]
        self._family_starts = np.r_[np.flatnonzero(changes), len(order)]
        of_family = self._places[self._family_starts[:-1]]
        self._label_starts = np.searchsorted(of_family, np.arange(len(weights) + 1))

    def row(self, number: int) -> int:
        """Which glyph sample `number` shows."""
        pair, second = divmod(number, 2)
        rng = np.random.Generator(np.random.Philox(key=[self._config.seed, pair]))
        label = min(
            int(np.searchsorted(self._cumulative, rng.random(), side="right")), len(self._label_starts) - 2
        )
        first, after = int(self._label_starts[label]), int(self._label_starts[label + 1])
        families = rng.permutation(after - first)[:2] if after - first > 1 else np.zeros(2, int)
        group = first + int(families[second])
        start, end = int(self._family_starts[group]), int(self._family_starts[group + 1])
        return start + int(rng.integers(0, 1 << 30, size=2)[second]) % (end - start)

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        row = self.row(number)
        rng = np.random.Generator(np.random.Philox(key=[self._config.seed + 1, number]))
        shape = int(self._table.shape[row])
        metrics = hidden(self._table.metrics[row], self._config.augmentation, rng)
        return {
            "image": torch.from_numpy(self._draw(shape, rng))[None],
            "metrics": torch.from_numpy(metrics),
            "label": torch.tensor(self._places[row]),
            "shape": torch.tensor(shape),
        }

    def _draw(self, identifier: int, rng: np.random.Generator) -> Raster:
        how, shape = self._config.augmentation, self._shapes.get(identifier)
        try:
            if isinstance(shape, Outline):
                return augmented(shape, self._settings, how, rng)
            return degraded(shape, self._settings, how, rng)
        except (BadFont, BadPicture):  # a sliver that distortion flattened: as it is
            return self._shapes.draw(identifier, self._settings)


class _Numbers(Sampler[int]):
    """The sample numbers of one epoch."""

    def __init__(self, config: TrainConfig) -> None:
        self._length = config.steps_per_epoch * config.batch
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this, also when it resumes."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[int]:
        start = self._epoch * self._length
        return iter(range(start, start + self._length))


class _Clean(TorchDataset[dict[str, Tensor]]):
    """Glyphs as their fonts draw them, with their metrics."""

    def __init__(
        self, table: GlyphTable, places: NDArray[np.int64], shapes: Shapes, settings: RasterSettings
    ) -> None:
        self._table, self._places, self._shapes, self._settings = table, places, shapes, settings

    def __len__(self) -> int:
        return len(self._table)

    def __getitem__(self, row: int) -> dict[str, Tensor]:
        shape = int(self._table.shape[row])
        return {
            "image": torch.from_numpy(self._shapes.draw(shape, self._settings))[None],
            "metrics": torch.from_numpy(self._table.metrics[row]),
            "label": torch.tensor(self._places[row]),
            "shape": torch.tensor(shape),
        }


class GlyphData(L.LightningDataModule):
    """The training and validation glyphs of a dataset file.

    `vocabulary` and `equivalence` are what the run's model and losses need; both are made from
    training families alone.
    """

    def __init__(self, path: Path, config: TrainConfig) -> None:
        super().__init__()
        self._config = config
        settings = config.raster
        with Dataset.open(path) as dataset:
            self.digest = dataset.digest
            training = dataset.table(Split.TRAIN)
            self.vocabulary = Vocabulary.choose(dataset, training, config.min_families)
            self.equivalence: Equivalence = build_equivalence(dataset).restricted(self.vocabulary.labels)
            places = dataset.places(self.vocabulary.labels)
            training = training.take(places[training.label] >= 0)
            validation = dataset.table(Split.VALIDATION)
            validation = validation.take(places[validation.label] >= 0)
            keep = np.random.default_rng(0).permutation(len(validation))[: config.validation_samples]
            validation = validation.take(np.sort(keep))
            shapes = Shapes(dataset, np.unique(np.r_[training.shape, validation.shape]).tolist())
        self.sampling = np.array(self.vocabulary.families, np.float64) ** config.balance
        self._training = _Samples(training, places[training.label], shapes, config, self.sampling)
        self._validation = _Clean(validation, places[validation.label], shapes, settings)

    def train_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        config = self._config
        return DataLoader(
            self._training, config.batch, sampler=_Numbers(config), num_workers=config.workers,
            persistent_workers=config.workers > 0, drop_last=True,
        )  # fmt: skip

    def val_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        return DataLoader(self._validation, self._config.batch, num_workers=0)
