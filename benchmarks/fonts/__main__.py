"""`python -m benchmarks.fonts`: which faults put into published fonts does scoring find, and what does it
fail in them that is sound?
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.fonts import report
from benchmarks.fonts.choice import ARABIC, FROZEN, ChosenFont, read_choice, spread
from benchmarks.fonts.run import count, run
from bundles import default_bundle
from glyphery import show
from glyphs.errors import GlypheryError
from glyphs.splits import Split
from recognition.bundle import Bundle

COPIES = 3


def _main(
    split: Annotated[str, typer.Option(help="validation, or once a release test.")] = "validation",
    out: Annotated[
        Path, typer.Option(help="Folder of the results; what is there already is kept, font by font.")
    ] = Path("runs/faults"),
    bundle: Annotated[
        Path | None, typer.Option(help="Folder of a bundle; the shipped one by default.")
    ] = None,
    copies: Annotated[
        int, typer.Option(help="Faulted copies of each font; in each some 3 % of the glyphs are faulty.")
    ] = COPIES,
    limit: Annotated[int, typer.Option(help="Fonts at most, spread over the list; 0: all.")] = 0,
    fonts: Annotated[Path, typer.Option(help="Folder in which the fonts are.")] = Path("/usr/share/fonts"),
    choice: Annotated[Path, typer.Option(help="The frozen list of fonts.")] = FROZEN,
    threads: Annotated[int, typer.Option(help="Recognising; 0: one a core.")] = 0,
    inject_only: Annotated[
        bool, typer.Option("--inject-only", help="Only count the faults that would be put in.")
    ] = False,
) -> None:
    """Put faults into clean fonts and score both: recall by kind, false FAILs, and what outline rules find.

    Writes faults.json (all figures), faults.md (tables), faults.jsonl (every fault and what was said of it),
    false-fails.tsv and .png (FAILs in clean fonts, to be looked at; those that are true defects go into
    benchmarks/fonts/real-defects.tsv), missed.png, evidence.csv (margins and likenesses to choose
    thresholds by).
    """
    if split not in (Split.VALIDATION, Split.TEST):
        raise typer.BadParameter("Choose validation or test.", param_hint="--split")
    try:
        chosen = spread(read_choice(Split(split), choice), limit)
        _say(chosen)
        if inject_only:
            tables = [count(chosen, fonts, copies)]
        else:
            loaded = Bundle.load(bundle or default_bundle())
            tables = list(report.tables(run(chosen, Split(split), fonts, loaded, out, copies, threads)))
    except GlypheryError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(error.exit_code) from None
    for table in tables:
        show.table(table.title, table.columns, table.rows)


def _say(fonts: list[ChosenFont]) -> None:
    """How many there are; the held-out families hold few Arabic ones, so that their styles stand in."""
    arabic = [font for font in fonts if font.kind == ARABIC]
    families, arabic_families = ({font.family for font in of} for of in (fonts, arabic))
    print(
        f"{len(fonts)} fonts of {len(families)} families; Arabic are {len(arabic)}, which are "
        f"styles of {len(arabic_families)} families: no more of this split are Arabic.",
        file=sys.stderr,
    )


if __name__ == "__main__":
    typer.run(_main)
