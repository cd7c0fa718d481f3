"""`python -m benchmarks.search`: the figures of docs/PERFORMANCE.md on search; goes on where it stopped."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks.search import report
from benchmarks.search.contestants import BESIDE, exact_search, faiss_type, ours_flat, ours_ivf
from benchmarks.search.embeddings import Embedded, embed, names, read
from benchmarks.search.measure import filtered, measured
from bundles import default_bundle
from glyphery import show
from glyphs.errors import GlypheryError
from glyphs.labels import Label
from index.kinds import NEIGHBOURS, RECALL, exact


def _main(
    dataset: Annotated[Path, typer.Option(help="A finished dataset.")] = Path("runs/glyphs.db"),
    bundle: Annotated[
        Path | None, typer.Option(help="Folder of a bundle; the shipped one by default.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of embeddings and results.")] = Path("runs/search"),
    pictures: Annotated[Path | None, typer.Option(help="Folder for the plot; that of the results.")] = None,
    base: Annotated[int, typer.Option(help="Embeddings to search in.")] = 1_000_000,
    queries: Annotated[int, typer.Option(help="Embeddings to ask for, of validation families.")] = 2_000,
    recall: Annotated[float, typer.Option(help="What `glyphery index --recall` is given.")] = RECALL,
    rounds: Annotated[int, typer.Option(help="Of timing; medians are told.")] = 5,
    processes: Annotated[int, typer.Option(help="That draw and embed.")] = 2,
    embedded: Annotated[
        bool, typer.Option("--embedded", help="Draw nothing, measure with what there is.")
    ] = False,
    beside: Annotated[bool, typer.Option(help="Measure FAISS's other types, too.")] = True,
) -> None:
    """Measure recall, size and rate of the kinds of index; print, write JSON, Markdown and a plot."""
    try:
        if not embedded:
            with show.bar("Embedding") as advance:
                for done, total in embed(
                    dataset, bundle or default_bundle(), out / "embeddings",
                    base=base, queries=queries, processes=processes,
                ):  # fmt: skip
                    advance(done, total)
        found, asked = read(out / "embeddings")
        known = names(out / "embeddings")
        figures = _measure(found, asked, base, queries, recall, rounds, beside, *known)
    except GlypheryError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(error.exit_code) from None
    (out / "search.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    shown = report.tables(figures)
    (out / "search.md").write_text("\n".join(table.markdown() for table in shown), encoding="utf-8")
    report.plot(figures, (pictures or out) / "search.png")
    for table in shown:
        show.table(table.title, table.columns, table.rows)


def _measure(
    found: Embedded, asked: Embedded, base: int, queries: int, recall: float, rounds: int, beside: bool,
    labels: dict[int, str], families: dict[int, str],
) -> dict[str, Any]:  # fmt: skip
    rows, questions = found.embeddings[:base], asked.embeddings[:queries]
    truth, _ = exact(questions, rows, NEIGHBOURS)
    family_names = [families[number] for number in found.family[:base].tolist()]
    ivf, vectors, expected = ours_ivf(rows, family_names, recall)
    contestants = [exact_search(rows), ours_flat(rows, family_names), ivf]
    if beside:
        contestants += [faiss_type(rows, *type_) for type_ in BESIDE]
    figures = {
        "base": len(rows), "queries": len(questions), "asked_recall": recall, "recall_when_built": expected,
        "search": measured(contestants, rows, questions, truth, rounds),
    }  # fmt: skip
    vectors._index.nprobe = ivf.chosen
    scripts = {number: Label.parse(label).character.script for number, label in labels.items()}
    script = np.array([scripts[number] for number in found.label[:base].tolist()])
    figures["filters"] = filtered(vectors, rows, questions[:100], _filters(found.family[:base], script))
    return figures


def _filters(family: NDArray[np.int32], script: NDArray[np.str_]) -> list[tuple[str, NDArray[np.bool_]]]:
    """Of families and scripts, from few references to most; and of random rows, for the threshold."""
    sizes = np.bincount(family)
    present = np.flatnonzero(sizes)
    by_size = present[np.argsort(sizes[present])]
    scripts, counts = np.unique(script, return_counts=True)
    order = np.argsort(counts)
    chosen = [
        ("a family of the middle", family == by_size[len(by_size) // 2]),
        ("the largest family", family == by_size[-1]),
        ("not the largest family", family != by_size[-1]),
        *((f"script {scripts[row]}", script == scripts[row]) for row in order[[len(order) // 2, -3, -1]]),
    ]
    rng = np.random.default_rng(0)
    for count in (500, 1_000, 2_000, 5_000, 10_000, 20_000):
        if count < len(family):
            mask = np.zeros(len(family), bool)
            mask[rng.choice(len(family), count, replace=False)] = True
            chosen.append((f"any {count:,}", mask))
    return chosen


if __name__ == "__main__":
    typer.run(_main)
