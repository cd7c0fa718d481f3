"""`glyphery dataset`: fonts or rasters become glyphs.db."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glyphery import show
from glyphs.folders import written

if TYPE_CHECKING:
    from glyphs.dataset.build import Progress

app = typer.Typer(no_args_is_help=True, help="Make, import and look at datasets of glyphs.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


@app.command()
def build(
    fonts: Annotated[list[Path], typer.Argument(help="Font files, or folders to search for them.")],
    out: Annotated[
        Path,
        typer.Option(
            help="The dataset file to write; one that is there, finished or not, gets the fonts it lacks, and"
            " loses none."
        ),
    ] = Path("glyphs.db"),
    workers: Annotated[int, typer.Option(min=0, help="Processes that read fonts; 0: one a core.")] = 0,
    json: Json = False,
) -> None:
    """Read fonts into a dataset. Broken files are named and skipped; run again to resume."""
    from glyphs.dataset.build import build

    _run("Reading fonts", build(fonts, out, workers=workers or None), out, json)


@app.command("import")
def import_(
    rasters: Annotated[Path, typer.Option(help="Folder of pictures named after their labels.")],
    chars: Annotated[Path, typer.Option(help="CSV with the columns label,base_unicode.")],
    out: Annotated[Path, typer.Option(help="The dataset file to write; a new one.")] = Path("glyphs.db"),
    json: Json = False,
) -> None:
    """Read a folder of drawn glyphs into a dataset."""
    from glyphs.dataset.folder import import_rasters

    _run("Reading rasters", import_rasters(rasters, chars, out), out, json)


@app.command("show")
def show_(
    dataset: Annotated[Path, typer.Argument(help="A finished dataset.")] = Path("glyphs.db"),
    sheet: Annotated[Path | None, typer.Option(help="Write a contact sheet PNG here.")] = None,
    scripts: Annotated[str, typer.Option(help="Scripts on the sheet, as Latn,Arab; all by default.")] = "",
    json: Json = False,
) -> None:
    """Counts by script and class, and a contact sheet to look at."""
    from glyphs.characters import iso_15924
    from glyphs.dataset.sheet import contact_sheet
    from glyphs.dataset.store import Dataset

    with Dataset.open(dataset) as opened:
        if sheet is not None:
            drawn = contact_sheet(opened, scripts=frozenset(iso_15924(scripts)))
            with written(sheet):
                drawn.save(sheet, "PNG")
    _summarise(dataset, json)


@app.command()
def freeze(
    dataset: Annotated[Path, typer.Argument(help="A finished dataset.")],
    out: Annotated[Path, typer.Option(help="The list to write.")] = Path("glyphs/data/splits.tsv"),
) -> None:
    """Write the split of every family to the list that later builds obey."""
    from glyphs.dataset.store import Dataset

    with Dataset.open(dataset) as opened:
        rows = [f"{name}\t{split}\n" for _, name, split, _ in opened.families()]
    with written(out):
        out.write_text(
            "# family\tsplit; made by `glyphery dataset freeze`\n" + "".join(rows), encoding="utf-8"
        )
    print(f"{len(rows)} families frozen in {out}")


@app.command()
def thin(
    dataset: Annotated[Path, typer.Argument(help="A finished dataset.")],
    out: Annotated[Path, typer.Option(help="The dataset file to write.")] = Path("thin.db"),
    families: Annotated[int, typer.Option(help="Leave out labels that fewer training families have.")] = 15,
    styles: Annotated[int, typer.Option(min=1, help="Glyphs of one label in one family.")] = 1,
    validation: Annotated[int, typer.Option(min=0, help="Validation glyphs to keep.")] = 20_000,
    known_to: Annotated[
        Path | None, typer.Option(help="Keep only labels that this bundle knows, which is to be trained on.")
    ] = None,
) -> None:
    """Write a smaller dataset to carry to a machine that trains; test families stay behind."""
    from glyphs.dataset.store import Dataset
    from glyphs.dataset.thin import thin
    from recognition.bundle import Bundle

    labels = Bundle.load(known_to).labels if known_to else None
    with Dataset.open(dataset) as opened, show.console(stderr=True).status("Thinning"):
        glyphs = thin(opened, out, families=families, labels=labels, styles=styles, validation=validation)
    print(f"{glyphs:,} glyphs, {out.stat().st_size / 1e6:.0f} MB: {out}")


@app.command()
def equivalence(
    dataset: Annotated[Path, typer.Argument(help="A finished dataset.")],
    out: Annotated[
        Path | None, typer.Option(help="Write the table here, as glyphs/data/equivalence.tsv.")
    ] = None,
    json: Json = False,
) -> None:
    """Count which labels a dataset's training families draw alike, less the pairs known to be false."""
    from glyphs.dataset.store import Dataset
    from glyphs.equivalence import build_equivalence, to_tsv

    with Dataset.open(dataset) as opened:
        table = build_equivalence(opened)
    if out is not None:
        with written(out):
            out.write_text(to_tsv(table), encoding="utf-8")
    if json:
        print(table.to_json())
    elif out is not None:
        print(f"{len(table.evidence)} pairs written to {out}")
    else:
        print(to_tsv(table), end="")


@app.command()
def text(
    kinds: Annotated[
        list[Path], typer.Argument(help="Folders of UTF-8 texts, LANGUAGE.txt; one for each kind of text.")
    ],
    out: Annotated[Path | None, typer.Option(help="Write the table here, as glyphs/data/text.tsv.")] = None,
) -> None:
    """Count how often characters stand in texts, letters that join in their forms. Kinds of text weigh the
    same, and so do the languages of each.
    """
    from glyphs.text import occurrences, read_texts, to_tsv

    table = occurrences([read_texts(kind) for kind in kinds])
    _put_out(to_tsv(table), out, f"{len(table):,} labels")


@app.command()
def neighbours(
    kinds: Annotated[
        list[Path], typer.Argument(help="Folders of UTF-8 texts, LANGUAGE.txt; one for each kind of text.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Write the table here, as glyphs/data/neighbours.tsv.")
    ] = None,
) -> None:
    """Count which kinds of characters stand next to each other in texts. Kinds of text weigh the same, and so
    do the languages of each. `repair` reads the text of documents by it.
    """
    from glyphs.neighbours import count, to_tsv
    from glyphs.text import read_texts

    table = count([read_texts(kind) for kind in kinds])
    _put_out(to_tsv(table), out, f"{len(table):,} pairs of kinds")


@app.command()
def repertoires(
    dataset: Annotated[Path, typer.Argument(help="A finished dataset.")],
    out: Annotated[
        Path | None, typer.Option(help="Write the table here, as glyphs/data/repertoires.tsv.")
    ] = None,
) -> None:
    """Find which characters a dataset's training families have together: kinds of repertoires, and the chance
    of every label in each. `identify` reads whole fonts by it.
    """
    from glyphs.dataset.store import Dataset
    from glyphs.repertoires import coverage, fit, to_tsv

    with Dataset.open(dataset) as opened, show.console(stderr=True).status("Fitting"):
        found = fit(*coverage(opened))
    held = f"{len(found.families)} kinds of repertoires of {len(found.labels):,} labels"
    _put_out(to_tsv(found), out, held)


def _put_out(table: str, out: Path | None, held: str) -> None:
    """Print a table, or write it where it is wanted and say what it holds."""
    if out is None:
        print(table, end="")
    else:
        with written(out):
            out.write_text(table, encoding="utf-8")
        print(f"{held} written to {out}")


def _run(title: str, steps: Iterator[Progress], out: Path, json: bool) -> None:
    with show.bar(title) as advance:
        for step in steps:
            advance(step.done, step.total, f"{step.glyphs:,} glyphs")
    _summarise(out, json)


def _summarise(path: Path, json: bool) -> None:
    from glyphs.dataset.store import Dataset

    with Dataset.open(path) as dataset:
        summary, rejects = dataset.summary(), dataset.rejects()
        excluded = [(name, why) for _, name, _, why in dataset.families() if why]
        digest = dataset.digest
    if json:
        show.as_json(summary | {"digest": digest, "rejects": rejects, "excluded_families": excluded})
        return
    show.table(
        "By script",
        ("script", "glyphs", "labels", "families"),
        (row.values() for row in summary["scripts"][:25]),
    )
    show.table(
        "By class",
        ("class", "glyphs", "labels", "families"),
        (row.values() for row in summary["classes"][:25]),
    )
    if excluded:
        show.table("Families set aside", ("family", "why"), excluded)
    if rejects:
        show.table("Files not used", ("file", "why"), rejects)
    splits = ", ".join(f"{count} {split}" for split, count in summary["splits"].items())
    print(
        f"{summary['glyphs']:,} glyphs, {summary['labels']:,} labels"
        f" ({summary['positional']} Arabic positional),"
        f" {summary['fonts']:,} fonts, {summary['families']:,} families"
        f" ({splits}; {summary['excluded']} set aside),"
        f" {summary['rejected']} files not used. Content {digest[:16]}."
    )
