"""`python -m benchmarks.serving`: every figure of docs/PERFORMANCE.md, each part made once and kept."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.serving.catalogue import PEERS
from benchmarks.serving.workshop import QUICK, Extent
from bundles import default_bundle
from glyphery import show
from glyphs.errors import GlypheryError

_PEERS = ",".join(peer.name for peer in PEERS)
_FULL = Extent()


def _main(
    bundle: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder of a bundle, the shipped one by default; repeat for more: the rounds for "
            "each, everything else for the first."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of results and of the peers' environments.")] = Path(
        "runs/serving"
    ),
    peers: Annotated[str, typer.Option(help="Peers, separated by commas; may be empty.")] = _PEERS,
    part: Annotated[
        list[str] | None,
        typer.Option(help="rounds, overload, memory, swap or similar, once or more; else all."),
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Of every round.")] = _FULL.repeats,
    seconds: Annotated[float, typer.Option(help="Of a round.")] = _FULL.seconds,
    trial_seconds: Annotated[float, typer.Option(help="Of a round while settings are chosen.")] = _FULL.trial,
    overload_seconds: Annotated[float, typer.Option(help="Of overload.")] = _FULL.overload,
    memory_requests: Annotated[int, typer.Option(help="After which memory is looked at.")] = _FULL.requests,
    swaps: Annotated[int, typer.Option(help="Of the model under load.")] = _FULL.swaps,
    references: Annotated[int, typer.Option(help="In the index that is searched.")] = _FULL.references,
    quick: Annotated[
        bool, typer.Option("--quick", help="As little of everything as shows that it runs.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure Glyphery beside other servers of the same model; print, write JSON, Markdown and pictures."""
    # Not before: each process that is started from here imports this module first.
    from benchmarks.serving import report
    from benchmarks.serving.run import PARTS, Wanted, peers_of, run

    extent = QUICK if quick else Extent(
        seconds=seconds, trial=trial_seconds, repeats=repeats, overload=overload_seconds,
        requests=memory_requests, swaps=swaps, references=references,
    )  # fmt: skip
    if unknown := set(part or ()) - set(PARTS):
        raise typer.BadParameter(f"{', '.join(unknown)}: choose of {', '.join(PARTS)}.", param_hint="--part")
    try:
        chosen = peers_of(peers, PEERS)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--peers") from None
    wanted = Wanted(
        bundles=tuple(bundle or [default_bundle()]),
        peers=chosen,
        parts=frozenset(part or PARTS),
        extent=extent,
    )
    try:
        with show.bar("Serving") as advance:
            figures = run(wanted, out, advance)
    except GlypheryError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(error.exit_code) from None
    if json:
        show.as_json(figures)
        return
    for table in report.tables(figures):
        show.table(table.title, table.columns, table.rows)


if __name__ == "__main__":
    typer.run(_main)
