"""`python -m benchmarks.outside`: an outside test, fonts that neither training nor choice has seen.

Run `fetch`, then `dataset`; then `python -m benchmarks.glyphs --dataset runs/outside.db --split test
--out runs/outside-benchmark`, then `kinds`; and `glyphery score runs/outside-fonts` (docs/BENCHMARK.md).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from glyphery import show
from glyphs.errors import BadInput, GlypheryError

app = typer.Typer(no_args_is_help=True, help=__doc__)

Fonts = Annotated[Path, typer.Argument(help="Folder of the fonts.")]
_FONTS = Path("runs/outside-fonts")


@app.command("fetch")
def fetch_(fonts: Fonts = _FONTS) -> None:
    """Fetch the families of the list with npm; run again to resume."""
    from benchmarks.outside.fetch import Package, fetch

    with _told(), show.bar("Families") as advance:
        missing = fetch(Package.listed(), fonts, advance)
    for package in missing:
        print(f"npm has no {package.spec}", file=sys.stderr)
    raise typer.Exit(1 if missing else 0)


@app.command("dataset")
def dataset_(
    fonts: Fonts = _FONTS,
    dataset: Annotated[Path, typer.Option(help="The one that was trained on.")] = Path("runs/glyphs.db"),
    out: Annotated[Path, typer.Option(help="The dataset file to write.")] = Path("runs/outside.db"),
) -> None:
    """Read them into a copy of the dataset, where they alone test."""
    from benchmarks.outside.dataset import outside_dataset

    with _told(), show.bar("Reading fonts") as advance:
        for progress in outside_dataset(fonts, dataset, out):
            advance(progress.done, progress.total)


@app.command("kinds")
def kinds_(
    fonts: Fonts = _FONTS,
    dataset: Annotated[Path, typer.Option(help="The outside dataset.")] = Path("runs/outside.db"),
    benchmark: Annotated[
        Path, typer.Option(help="Where benchmarks.glyphs was told to keep its parts.")
    ] = Path("runs/outside-benchmark"),
) -> None:
    """What benchmarks.glyphs found, by kind of family."""
    from benchmarks.outside.fetch import Package
    from benchmarks.outside.kinds import by_kind, kinds_of_families

    with _told():
        kept = sorted((benchmark / "parts").glob("recognition-*.npz"))
        if not kept:
            raise BadInput(f"{benchmark} holds no answers.", "Run `python -m benchmarks.glyphs` first.")
        kinds = kinds_of_families(fonts, Package.listed())
        for answers in kept:
            table = by_kind(answers.stem.removeprefix("recognition-"), answers, dataset, kinds)
            show.table(table.title, table.columns, table.rows)


@contextmanager
def _told() -> Iterator[None]:
    """What goes wrong in a line."""
    try:
        yield
    except GlypheryError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(error.exit_code) from None


if __name__ == "__main__":
    app()
