"""Few glyphs of most classes: which loss serves a ViT trained from scratch best?

Makes a dataset of 500 labels with power-law counts out of real glyphs (which label gets how many
is drawn by lot, so that rare ones are no harder in themselves), trains one small ViT with each loss
and seed, and compares them on families that never trained: overall, on the rarest third of the
labels, and by how evenly labels are answered. Every label weighs the same in validation and test.
A run that is there already is not repeated. Run: `python -m benchmarks.long_tail`.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from glyphery import show
from glyphery.evaluating import predictor
from glyphs.dataset.store import Dataset, FontRecord, GlyphRecord, GlyphTable
from glyphs.equivalence import Equivalence
from glyphs.splits import Split
from training.config import Losses, Mixing, TrainConfig
from training.data import open_source
from training.data.module import GlyphData
from training.evaluation import Examined
from training.evaluation.asking import examine
from training.fit import train
from training.presets import PRESETS

CLASSES, MOST, EXPONENT = 500, 256, 0.6
# Families that must have a label in each split; of validation and test also how many are asked about.
LEAST = {Split.TRAIN: 20, Split.VALIDATION: 2, Split.TEST: 4}
PLAIN = Losses(adjusted=False, smoothing=0.0, embedding="none")
RECIPES: dict[str, dict[str, Any]] = {
    "cross-entropy": {"losses": PLAIN},
    "smoothing 0.1": {"losses": replace(PLAIN, smoothing=0.1)},
    "smoothing 0.2": {"losses": replace(PLAIN, smoothing=0.2)},
    "weights: inverse": {"losses": replace(PLAIN, class_weights="inverse")},
    "weights: square root": {"losses": replace(PLAIN, class_weights="square_root")},
    "weights: effective number": {"losses": replace(PLAIN, class_weights="effective")},
    "balanced BCE": {"losses": replace(PLAIN, classification="balanced_bce", adjusted=True)},
    "logit adjustment": {"losses": replace(PLAIN, adjusted=True)},
    "mixup and cutmix": {"losses": PLAIN, "mixing": Mixing(mixup=0.8, cutmix=1.0)},
}


def counts() -> NDArray[np.int64]:
    """(500,) training glyphs of each rank: 256 of the first, 6 of the last."""
    out: NDArray[np.int64] = np.rint(MOST * np.arange(1, CLASSES + 1) ** -EXPONENT).astype(np.int64)
    return out


def make(source: Path, out: Path) -> None:
    """Write the long-tailed dataset: one glyph a family and label, no two labels that look the same."""
    rng = np.random.default_rng(0)
    with Dataset.open(source) as dataset, open_source(source) as opened:
        tables = {split: dataset.table(split) for split in Split}
        labels, equivalence = dataset.labels(), opened.equivalence()
        families = {split: _families(table) for split, table in tables.items()}
        possible = [
            label for label in rng.permutation(sorted(labels)).tolist()
            if all(families[split].get(label, 0) >= least for split, least in LEAST.items())
        ]  # fmt: skip
        # The commonest ranks first, as not every label has glyphs enough for them.
        chosen: list[int] = []
        for many in counts().tolist():
            label = next(
                label for label in possible
                if families[Split.TRAIN][label] >= many
                and not any(equivalence.same(labels[label], labels[other]) for other in chosen)
            )  # fmt: skip
            chosen.append(label)
            possible.remove(label)
        wanted: dict[int, list[tuple[int, int, tuple[float, float, float, float]]]] = defaultdict(list)
        splits: dict[str, Split] = {}
        names = {identifier: name for identifier, name, _, _ in dataset.families()}
        for split, table in tables.items():
            order = np.argsort(table.label, kind="stable")
            for rank, label in enumerate(chosen):
                first_row, after = np.searchsorted(table.label[order], [label, label + 1])
                rows = rng.permutation(order[first_row:after])
                _, first = np.unique(table.family[rows], return_index=True)
                many = int(counts()[rank]) if split == Split.TRAIN else LEAST[split]
                for row in rows[np.sort(first)[:many]]:
                    width, height, bottom, advance = map(float, table.metrics[row])
                    glyph = (label, int(table.shape[row]), (width, height, bottom, advance))
                    wanted[int(table.font[row])].append(glyph)
                    splits[names[int(table.family[row])]] = split
        ids = {shape for glyphs in wanted.values() for _, shape, _ in glyphs}
        shapes = {identifier: (kind, data) for identifier, kind, data in dataset.shape_data(ids)}
        fonts = dataset.fonts()
    with Dataset.create(out) as made, made.transaction():
        shape_ids, label_ids = made.shape_ids(), made.label_ids()
        for font, glyphs in sorted(wanted.items()):
            family, style = fonts[font]
            record = FontRecord(str(font), 0, 0, "", family, style, "", 1000, 0)
            drawn = [GlyphRecord(labels[n], *shapes[shape], metrics) for n, shape, metrics in glyphs]
            made.add_font(record, sorted(drawn, key=lambda glyph: glyph.label), shape_ids, label_ids)
        made.set_splits(splits)
        made.set_meta("digest", made.content_digest())
        made.set_meta("complete", "1")


def _families(table: GlyphTable) -> dict[int, int]:
    """Label id -> number of families that have it."""
    pairs = np.unique(np.stack([table.label, table.family], axis=1), axis=0)
    ids, many = np.unique(pairs[:, 0], return_counts=True)
    return dict(zip(ids.tolist(), many.tolist(), strict=True))


def _measure(run: Path, dataset: Path, config: TrainConfig, split: Split) -> dict[str, float]:
    subject = predictor(run)
    # The bare logits: the test has every label alike. And nothing here looks the same.
    subject = replace(subject, families=(1,) * len(subject.labels), equivalence=Equivalence())
    with open_source(dataset) as source:
        figures, record = examine(Examined.of(source, split, subject.labels), subject)
    few = np.argsort(GlyphData(dataset, config).counts, kind="stable")[: CLASSES // 3]
    rare = np.isin(record.truth, few)
    return {
        "top1": float((record.answer == record.truth).mean()),
        "few_shot": float((record.answer == record.truth)[rare].mean()),
        "cv": figures["prediction_cv"],
    }


def _main(
    dataset: Annotated[Path, typer.Option(help="A finished dataset.")] = Path("runs/glyphs.db"),
    out: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs/long_tail"),
    seeds: Annotated[int, typer.Option(help="Seeds of each recipe.")] = 2,
    only: Annotated[str, typer.Option(help="Only this recipe.")] = "",
    test: Annotated[bool, typer.Option(help="Measure test too: look once, when all is chosen.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Train each recipe, and print mean and range over the seeds."""
    out.mkdir(parents=True, exist_ok=True)
    tail = out / "long_tail.db"
    if not tail.exists():
        make(dataset, tail.with_suffix(".part"))
        tail.with_suffix(".part").replace(tail)
    base = PRESETS["long_tail"].config
    rows: dict[str, dict[str, list[float]]] = {}
    for name, recipe in RECIPES.items():
        if only and name != only:
            continue
        found: dict[Split, list[dict[str, float]]] = defaultdict(list)
        for seed in range(seeds):
            config = replace(base, seed=seed, **recipe)
            run = out / f"{name.replace(' ', '-').replace(':', '')}-{seed}"
            for split in (Split.VALIDATION, *([Split.TEST] if test else [])):
                result = run / f"{split}.json"
                if not result.exists():
                    train(tail, run, config, progress=False)
                    result.write_text(json.dumps(_measure(run, tail, config, split)))
                found[split].append(json.loads(result.read_text()))
        rows[name] = {
            f"{split} {key}": [round(one[key], 4) for one in of]
            for split, of in found.items()
            for key in ("top1", "few_shot", "cv")
        }
    if json_:
        show.as_json(rows)
        return
    cells = [
        [name, *(f"{np.mean(x):.3f} ({min(x):.3f}-{max(x):.3f})" for x in row.values())]
        for name, row in rows.items()
    ]
    show.table("Long-tailed glyphs: mean (range) over seeds", ("recipe", *next(iter(rows.values()))), cells)


if __name__ == "__main__":
    typer.run(_main)
