"""The figures of a run as tables: for the terminal, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.fonts.judgements import Figures
from benchmarks.fonts.kinds import KINDS
from benchmarks.tables import Table

_BY_FONT = {
    "font": "font", "glyphs": "glyphs", "skipped": "skipped", "false_fails": "false FAILs",
    "true_defects": "true defects", "warns": "WARNs", "decorative_copies": "decorative copies",
    "faults": "faults", "found": "found",
}  # fmt: skip
_GROUPS = {"all": "all", "arabic": "Arabic", "other": "other"}
_SUBSETS = {
    **_GROUPS, "without_beside": "all but marks set beside",
    "not_decorative": "all in faces not taken for decorative",
}  # fmt: skip


def tables(run: Figures) -> Iterator[Table]:
    """The tables of `faults.json`."""
    fonts = run["fonts"]
    yield Table(
        f"Faults found: {fonts['fonts']} fonts of {fonts['families']} families "
        f"({fonts['arabic_fonts']} Arabic of {fonts['arabic_families']}), {fonts['copies']} faulted copies, "
        f"of which {fonts['decorative_copies']} are taken for decorative",
        ("faults in", "faults", "found, per cent", "95 % (Wilson)", "95 % (by family)", "warned only",
         "outline rules"),
        [
            (
                title, f"{of['of']:,}", percent(of["share"]), _interval(of["low"], of["high"]),
                _interval(of["low_by_family"], of["high_by_family"]), f"{of['warned']:,}",
                percent(of["baseline"]["share"]),
            )
            for group, title in _SUBSETS.items()
            for of in (run["recall"][group],)
        ],
    )  # fmt: skip
    yield Table(
        "By kind of fault, per cent",
        ("kind", "faults", "found", "95 % (Wilson)", "Arabic found", "Arabic faults", "right check, of found",
         "outline rules"),
        [
            (
                KINDS[kind].title, f"{of['of']:,}", percent(of["share"]), _interval(of["low"], of["high"]),
                percent(of["arabic"]["share"]), f"{of['arabic']['of']:,}", percent(of["right"]["share"]),
                percent(of["baseline"]["share"]),
            )
            for kind, of in run["kinds"].items()
        ],
    )  # fmt: skip
    yield _checks(run["kinds"])
    yield Table(
        "Clean fonts: verdicts that should not be",
        ("characters", "glyphs judged", "skipped", "false FAILs", "per 1,000", "95 % (by family)",
         "true defects", "WARNs", "WARNs per 1,000", "outline rules, per 1,000"),
        [
            (
                title, f"{of['judged']:,}", f"{of['SKIP']:,}", f"{of['false_fails']:,}",
                _number(of["per_thousand"]), _range(of["low"], of["high"]),
                f"{of['true_defects']:,}", f"{of['WARN']:,}", _number(of["warns_per_thousand"]),
                _number(of["baseline_per_thousand"]),
            )
            for group, title in _GROUPS.items()
            for of in (run["clean"][group],)
        ],
    )  # fmt: skip
    yield Table(
        f"By font; FAILs on sound glyphs of faulted copies: {run['beside']:,}",
        tuple(_BY_FONT.values()),
        [
            tuple(
                f"{one[key]:,}" if isinstance(one[key], int) else one[key]
                for key in _BY_FONT
            )
            for one in run["by_font"]
        ],
    )  # fmt: skip


def markdown(run: Figures) -> str:
    """Every table under a line that says what was measured."""
    said = f"Split {run['split']}, bundle `{run['bundle'][:16]}`, scoring `{run['scoring'][:16]}`."
    return "\n".join([said + "\n", *(table.markdown() for table in tables(run))])


def percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"


def _checks(kinds: Figures) -> Table:
    checks = sorted({check for of in kinds.values() for check in of["checks"]})
    rows = [
        (
            KINDS[kind].title,
            *(str(of["checks"].get(check, "")) for check in checks),
            str(of["warned"]),
            str(of["of"] - of["hits"] - of["warned"]),
        )
        for kind, of in kinds.items()
    ]
    return Table("Which check failed it", ("kind", *checks, "warned only", "missed"), rows)


def _interval(low: float, high: float) -> str:
    return "–" if high - low >= 1 else f"{percent(low)} to {percent(high)}"


def _range(low: float, high: float) -> str:
    """Of a rate per thousand."""
    return "–" if high - low >= 1000 else f"{low:.2f} to {high:.2f}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
