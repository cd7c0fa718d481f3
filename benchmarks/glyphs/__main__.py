"""`python -m benchmarks.glyphs`: every figure of docs/BENCHMARK.md, each part made once and kept."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.glyphs import report
from benchmarks.glyphs.contestants import open_contestants
from benchmarks.glyphs.degraded import GLYPHS
from benchmarks.glyphs.labels import FROZEN, AskedLabels
from benchmarks.glyphs.run import run
from bundles import default_bundle
from glyphery import show
from glyphs.errors import GlypheryError
from glyphs.splits import Split


def _main(
    dataset: Annotated[Path, typer.Option(help="A finished dataset.")] = Path("runs/glyphs.db"),
    bundle: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of a bundle, once or more; the shipped one by default."),
    ] = None,
    function: Annotated[
        list[str] | None, typer.Option(help="module:name of a function that returns a Subject.")
    ] = None,
    split: Annotated[str, typer.Option(help="validation, or once a release test.")] = "validation",
    limit: Annotated[int, typer.Option(help="Glyphs asked, drawn at random; 0: all.")] = 20_000,
    degraded: Annotated[
        int, typer.Option(help="How many of them are asked degraded, too; each in 48 pictures.")
    ] = GLYPHS,
    out: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("runs/benchmark"),
    pictures: Annotated[
        Path | None,
        typer.Option(help="Folder for pictures, such as docs; that of the results by default."),
    ] = None,
    labels: Annotated[Path, typer.Option(help="The frozen list of labels.")] = FROZEN,
    threads: Annotated[int, typer.Option(help="Of ONNX Runtime; 0: one a core.")] = 0,
) -> None:
    """Measure bundles and baselines on families never seen; print, write JSON, Markdown and pictures."""
    if split not in (Split.VALIDATION, Split.TEST):
        raise typer.BadParameter("Choose validation or test.", param_hint="--split")
    bundles = bundle or ([] if function else [default_bundle()])
    try:
        asked = AskedLabels.read(labels)
        contestants = open_contestants(bundles, function or [], threads)
        figures = run(
            dataset, contestants, Split(split), limit, out,
            pictures=pictures or out, labels=asked, degraded_glyphs=degraded,
        )  # fmt: skip
    except GlypheryError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(error.exit_code) from None
    for table in report.tables(figures):
        show.table(table.title, table.columns, table.rows)


if __name__ == "__main__":
    typer.run(_main)
