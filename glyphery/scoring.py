"""`glyphery score`: every glyph of fonts checked against what it claims to be."""

from __future__ import annotations

import math
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import fields, replace
from enum import StrEnum
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glyphery import show
from glyphery.recognise import BundlePath
from glyphs.characters import code
from glyphs.errors import BadInput
from glyphs.processes import affinity

if TYPE_CHECKING:
    from recognition.bundle import Bundle
    from scoring.baseline import Baseline
    from scoring.compare import Comparison
    from scoring.judge import Thresholds
    from scoring.local import Setup
    from scoring.places import Place
    from scoring.reports.report import Report
    from scoring.score import Scorer
    from scoring.verdicts import FontScore, Status, Verdict

_SHOWN = 20  # findings of a font on the terminal
_SUFFIXES = ".jsonl, .csv, .json, .md and .html"


class ErrorCodeOn(StrEnum):
    """The least status for which the verb ends with an exit code of 1, as of fontspector."""

    WARN = "WARN"
    FAIL = "FAIL"
    ERROR = "ERROR"
    NEVER = "never"


class Engine(StrEnum):
    """Where fonts are scored."""

    LOCAL = "local"
    RAY = "ray"


def score(
    fonts: Annotated[list[str], typer.Argument(help="Font files, or folders to search for them.")],
    out: Annotated[
        list[Path] | None,
        typer.Option(
            help="Write a report here; repeat for more. The suffix says which: .jsonl has a line a glyph,"
            " .csv the same as a table, .json a summary, .md Markdown, .html a page of one font to look at;"
            " without a suffix it is a folder of such pages."
        ),
    ] = None,
    bundle: BundlePath = None,
    baseline: Annotated[
        Path | None, typer.Option(help="Accept the findings that this allow-list knows.")
    ] = None,
    write_baseline: Annotated[
        Path | None, typer.Option(help="Write an allow-list of all that is found now.")
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="An older version of the one font: tell what became better or worse.")
    ] = None,
    error_code_on: Annotated[
        ErrorCodeOn, typer.Option(help="End with exit code 1 where a status is at least this.")
    ] = ErrorCodeOn.FAIL,
    threshold: Annotated[
        list[str] | None, typer.Option(help="Change a threshold of the checks, as fail=0.5; repeat for more.")
    ] = None,
    engine: Annotated[Engine, typer.Option(help="This machine, or a Ray cluster.")] = Engine.LOCAL,
    address: Annotated[
        str | None, typer.Option(help="Of the Ray cluster; without it one is started on this machine.")
    ] = None,
    jobs: Annotated[
        int, typer.Option(min=0, help="Processes that score fonts; 0: one a core if there are several fonts.")
    ] = 0,
    keep: Annotated[
        Path | None, typer.Option(help="Keep scores here: run again to go on, or to score only what changed.")
    ] = None,
    max_seconds: Annotated[
        float, typer.Option(min=1, max=86_400, help="Computing that reading one font may take.")
    ] = 60,
    max_memory: Annotated[int, typer.Option(min=512, help="MiB that reading one font may take.")] = 2048,
    max_glyphs: Annotated[int, typer.Option(min=1, help="Glyphs that one font may have.")] = 200_000,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object a glyph.")] = False,
) -> None:
    """Check every glyph of fonts against the character and joining form it claims to be.

    Exit code 0, or 1 where something is found (--error-code-on), or 2 where the input cannot be used.
    """
    # Before numpy is there: threads of its matrix products would wait, spinning, for what the model has.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from bundles import default_bundle
    from recognition.bundle import Bundle
    from scoring import places
    from scoring.local import Setup
    from scoring.reports.summary import made_with
    from scoring.sandbox import Limits
    from scoring.verdicts import worst

    if address and engine is Engine.LOCAL:
        raise BadInput("--address is that of a Ray cluster.", "Add --engine ray.")
    limits = Limits(max_glyphs=max_glyphs, seconds=max_seconds, max_memory=max_memory << 20)
    setup = Setup(bundle or default_bundle(), limits, _thresholds(threshold or []), keep)
    if against:
        if len(fonts) != 1 or Path(fonts[0]).is_dir() or baseline or write_baseline or engine is Engine.RAY:
            raise BadInput("--against compares one font with one older version of it, and nothing else.")
        check_apart(out or [], [against, Path(fonts[0])])
        writers = [_comparison_writer(path) for path in out or []]
        comparison, used = _compared(against, Path(fonts[0]), setup)
        for write in writers:
            write(comparison, made_with(used, setup.thresholds))
        if json:
            show.as_json(comparison.to_dict())
        else:
            _print_comparison(comparison)
        _end(comparison.status, error_code_on)
        return

    statuses: list[Status] = []
    with sigterm_as_exit(), ExitStack() as open_:
        files = places.find(map(places.place, fonts))
        processes = min(len(files), jobs or affinity())
        scorer = None
        if engine is Engine.LOCAL and processes == 1:
            scorer = open_.enter_context(setup.scorer(lanes=0))
        used = scorer.bundle if scorer else Bundle.load(setup.bundle)
        made = made_with(used, setup.thresholds)
        # A baseline may be written over the one that is read.
        read = (keep, None if baseline == write_baseline else baseline)
        check_apart([*(out or []), write_baseline], [*read, *(of for of in files if isinstance(of, Path))])
        kept, reports = _baselines(baseline, write_baseline)
        for path in out or []:
            reports.append(_report(path, used, made, len(files)))
        told: list[Callable[[FontScore], None]] = [open_.enter_context(report).add for report in reports]
        told.append(_print_lines if json else _print_findings)
        for found in _scored(files, setup, scorer or processes, engine, address, jobs):
            judged = kept.apply(found) if kept else found
            statuses.append(judged.status)
            for tell in told:
                tell(judged)
    if kept and (unused := kept.unused()):
        print(f"glyphery: {len(unused)} entries of {baseline} match nothing any more.", file=sys.stderr)
    _end(worst(statuses), error_code_on)


@contextmanager
def sigterm_as_exit() -> Iterator[None]:
    """Have SIGTERM end the program as Ctrl-C does, so that reports in the making are taken away."""
    former = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


def _thresholds(changes: list[str]) -> Thresholds:
    from scoring.judge import Thresholds

    known = {field.name: type(getattr(Thresholds(), field.name)) for field in fields(Thresholds)}
    values: dict[str, Any] = {}
    for change in changes:
        name, _, text = change.partition("=")
        if name not in known:
            raise BadInput(f"There is no threshold {name!r}.", f"There are {', '.join(known)}.")
        try:
            values[name] = known[name](text)
            usable = math.isfinite(values[name])  # JSON can say no other
        except (ValueError, OverflowError):
            usable = False
        if not usable:
            raise BadInput(f"{text!r} is no value for the threshold {name}.")
    return replace(Thresholds(), **values)


def _scored(
    files: Sequence[Place],
    setup: Setup,
    by: Scorer | int,
    engine: Engine,
    address: str | None,
    jobs: int,
) -> Iterator[FontScore]:
    """by: the scorer of this process, or how many processes"""
    from scoring import places
    from scoring.local import score_all, score_file

    with show.bar("Scoring", len(files)) as advance:
        begun = 0

        def note(done: int, total: int) -> None:
            advance(begun, note=f"{PurePath(places.name(files[begun])).name}: {done:,} of {total:,} glyphs")

        scores: Iterator[FontScore]
        if engine is Engine.RAY:
            from scoring.distributed import score_all_on_ray

            scores = score_all_on_ray(files, setup, address=address, workers=jobs or None)
        elif isinstance(by, int):
            scores = score_all(files, setup, by)
        else:
            scores = (score_file(by, file, note) for file in files)
        for begun, found in enumerate(scores, 1):
            advance(begun)
            yield found


def _baselines(baseline: Path | None, write_baseline: Path | None) -> tuple[Baseline | None, list[Report]]:
    from scoring.baseline import Baseline, NewBaseline

    kept = Baseline.read(baseline) if baseline else None
    return kept, [NewBaseline(write_baseline, kept)] if write_baseline else []


def check_apart(written: Sequence[Path | None], read: Iterable[Path | None]) -> None:
    """Raises BadInput where one of what is written would take the place of another, or of what is read."""
    places = [path.resolve() for path in written if path]
    others = {path.resolve() for path in read if path}
    for number, place in enumerate(places):
        for other in others.union(places[:number], places[number + 1 :]):
            if place == other or (not place.suffix and other.is_relative_to(place)):
                raise BadInput(f"{place} would take the place of {other}.", "Name another place.")


def _report(path: Path, used: Bundle, made_with: Mapping[str, Any], fonts: int) -> Report:
    from index.references import pictures_in
    from scoring.reports.html import Page
    from scoring.reports.lines import Csv, JsonLines
    from scoring.reports.markdown import Markdown
    from scoring.reports.pages import Pages
    from scoring.reports.summary import Summary

    match path.suffix.lower():
        case ".jsonl" | ".ndjson":
            return JsonLines(path)
        case ".csv":
            return Csv(path)
        case ".json":
            return Summary(path, made_with)
        case ".md":
            return Markdown(path)
        case ".html":
            return Page(path, reference=pictures_in(used.path), made_with=made_with, fonts=fonts)
        case "":
            return Pages(path, reference=pictures_in(used.path), made_with=made_with)
    raise BadInput(
        f"{path} names no kind of report.", f"There are {_SUFFIXES}, and folders without a suffix."
    )


def _compared(old: Path, new: Path, setup: Setup) -> tuple[Comparison, Bundle]:
    """And the bundle that they were scored with."""
    from scoring.compare import compare
    from scoring.local import score_file

    for path in (old, new):
        if not path.is_file():
            raise BadInput(f"There is no font {path}.")
    with (
        show.console(stderr=True).status("Scoring both versions"),
        setup.scorer(lanes=0) as scorer,
    ):
        return compare(score_file(scorer, old), score_file(scorer, new)), scorer.bundle


def _comparison_writer(path: Path) -> Callable[[Comparison, Mapping[str, Any]], None]:
    """What writes a comparison there, and what it was made with.

    Raises:
        BadInput: nothing does.
    """
    from json import dumps

    from scoring.reports.comparison import comparison_markdown, write_comparison_page
    from scoring.reports.report import check_place, write

    writers: dict[str, Callable[[Comparison, Mapping[str, Any]], None]] = {
        ".json": lambda found, made_with: write(
            path, dumps(found.to_dict() | {"made_with": made_with}, ensure_ascii=False) + "\n"
        ),
        ".md": lambda found, _: write(path, comparison_markdown(found)),
        ".html": lambda found, made_with: write_comparison_page(path, found, made_with=made_with),
    }
    if path.suffix.lower() not in writers:
        raise BadInput(f"{path} names no kind of comparison.", "There are .json, .md and .html.")
    check_place(path)
    return writers[path.suffix.lower()]


def _print_comparison(comparison: Comparison) -> None:
    whole = [
        *((finding, "", True) for finding in comparison.appeared),
        *((finding, "", False) for finding in comparison.gone),
    ]
    for face in comparison.faces:
        name = face.face.name
        whole += [(finding, name, True) for finding in face.appeared]
        whole += [(finding, name, False) for finding in face.gone]
    rows = [
        ("appeared", "", name, "", f"{finding.status} {finding.message}") if appeared
        else ("gone", "", name, f"{finding.status} {finding.message}", "")
        for finding, name, appeared in whole
    ]  # fmt: skip
    rows += [
        (str(one.change), _codepoint(one.verdict), one.verdict.label.character.name,
         _said(one.old), _said(one.new))
        for face in comparison.faces
        for one in face.changes[:_SHOWN]
    ]  # fmt: skip
    if rows:
        show.table(comparison.new.font, ("change", "", "character", "before", "now"), rows)
    _print_left(sum(len(face.changes[_SHOWN:]) for face in comparison.faces))
    counts = ", ".join(f"{count:,} {change}" for change, count in comparison.counts().items() if count)
    print(f"{counts or ('No glyph changed' if rows else 'Nothing changed')}.")


def _print_left(findings: int) -> None:
    if findings:
        print(f"and {findings:,} more; write a report with --out to see them all")


def _said(verdict: Verdict | None) -> str:
    if verdict is None:
        return ""
    return f"{verdict.status} {verdict.principal.message if verdict.principal else ''}"


def _print_lines(found: FontScore) -> None:
    from scoring.reports.lines import json_line, records

    for values in records(found):
        print(json_line(values), end="")


def _print_findings(found: FontScore) -> None:
    from scoring.reports.text import visible
    from scoring.verdicts import Status

    counts = found.counts()
    several = len(found.faces) > 1
    rows: list[tuple[str, str, str, str, str]] = [
        (str(finding.status), finding.check, face.name, "", finding.message)
        for face in found.faces
        for finding in face.findings
        if not finding.accepted
    ]
    rows += [
        (str(finding.status), finding.check, "", "", finding.message)
        for finding in found.findings
        if not finding.accepted
    ]
    suspects = [
        (verdict, face)
        for face in found.faces
        for verdict in face.glyphs
        if verdict.status in (Status.FAIL, Status.WARN)
    ]
    suspects.sort(key=lambda pair: -pair[0].status.severity)
    for verdict, face in suspects[:_SHOWN]:
        assert verdict.principal is not None
        style = f" {face.style}" if several else ""
        rows.append(
            (str(verdict.status), verdict.principal.check, f"{_codepoint(verdict)}{style}", verdict.glyph,
             verdict.principal.message)
        )  # fmt: skip
    glyphs = sum(counts.values())
    told = ", ".join(f"{counts[status]:,} {status}" for status in reversed(Status) if counts[status])
    title = (
        f"{visible(found.font)}: {found.status} ({f'{glyphs:,} glyphs: {told}' if glyphs else 'not scored'})"
    )
    if not rows:
        print(title)
        return
    show.table(title, ("status", "check", "", "glyph", "what is found"), rows)
    _print_left(len(suspects[_SHOWN:]))


def _codepoint(verdict: Verdict) -> str:
    form = f" {verdict.form}" if verdict.form else ""
    return f"{chr(verdict.codepoint)} {code(verdict.codepoint)}{form}"


def _end(overall: Status, error_code_on: ErrorCodeOn) -> None:
    from scoring.verdicts import Status

    if error_code_on is not ErrorCodeOn.NEVER and overall.severity >= Status(error_code_on).severity:
        raise typer.Exit(1)
