"""Lightning's data module over any source."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path

import lightning as L
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Subset

from glyphs.dataset.store import GlyphTable
from glyphs.equivalence import Equivalence
from glyphs.errors import BadDataset, BadInput
from glyphs.labels import Label
from glyphs.splits import Split
from glyphs.tables import rows_of
from training.config import TrainConfig
from training.data import formats
from training.data.samples import Batch, Clean, Drawn, Numbers, Samples, together
from training.data.source import Source, Vocabulary
from training.degradation import degraded


class GlyphData(L.LightningDataModule):
    """The training and validation glyphs of a source.

    `vocabulary` and `equivalence` are what the run's model and losses need; both are made from
    training families alone. `sampling` (L,) is how often each label is drawn, `counts` (L,) how
    many training glyphs have it, `group` (L,) its contrastive group; `favoured` are ids of families.
    """

    def __init__(self, path: Path, config: TrainConfig) -> None:
        """Raises BadDataset where the source holds nothing to train or to validate on, BadInput where it
        lacks families that are favoured.
        """
        super().__init__()
        self._config = config
        with formats.open_source(path, colour=config.channels == 3) as source:
            self.digest = source.digest
            self.rejects = source.rejects()
            training = source.table(Split.TRAIN)
            self.vocabulary = Vocabulary.choose(source, training, config.min_families, config.min_count)
            labels = self.vocabulary.labels
            self.favoured = favoured_families(source, config)
            self.equivalence: Equivalence = source.equivalence().restricted(labels)
            self.training = _drawn(source, training, labels, config.limit)
            self.validation = _drawn(
                source, source.table(Split.VALIDATION), labels, config.validation_samples
            )
        self.counts = np.bincount(self.training.places, minlength=len(labels))
        # A label whose every glyph fell to `limit` cannot be drawn.
        self.sampling = np.array(self.vocabulary.families, np.float64) ** config.balance * (self.counts > 0)
        self.group = contrastive_groups(labels)

    def samples(self) -> Samples:
        return Samples(self.training, self._config, self.sampling, self.group, self.favoured)

    def batches(self) -> Iterator[Batch]:
        """The training batches as a model sees them, here and now."""
        loader = DataLoader(
            self.samples(), self._config.batch, sampler=Numbers(self._config), collate_fn=together
        )
        for number, batch in enumerate(loader):
            yield as_seen(batch, self._config, number)

    def train_dataloader(self) -> DataLoader[Batch]:
        config = self._config
        rank, world = self._place()
        numbers = Numbers(config, rank, world)
        if self.trainer is not None:  # which tells the epoch only after workers have asked for numbers
            numbers.set_epoch(self.trainer.fit_loop.epoch_progress.current.processed)  # type: ignore[attr-defined]
        return DataLoader(
            self.samples(), config.batch // world, sampler=numbers,
            num_workers=config.workers, persistent_workers=config.workers > 0, drop_last=True,
            worker_init_fn=_give_way, collate_fn=together, pin_memory=torch.cuda.is_available(),
        )  # fmt: skip

    def val_dataloader(self) -> DataLoader[Batch]:
        rank, world = self._place()
        clean = Clean(self.validation, self._config.raster)
        part = Subset(clean, range(rank, len(clean), world))
        return DataLoader(part, self._config.batch, num_workers=0, collate_fn=together)

    def _place(self) -> tuple[int, int]:
        """This process among those that share a batch."""
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer is not None else (0, 1)


def as_seen(batch: Batch, config: TrainConfig, number: int) -> Batch:
    """A batch with its pixels degraded, on the device where it is; batch `number` of a run always alike."""
    if config.channels == 3:  # a photograph is no drawing
        return batch
    seed = (config.seed << 40) + number
    return {**batch, "image": degraded(batch["image"], config.raster, config.augmentation, seed)}


def _give_way(_: int) -> None:
    """Drawing runs ahead of training and can wait: on a CPU, the threads of a step cannot."""
    os.nice(10)


def _drawn(source: Source, table: GlyphTable, labels: tuple[Label, ...], limit: int) -> Drawn:
    places = source.places(labels)
    table = table.take(places[table.label] >= 0)
    if not len(table):
        raise BadDataset(f"{source.path} has no validation glyphs of the labels that training knows.")
    if limit:
        table = table.take(np.sort(np.random.default_rng(0).permutation(len(table))[:limit]))
    return Drawn(table, places[table.label], source.shapes(np.unique(table.shape).tolist()))


def favoured_families(source: Source, config: TrainConfig) -> NDArray[np.int64]:
    """The ids of the families that the run's file names, one a line; what stands behind a tab is passed over.

    Raises:
        BadInput: the file cannot be read, or names none, or one that the source lacks.
    """
    if not (file := config.favoured):
        return np.array([], np.int64)
    try:
        rows = rows_of(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError, csv.Error):
        raise BadInput(f"{file} cannot be read.", "`favoured` is a text file, a family a line.") from None
    names = {name for name, *_ in rows}
    ids = {name: identifier for identifier, name in source.family_names().items() if name in names}
    if missing := names - ids.keys():
        raise BadInput(
            f"{source.path} has no family {min(missing)!r}, which {file} names"
            + (f", and {len(missing) - 1} more that it lacks." if len(missing) > 1 else "."),
            "`glyphery dataset freeze DATASET --out families.tsv` lists them.",
        )
    if not ids:
        raise BadInput(f"{file} names no family.", "Write one a line.")
    return np.array(list(ids.values()), np.int64)


def contrastive_groups(labels: tuple[Label, ...]) -> NDArray[np.int64]:
    """(L,) the number of each label's contrastive group, in order of name."""
    groups = np.array([label.contrastive_group for label in labels])
    out: NDArray[np.int64] = np.unique(groups, return_inverse=True)[1].astype(np.int64)
    return out
