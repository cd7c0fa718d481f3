"""Real embeddings to search in: glyphs of training families for the base, of validation families to ask.

Every second glyph is distorted and degraded as in training (`training.augmentation`), the others are as
their fonts draw them. The work is done in parts, each a file that is written at once: a run that was
stopped goes on with the first part that is missing, and several processes share the rest.
"""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from glyphs.dataset.shapes import Shapes
from glyphs.dataset.store import Dataset, GlyphTable
from glyphs.errors import BadInput
from glyphs.raster import RasterSettings
from glyphs.splits import Split
from recognition.bundle import Bundle
from recognition.recogniser import Recogniser
from training.augmentation import augmented, hidden
from training.config import Augmentation
from training.degradation import degraded

PART = 5_000  # glyphs of one file
_BATCH = 32
_HOW = Augmentation()


@dataclass(frozen=True, slots=True)
class Embedded:
    """N glyphs.

    embeddings: (N, E) float32, unit rows
    label, family: (N,) int32, the dataset's ids
    """

    embeddings: NDArray[np.float32]
    label: NDArray[np.int32]
    family: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.label)

    @classmethod
    def joined(cls, files: list[Path]) -> Embedded:
        parts = [np.load(file, allow_pickle=False) for file in files]
        return cls(*(np.concatenate([part[name] for part in parts]) for name in cls.__slots__))


def embed(
    dataset: Path, bundle: Path, out: Path, *, base: int, queries: int, processes: int
) -> Iterator[tuple[int, int]]:
    """Write what is missing of the parts below `out`; yields (parts done, parts in all).

    base, queries: glyphs to draw.

    Raises:
        BadDataset, BadBundle: one of the two cannot be used.
    """
    tasks = [
        (split, number)
        for split, count in ((Split.VALIDATION, queries), (Split.TRAIN, base))
        for number in range(-(-count // PART))
    ]
    missing = [task for task in tasks if not _file(out, *task).exists()]
    done = len(tasks) - len(missing)
    yield done, len(tasks)
    if not missing:
        return
    counts = {Split.VALIDATION: queries, Split.TRAIN: base}
    work = _Work(dataset, bundle, out, counts, missing)
    # Forked, so that all share the one block of shapes.
    context = multiprocessing.get_context("fork")
    global _WORK
    _WORK = work
    with context.Pool(processes, maxtasksperchild=None) as pool:
        for _ in pool.imap_unordered(_embed_part, missing):
            done += 1
            yield done, len(tasks)


def read(out: Path) -> tuple[Embedded, Embedded]:
    """What there is so far: the base and the queries.

    Raises:
        BadInput: there is nothing of one of the two.
    """
    found = {split: sorted(out.glob(f"{split}-*.npz")) for split in (Split.TRAIN, Split.VALIDATION)}
    for split, files in found.items():
        if not files:
            raise BadInput(
                f"There are no embeddings of {split} families in {out}.", "Let them be drawn first."
            )
    return Embedded.joined(found[Split.TRAIN]), Embedded.joined(found[Split.VALIDATION])


def names(out: Path) -> tuple[dict[int, str], dict[int, str]]:
    """Labels and families by the dataset's ids."""
    found = json.loads((out / "names.json").read_text(encoding="utf-8"))
    labels, families = ({int(key): name for key, name in found[of].items()} for of in ("labels", "families"))
    return labels, families


class _Work:
    """The glyphs of all missing parts, in memory."""

    def __init__(
        self,
        dataset: Path,
        bundle: Path,
        out: Path,
        counts: dict[Split, int],
        missing: list[tuple[Split, int]],
    ) -> None:
        self.bundle, self.out = Bundle.load(bundle), out
        out.mkdir(parents=True, exist_ok=True)
        with Dataset.open(dataset) as opened:
            names = {
                "labels": {str(number): str(label) for number, label in opened.labels().items()},
                "families": {str(number): name for number, name, _, _ in opened.families()},
            }
            (out / "names.json").write_text(json.dumps(names, ensure_ascii=False), encoding="utf-8")
            self.tables = {
                split: _chosen(opened, split, counts[split], out) for split in {split for split, _ in missing}
            }
            ids = [self.tables[split].shape[number * PART : (number + 1) * PART] for split, number in missing]
            self.shapes = Shapes(opened, np.concatenate(ids).tolist())


def _chosen(dataset: Dataset, split: Split, count: int, out: Path) -> GlyphTable:
    """`count` glyphs of a split at random; kept in a file, for reading three million rows takes a minute."""
    file = out / f"chosen-{split}-{count}.npz"
    if not file.exists():
        table = dataset.table(split)
        table = table.take(np.random.default_rng(0).permutation(len(table))[:count])
        np.savez(file, **{name: getattr(table, name) for name in GlyphTable.__slots__})
    with np.load(file, allow_pickle=False) as columns:
        return GlyphTable(**columns)


_WORK: _Work


def _embed_part(task: tuple[Split, int]) -> None:
    """Draw, embed and save one part."""
    split, number = task
    recogniser = Recogniser(_WORK.bundle, threads=1)
    settings = _WORK.bundle.manifest.raster
    table = _WORK.tables[split]
    rows = range(number * PART, min((number + 1) * PART, len(table)))
    found: list[NDArray[np.float32]] = []
    for start in range(rows.start, rows.stop, _BATCH):
        some = np.arange(start, min(start + _BATCH, rows.stop))
        rasters, metrics = _drawn(table.shape[some], table.metrics[some], some, settings)
        found.append(recogniser.answer(rasters, metrics).embeddings)
    every = slice(rows.start, rows.stop)
    file = _file(_WORK.out, split, number)
    unfinished = file.with_suffix(".tmp")
    with unfinished.open("wb") as stream:
        np.savez(
            stream, embeddings=np.concatenate(found), label=table.label[every], family=table.family[every]
        )
    os.replace(unfinished, file)


def _drawn(
    shapes: NDArray[np.int32], metrics: NDArray[np.float32], rows: NDArray[np.int64], settings: RasterSettings
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Glyphs number `rows` with their metrics; every odd one distorted and degraded."""
    rng = np.random.Generator(np.random.Philox(key=[0, int(rows[0])]))
    rasters, odd = _WORK.shapes.draw_all(shapes, settings), rows % 2 == 1
    distorted = augmented([_WORK.shapes.get(shape) for shape in shapes[odd].tolist()], settings, _HOW, rng)
    worse = degraded(torch.from_numpy(distorted)[:, None], settings, _HOW, int(rows[0]))
    rasters[odd] = worse[:, 0].numpy()
    return rasters, np.where(odd[:, None], hidden(metrics, _HOW, rng), metrics)


def _file(out: Path, split: Split, number: int) -> Path:
    return out / f"{split}-{number:03}.npz"
