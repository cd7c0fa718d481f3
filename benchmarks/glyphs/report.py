"""The figures of a run as tables: for the terminal, and as Markdown for docs/BENCHMARK.md."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.glyphs.degradations import DEGRADATIONS
from benchmarks.tables import Table
from training.evaluation.plots import part

Figures = dict[str, Any]
_KNOWN = {"with_metrics": "given", "without_metrics": "unknown"}
# What a figure of a prior is called.
_MEASURES = {
    "top1": "top-1", "top5": "top-5", "top10": "top-10", "equivalent": "up to equivalence",
    "cased": "up to case and equivalence", "macro_top1": "macro top-1",
    "macro_equivalent": "macro up to equivalence", "ece": "ECE",
}  # fmt: skip
_SCRIPTS = 30
_SUSPECTS = 15


def tables(run: Figures) -> Iterator[Table]:
    """The tables of `benchmark.json`, per cent unless stated."""
    recognition = run["recognition"]
    if recognition:
        yield from _recognition(recognition)
    yield _baselines(run)
    if run["tesseract"]:
        yield _tesseract(run["tesseract"])
    yield from _degraded(run["degraded"])
    yield _leaks(run["leaks"])


def markdown(run: Figures) -> str:
    """Every table under a line that says what was asked."""
    limit = f"at most {run['limit']:,} glyphs" if run["limit"] else "all glyphs"
    said = f"Split {run['split']}, {limit}, dataset `{run['dataset'][:16]}`. Per cent unless stated."
    return "\n".join([said + "\n", *(table.markdown() for table in tables(run))])


def _recognition(of: dict[str, Figures]) -> Iterator[Table]:
    some = next(iter(of.values()))
    asked = (
        f"{some['glyphs']:,} glyphs of {some['families']} unseen families, {some['labels']:,} labels occur"
    )
    yield Table(
        f"Recognition: {asked}",
        ("recogniser", "metrics", "prior", *_MEASURES.values()),
        [
            (name, _KNOWN[known], prior, *(_percent(figures[known][prior][key]) for key in _MEASURES))
            for name, figures in of.items()
            for known in figures["ceiling"]
            for prior in ("fonts", "uniform")
        ],
    )
    rows = []
    for name, figures in of.items():
        for known, ceiling in figures["ceiling"].items():
            chief = known == next(iter(figures["ceiling"]))
            strict = figures[known]["fonts"]["top1"]
            retrieved = figures.get("retrieval_top10" if chief else "retrieval_top10_without_metrics")
            rows.append(
                (
                    name, _KNOWN[known], f"{figures['labels_known']:,} of {figures['labels_asked']:,}",
                    _percent(ceiling), _percent(strict / ceiling), _percent(retrieved),
                    *(
                        f"{figures[key]:.3f}" if chief and key in figures else "–"
                        for key in ("known_auroc_whole_scripts", "known_auroc")
                    ),
                )
            )  # fmt: skip
    yield Table(
        "Ceiling, retrieval, unknown labels",
        (
            "recogniser", "metrics", "labels known", "ceiling", "strict as share of the ceiling",
            "label among ten nearest references", "AUROC of known labels against scripts never learned",
            "against all unknown labels",
        ),
        rows,
    )  # fmt: skip
    yield Table(
        "Shorter lists: labels of more training families asked about, and no others possible"
        " (metrics given, font prior)",
        ("recogniser", "least families", "labels", "glyphs", "top-1", "top-5", "up to equivalence"),
        [
            (
                name, str(one["families"]), f"{one['labels']:,}", f"{one['glyphs']:,}",
                *(_percent(one[key]) for key in ("top1", "top5", "equivalent")),
            )
            for name, figures in of.items()
            for one in figures["lists"]
        ],
    )  # fmt: skip
    for name, figures in of.items():
        scripts = sorted(figures["by_script"].items(), key=lambda item: -item[1]["glyphs"])[:_SCRIPTS]
        yield Table(
            f"{name} by script (metrics given, font prior)",
            ("script", "glyphs", "top-1", "up to equivalence"),
            [
                (part(script), f"{one['glyphs']:,}", _percent(one["top1"]), _percent(one["equivalent"]))
                for script, one in scripts
            ],
        )


def _baselines(run: Figures) -> Table:
    """Each recogniser beside the baselines, and by how many points it beats the better."""
    outlines, pixels = run["outlines"], run["pixels"]
    rows = [
        ("outline looked up by hash", _percent(outlines["top1"]), "–", "–", "–"),
        (
            "nearest pixels", _percent(pixels["top1"]), _percent(pixels["equivalent"]),
            _percent(pixels["top10"]), "–",
        ),
    ]  # fmt: skip
    for name, figures in run["recognition"].items():
        for known in figures["ceiling"]:
            best = figures[known]["fonts"]
            chief = known == next(iter(figures["ceiling"]))
            retrieved = figures.get("retrieval_top10" if chief else "retrieval_top10_without_metrics")
            margin = best["equivalent"] - pixels["equivalent"]
            rows.append(
                (
                    f"{name}, metrics {_KNOWN[known]}", _percent(best["top1"]), _percent(best["equivalent"]),
                    _percent(retrieved), f"{100 * margin:+.1f}",
                )
            )  # fmt: skip
    return Table(
        f"Baselines: {pixels['glyphs']:,} glyphs, {pixels['references']:,} references;"
        f" {outlines['left_out']:.1%} of the split's glyphs are left out because a training family has the"
        f" outline (with them the lookup has {outlines['whole_split']:.1%})",
        (
            "recogniser",
            "top-1",
            "up to equivalence",
            "label among ten nearest",
            "points above nearest pixels",
        ),
        rows,
    )


def _tesseract(of: Figures) -> Table:
    base = of["tesseract"]
    rows = [("Tesseract", "unknown", _percent(base["top1"]), _percent(base["cased"]), "–", "–")]
    rows += [
        (
            name, _KNOWN[known], _percent(figures[known]["top1"]), _percent(figures[known]["cased"]),
            *(f"{100 * (figures[known][key] - base[key]):+.1f}" for key in ("top1", "cased")),
        )
        for name, figures in of["contestants"].items()
        for known in _KNOWN
    ]  # fmt: skip
    return Table(
        f"Tesseract: {of['glyphs']:,} glyphs of {of['labels']} printable ASCII characters, 64 px",
        ("recogniser", "metrics", "strict", "up to case", "points above, strict", "points above, up to case"),
        rows,
    )


def _degraded(of: dict[str, dict[str, Figures]]) -> Iterator[Table]:
    """At the middle strength; then at every strength, up to equivalence and strict."""
    names = list(of["clean"])
    clean = {name: of["clean"][name]["strengths"][0] for name in names}
    columns = [(name, known) for name in names for known in _KNOWN if known in clean[name]]
    heads = tuple(
        name if name == "nearest pixels" else f"{name}, metrics {_KNOWN[known]}" for name, known in columns
    )
    glyphs = f"{of['clean'][names[0]]['glyphs']:,} glyphs; points from clean in brackets"

    def cells(part: str, number: int, key: str) -> tuple[str, ...]:
        shares = [
            (of[part][name]["strengths"][number][known][key], clean[name][known][key])
            for name, known in columns
        ]
        return tuple(f"{_percent(share)} ({100 * (share - whole):+.1f})" for share, whole in shares)

    def rows(key: str, *, every: bool) -> list[tuple[str, ...]]:
        found = [("clean, px", "128", *(_percent(clean[name][known][key]) for name, known in columns))]
        found += [
            (f"{degradation.title}, {degradation.unit}", f"{strength:g}", *cells(part, number, key))
            for part, degradation in DEGRADATIONS.items()
            for number, strength in enumerate(degradation.strengths)
            if every or strength == degradation.middle
        ]
        return found

    titled = ("degradation", "strength", *heads)
    yield Table(
        f"Degraded at the middle strength, up to equivalence: {glyphs}",
        titled,
        rows("equivalent", every=False),
    )
    yield Table(f"Degraded, up to equivalence: {glyphs}", titled, rows("equivalent", every=True))
    yield Table(f"Degraded, strict: {glyphs}", titled, rows("top1", every=True))
    unread = [
        (degradation.title, f"{strength:g}", str(figures["unreadable"]))
        for part, degradation in DEGRADATIONS.items()
        for strength, figures in zip(degradation.strengths, of[part][names[0]]["strengths"], strict=True)
        if figures["unreadable"]
    ]
    if unread:
        yield Table(
            "Pictures that cannot be read, and count as wrong", ("degradation", "strength", "glyphs"), unread
        )


def _leaks(of: Figures) -> Table:
    flagged = sum(row["flagged"] for row in of["near_duplicates"])
    rows = [
        (
            row["family"] + (" (flagged)" if row["flagged"] else ""), str(row["glyphs"]),
            _percent(row["share"]), row["nearest"] or "–", _percent(row["nearest_share"]),
        )
        for row in of["near_duplicates"][:_SUSPECTS]
    ]  # fmt: skip
    twice = "; ".join(" and ".join(names) for names in of["families_in_two_splits"])
    return Table(
        f"Leaks: families in two splits: {twice or 'none'}; {of['shared_outlines']} outlines shared with"
        f" training; {flagged} of {of['families']} families flagged as near duplicates; highest shares",
        ("family", "glyphs compared", "drawn nearly alike in training", "most often by", "of the glyphs"),
        rows,
    )


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"


def write(run: Figures, out: Path) -> None:
    """Write benchmark.json and benchmark.md."""
    (out / "benchmark.json").write_text(json.dumps(run, indent=1), encoding="utf-8")
    (out / "benchmark.md").write_text(markdown(run), encoding="utf-8")
