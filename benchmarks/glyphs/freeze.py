"""Freeze what the benchmark asks: every label that enough training families have.

Run: `python -m benchmarks.glyphs.freeze`. A new list makes new figures: freeze once a release, before
anything is measured.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.glyphs.labels import FROZEN, AskedLabels
from glyphs.splits import Split
from training.data.glyphs import GlyphSource
from training.data.source import Vocabulary

LEAST_FAMILIES = 15


def frozen(source: GlyphSource, least: int = LEAST_FAMILIES) -> AskedLabels:
    """Labels with at least so many training families, excluded ones not counted.

    Raises:
        BadDataset: fewer than two labels are that common.
    """
    chosen = Vocabulary.choose(source, source.table(Split.TRAIN), least, 1)
    return AskedLabels(chosen.labels, chosen.families)


def _main(
    dataset: Annotated[Path, typer.Option(help="A finished dataset.")] = Path("runs/glyphs.db"),
    out: Annotated[Path, typer.Option(help="The list to write.")] = FROZEN,
    least: Annotated[int, typer.Option(help="Training families that a label must have.")] = LEAST_FAMILIES,
) -> None:
    """Rewrite the list of labels from a dataset."""
    with GlyphSource.open(dataset) as source:
        chosen = frozen(source, least)
    chosen.write(out)
    print(f"{len(chosen.labels):,} labels with at least {least} training families, in {out}.")


if __name__ == "__main__":
    typer.run(_main)
