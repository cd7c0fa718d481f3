"""The figures of a run as tables: for the terminal, and as Markdown for docs/PERFORMANCE.md."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmarks.serving.catalogue import PEERS, said
from benchmarks.serving.overload import NEARLY, PATIENCE, TIMES
from benchmarks.serving.rounds import DECODING, INFERENCE
from benchmarks.serving.statistics import Figures, spread
from benchmarks.serving.subjects import SINGLE
from benchmarks.tables import Table

_NONE = "–"
_ONE_BY_ONE = "decoding and inference, one after the other"
_TITLES = {peer.name: peer.title for peer in PEERS}
_RATES = (
    "server", "callers", "glyphs/s", "p50", "p90", "p99", "of bare inference",
    "of bare decoding and inference", "processor time a glyph", "refused, failed, wrong",
)  # fmt: skip
_OVERLOAD = (
    "load", "asked/s", "answered/s", "of capacity", "p50", "p99", "refused", "refusal p50", "refusal p99",
    "failed", "sent late by, p99",
)  # fmt: skip


def tables(run: Figures) -> Iterator[Table]:
    """The tables of `serving.json`. After a median, in brackets, come the quartiles of the repeats."""
    for name, of in run["bundles"].items():
        if of["rounds"]:
            yield _rates(name, of)
            yield _ratios(name, of)
        yield _settings(name, of)
    for part, make in _PARTS.items():
        if part in run and "skipped" not in run[part]:
            yield from make(run[part])
    if missing := list(_missing(run)):
        yield Table("Not measured", ("what", "why"), missing)


def markdown(run: Figures) -> str:
    """Every table under a line that says where it was measured."""
    machine, extent = run["machine"], run["extent"]
    told = (
        f"{machine['processor']}, {machine['cores']} cores, ONNX Runtime {machine['onnxruntime']}, Python"
        f" {machine['python']}; {extent['repeats']} repeats of {extent['seconds']:g} s in turn, medians with"
        f" quartiles. Times are in milliseconds. The machine's load was {machine['load']:.2f} before; the"
        f" load generator took at most {max(_generators(run), default=0.0):.0%} of a core."
    )
    return "\n".join([told + "\n", *(table.markdown() for table in tables(run))])


def write(run: Figures, out: Path) -> None:
    """Write serving.json and serving.md."""
    (out / "serving.json").write_text(json.dumps(run, indent=1), encoding="utf-8")
    (out / "serving.md").write_text(markdown(run), encoding="utf-8")


# --- the rounds ---------------------------------------------------------------------------------


def _rates(name: str, of: Figures) -> Table:
    rows = []
    for kind in (INFERENCE, DECODING):
        best = of["bare"][kind]["tried"][of["bare"][kind]["best"]]["arrangement"]
        rate = _spread([one["bare"][kind] for one in of["rounds"]], "{:,.0f}")
        rows.append((f"{kind} ({said(best)})", _NONE, rate, *[_NONE] * 7))
    one_by_one = [one["one_by_one"] for one in of["rounds"]]
    rate, took = _spread(one_by_one, "{:,.0f}"), _spread([1000 / rate for rate in one_by_one], "{:.1f}")
    rows.append((_ONE_BY_ONE, _NONE, rate, took, *[_NONE] * 6))
    for served in _served(of["rounds"]):
        rounds = [one for one in of["rounds"] if served in one["served"]]
        for callers in rounds[0]["served"][served]:
            found = [one["served"][served][callers] for one in rounds]
            shares = [
                [one["served"][served][callers]["rate"] / one["bare"][kind] for one in rounds]
                for kind in (INFERENCE, DECODING)
            ]
            times = ([one[rank] for one in found] for rank in ("p50", "p90", "p99"))
            rows.append(
                (
                    served, callers, _spread([one["rate"] for one in found], "{:,.0f}"),
                    *(_spread(of_rank, "{:.1f}") for of_rank in times), *map(_spread, shares),
                    _spread([one["computed"] for one in found]), _troubles(found),
                )
            )  # fmt: skip
    return Table(f"{name}: rates and latencies", _RATES, rows)


def _ratios(name: str, of: Figures) -> Table:
    """Glyphery beside each peer in the same repeat, and one caller beside the same work without a server."""
    rounds = of["rounds"]
    rows = []
    alone = [
        (one["served"][SINGLE]["1"], one["one_by_one"])
        for one in rounds
        if "1" in one["served"].get(SINGLE, ())
    ]
    if alone:
        rate = _spread([ours["rate"] / theirs for ours, theirs in alone])
        took = _spread([ours["p50"] * theirs / 1000 for ours, theirs in alone])
        rows.append((_ONE_BY_ONE, "1", rate, took, _NONE))
    for served in _served(rounds):
        if served.startswith("Glyphery"):
            continue
        both = [
            (one["served"][SINGLE], one["served"][served])
            for one in rounds
            if SINGLE in one["served"] and served in one["served"]
        ]
        for callers in both[0][1] if both else ():
            ratios = {
                key: [ours[callers][key] / theirs[callers][key] for ours, theirs in both]
                for key in ("rate", "p50", "p99")
            }
            rows.append((served, callers, *(_spread(ratios[key]) for key in ratios)))
    columns = ("peer", "callers", "rate: Glyphery / peer", "p50: Glyphery / peer", "p99: Glyphery / peer")
    return Table(f"{name}: {SINGLE} beside its peers", columns, rows)


def _settings(name: str, of: Figures) -> Table:
    """What was tried, and chosen."""
    rows = []
    for kind in (INFERENCE, DECODING):
        for place, tried in enumerate(of["bare"][kind]["tried"]):
            chosen = "chosen" if place == of["bare"][kind]["best"] else ""
            rows.append((kind, said(tried["arrangement"]), f"{tried['rate']:,.0f}", chosen))
    for peer, trial in of["trials"].items():
        for place, tried in enumerate(trial.get("tried", ())):
            rates = " / ".join(f"{one['rate']:,.0f}" for one in tried.get("by_callers", {}).values())
            chosen = "chosen" if place == trial["best"] else ""
            rows.append((_TITLES[peer], said(tried["setting"]), rates or tried["failed"], chosen))
    columns = ("what", "setting", "glyphs/s (at 1 / 16 / 64 callers)", "")
    return Table(f"{name}: settings tried", columns, rows)


def _served(rounds: list[Figures]) -> list[str]:
    """Everybody who was ever measured, Glyphery first."""
    names = dict.fromkeys(name for one in rounds for name in one["served"])
    return sorted(names, key=lambda name: not name.startswith("Glyphery"))


def _generators(run: Figures) -> Iterator[float]:
    """Share of a core that the load generator took in each load of the rounds."""
    for of in run["bundles"].values():
        for one in of["rounds"]:
            for by_callers in one["served"].values():
                yield from (measured["generator"] for measured in by_callers.values())


def _troubles(found: list[Figures]) -> str:
    refused = sum(one["refused"] for one in found)
    failed = sum(sum(one["failed"].values()) for one in found)
    return f"{refused}, {failed}, {sum(one['wrong'] for one in found)}"


# --- the other parts ----------------------------------------------------------------------------


def _overload(of: Figures) -> Iterator[Table]:
    peak, nearly, over = of["peak"], of["nearly"], of["overload"]
    rows = [
        (
            what, f"{times * peak:,.0f}", f"{one['rate']:,.0f}", f"{one['rate'] / peak:.2f}",
            _ms(one["p50"]), _ms(one["p99"]), f"{one['refused']:,}", _ms(one["refusal"]["p50"]),
            _ms(one["refusal"]["p99"]), str(sum(one["failed"].values())), _ms(one["lateness"]["p99"]),
        )
        for what, times, one in (("nearly all", NEARLY, nearly), ("overload", TIMES, over))
    ]  # fmt: skip
    slower = over["p99"] / nearly["p99"] if over["p99"] and nearly["p99"] else float("nan")
    yield Table(
        f"Overload: capacity {peak:,.0f} glyphs/s; accepted p99 is {slower:.2f} times that at {NEARLY:g}",
        _OVERLOAD,
        rows,
    )
    departures = of["departures"]
    if "skipped" in departures:
        return
    yield Table(
        f"Clients that hang up after {1000 * PATIENCE:g} ms",
        ("load", "answered/s", "departed", "glyphs inferred", "in vain", "share in vain", "dropped before"),
        [
            (
                f"{TIMES} times capacity" if one["callers"] is None else f"{one['callers']} callers",
                f"{one['load']['rate']:,.0f}", f"{one['load']['departed']:,}", f"{one['inferred']:,.0f}",
                f"{one['in_vain']:,.0f}", f"{_share(one['in_vain'], one['inferred']):.2%}",
                f"{one['dropped']:,.0f}",
            )
            for one in departures.values()
        ],
    )  # fmt: skip


def _memory(of: Figures) -> Iterator[Table]:
    rows = [(f"{one['requests']:,}", f"{one['resident']:.1f}", str(one["failed"])) for one in of["steps"]]
    columns = ("requests", "resident, MiB", "failed or wrong")
    yield Table(f"Memory: grows by {of['growth']:+.1%} from the first step to the last", columns, rows)


def _swap(of: Figures) -> Iterator[Table]:
    digests = "; ".join(f"{count:,} from {version}" for version, count in of["by_digest"].items())
    rows = [
        (what, f"{one['rate']:,.0f}", _ms(one["p50"]), _ms(one["p99"]), _troubles([one]))
        for what, one in (("steady", of["steady"]), ("swapping", of["swapping"]))
    ]
    slower = of["swapping"]["p99"] / of["steady"]["p99"]
    yield Table(
        f"{of['swaps']} swaps of the model under load, {_ms(of['loading']['p50'])} ms each,"
        f" {len(of['failed_swaps'])} failed;"
        f" p99 is {slower:.2f} times the steady one; answers: {digests}",
        ("load", "glyphs/s", "p50", "p99", "refused, failed, wrong"),
        rows,
    )


def _similar(of: Figures) -> Iterator[Table]:
    rounds = of["rounds"]
    alone = [one["in_process"] for one in rounds]
    rows = [("in process", "1", *_search(alone), "1.00 (1.00–1.00)", _NONE)]
    for callers in rounds[0]["served"]:
        found = [one["served"][callers] for one in rounds]
        ratio = [one["rate"] / base["rate"] for one, base in zip(found, alone, strict=True)]
        rows.append(("/similar", callers, *_search(found), _spread(ratio), _troubles(found)))
    yield Table(
        f"Search among {of['references']:,} references beside decoding, embedding and FAISS in process",
        ("where", "callers", "queries/s", "p50", "p99", "rate of in process", "refused, failed, wrong"),
        rows,
    )


def _search(found: list[Figures]) -> tuple[str, ...]:
    forms = {"rate": "{:,.0f}", "p50": "{:.2f}", "p99": "{:.2f}"}
    return tuple(_spread([one[key] for one in found], form) for key, form in forms.items())


_PARTS: dict[str, Callable[[Figures], Iterator[Table]]] = {
    "overload": _overload, "memory": _memory, "swap": _swap, "similar": _similar,
}  # fmt: skip


def _missing(run: Figures) -> Iterator[tuple[str, str]]:
    for of in run["bundles"].values():
        for peer, trial in of["trials"].items():
            if "skipped" in trial:
                yield _TITLES[peer], trial["skipped"]
        for number, one in enumerate(of["rounds"], 1):
            for name, reason in one["failed"].items():
                yield f"{name}, repeat {number}", reason
    for part in _PARTS:
        if "skipped" in run.get(part, ()):
            yield part, run[part]["skipped"]
    departures = run.get("overload", {}).get("departures", {})
    if "skipped" in departures:
        yield "departed clients", departures["skipped"]


# --- cells --------------------------------------------------------------------------------------


def _spread(values: Sequence[float | None], form: str = "{:.2f}") -> str:
    """Median and quartiles of those that are there."""
    known = [value for value in values if value is not None]
    if not known:
        return _NONE
    of = spread(known)
    return f"{form.format(of['median'])} ({form.format(of['low'])}–{form.format(of['high'])})"


def _ms(value: float | None) -> str:
    return _NONE if value is None else f"{value:.1f}"


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
