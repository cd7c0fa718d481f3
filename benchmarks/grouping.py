"""What should count as the same for the contrastive loss: labels, equivalents, joining groups, classes?

Trains the default model small (64 pixel rasters, a tenth of the samples) with each grouping and
seed, and compares retrieval and effect size on validation families. A run that is there already
is not repeated. Run: `python -m benchmarks.grouping`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, get_args, get_type_hints

import numpy as np
import typer

from glyphery import show
from glyphery.evaluating import predictor
from glyphs.splits import Split
from training.config import Losses, TrainConfig
from training.data import open_source
from training.evaluation import Examined
from training.evaluation.asking import examine
from training.fit import train

_KEYS = ("top1", "retrieval", "equivalent", "effect_size")


def _main(
    dataset: Annotated[Path, typer.Option(help="A finished dataset.")] = Path("runs/glyphs.db"),
    out: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs/grouping"),
    seeds: Annotated[int, typer.Option(help="Seeds of each grouping.")] = 2,
    samples: Annotated[int, typer.Option(help="Samples of each run.")] = 100_000,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Train with each grouping, and print mean and range over the seeds."""
    out.mkdir(parents=True, exist_ok=True)
    rows = []
    for grouping in get_args(get_type_hints(Losses)["grouping"]):
        found = []
        for seed in range(seeds):
            config = TrainConfig(
                size=64, box=56, samples=samples, epoch_samples=samples // 2, seed=seed, min_families=60,
                losses=Losses(grouping=grouping),
            )  # fmt: skip
            run = out / f"{grouping}-{seed}"
            train(dataset, run, config, progress=False)  # goes on; a run of something else is refused
            subject = predictor(run)
            with open_source(dataset) as source:
                examined = Examined.of(source, Split.VALIDATION, subject.labels, limit=5000)
            figures, _ = examine(examined, subject)
            apart = figures["separation"]
            found.append(
                {
                    "top1": figures["with_metrics"]["uniform"]["top1"],
                    "retrieval": apart["retrieval"]["top10"],
                    "equivalent": apart["retrieval"]["equivalent"],
                    "effect_size": apart["effect_size"],
                }
            )
        rows.append({"grouping": grouping} | {key: [round(one[key], 4) for one in found] for key in _KEYS})
    if json_:
        show.as_json(rows)
        return
    cells = [
        [
            row["grouping"],
            *(f"{np.mean(row[key]):.3f} ({min(row[key]):.3f}-{max(row[key]):.3f})" for key in _KEYS),
        ]
        for row in rows
    ]
    show.table("Groupings of the contrastive loss: mean (range) over seeds", ("grouping", *_KEYS), cells)


if __name__ == "__main__":
    typer.run(_main)
