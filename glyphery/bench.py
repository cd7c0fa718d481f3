"""`glyphery bench`: how fast everything is on this machine, beside what the machine can do at most."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glyphery import show

if TYPE_CHECKING:
    from glyphery.figures import Figures
    from recognition.bundle import Bundle

_SECONDS, _QUICK_SECONDS = 2.0, 0.1
_ROUNDS, _QUICK_ROUNDS = 7, 3


def bench(
    bundle: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of a bundle, the shipped one by default; repeat for more."),
    ] = None,
    font: Annotated[
        list[Path] | None,
        typer.Option(
            help="A font to draw and to score; two small ones, Latin and Arabic, by default. Repeat for more;"
            " the first is scored."
        ),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(min=0.01, help="Seconds that each measurement takes; 2, or 0.1 with --quick."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A first look: a tenth of a second each, fewer batch sizes.")
    ] = False,
    profile: Annotated[
        bool, typer.Option("--profile", help="Tell where the models spend their time, by operator.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Write the figures here, as JSON.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw them here, as PNG.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown instead of tables.")] = False,
) -> None:
    """Measure recognition, drawing, decoding, scoring and search on this machine, on its processors.

    Beside them stands what the machine reaches in large matrix products, in the same minute. Other work
    on the machine slows everything alike: rates then mean little, shares still something.
    """
    # As in the service, a matrix product of numpy's takes one thread. Read when numpy is imported.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from json import dumps

    from glyphery.figures import write_plot
    from scoring.reports.report import check_place, write

    for place in filter(None, (out, plot)):
        check_place(place)
    seconds = seconds or (_QUICK_SECONDS if quick else _SECONDS)
    figures = _measure(bundle or [], font or [], seconds, quick, profile)
    text = dumps(figures.to_dict(), ensure_ascii=False, indent=1) + "\n"
    if out is not None:
        write(out, text)
    if plot is not None:
        write_plot(figures, plot)
    if json:
        print(text, end="")
    elif markdown:
        print(figures.markdown(), end="")
    else:
        for table in figures.tables():
            show.table(table.title, table.columns, table.rows)
        print("\n".join(figures.sentences()))


def _measure(bundles: list[Path], fonts: list[Path], seconds: float, quick: bool, profile: bool) -> Figures:
    from contextlib import ExitStack

    from bundles import default_bundle
    from glyphery import workloads
    from glyphery.ceilings import ceilings
    from glyphery.figures import Figures, Machine, Model
    from glyphery.rates import measure
    from glyphs.processes import affinity
    from recognition.bundle import Bundle
    from recognition.layers import layers

    cores, rounds = affinity(), _QUICK_ROUNDS if quick else _ROUNDS
    machine = Machine.here(cores)  # before we are what keeps it busy
    loaded = [Bundle.load(path) for path in bundles or [default_bundle()]]
    drawn = workloads.Fonts.read(fonts)
    called = _names(loaded)
    runs = 1 if quick else 5
    models = [
        Model.of(one, name, layers(one, batch=32, runs=runs))
        for one, name in zip(loaded, called, strict=True)
    ]
    batches = (1, 32) if quick else workloads.BATCHES
    with ExitStack() as open_:
        works = [*ceilings(cores), *workloads.drawing(drawn)]
        for one, name in zip(loaded, called, strict=True):
            works += workloads.recognition(one, name, drawn, batches, cores)
            works += workloads.scoring(one, name, drawn, cores, open_)
            works += workloads.search(one, name, drawn)
        with show.bar("Measuring", rounds) as advance:
            rates = measure(works, seconds, rounds, advance)
    return Figures(machine, tuple(models), tuple(rates), seconds=seconds, rounds=rounds, profiled=profile)


def _names(bundles: list[Bundle]) -> list[str]:
    """What to call each: its name and precision, and a number where it is not the first of these."""
    names: list[str] = []
    for bundle in bundles:
        name = f"{bundle.manifest.name} {bundle.manifest.precision}"
        before = sum(other == name or other.startswith(f"{name} (") for other in names)
        names.append(f"{name} ({before + 1})" if before else name)
    return names
