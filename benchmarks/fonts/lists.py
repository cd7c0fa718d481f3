"""What a run leaves beside its figures: truths, FAILs in clean fonts, missed faults, raw evidence."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.fonts.judgements import Judgement
from benchmarks.fonts.measure import Defect, is_defect
from benchmarks.fonts.outcomes import FontOutcome
from scoring.verdicts import Status

_EVIDENCE = (
    "file", "family", "style", "kind", "copy", "codepoint", "label", "glyph", "fault", "status", "check",
    "probability", "rank", "margin", "likeness", "top", "top_probability",
)  # fmt: skip


def write_all(outcomes: Sequence[FontOutcome], defects: set[Defect], out: Path) -> None:
    _write_lines(_truths(outcomes), out / "faults.jsonl")
    _write_table(_FALSE, _false_fails(outcomes, defects), out / "false-fails.tsv", "\t")
    beside = (_failed(outcome, one) for outcome in outcomes for one in outcome.beside)
    _write_table(_FALSE, beside, out / "beside.tsv", "\t")
    _write_table(_EVIDENCE, _evidence(outcomes), out / "evidence.csv", ",")


_FALSE = (
    "sha256",
    "codepoint",
    "form",
    "check",
    "character",
    "name",
    "font",
    "message",
    "top",
    "probability",
)


def _false_fails(outcomes: Iterable[FontOutcome], defects: set[Defect]) -> Iterable[Sequence[Any]]:
    """The first four columns are those of `real-defects.tsv`."""
    for outcome in outcomes:
        for one in outcome.clean.glyphs:
            if one.status is Status.FAIL and not is_defect(outcome, one, defects):
                yield _failed(outcome, one)


def _failed(outcome: FontOutcome, one: Judgement) -> Sequence[Any]:
    label = one.entry.label
    return (
        outcome.font.sha256, f"U+{one.codepoint:04X}", str(label.form), one.check, chr(one.codepoint),
        label.character.name, outcome.font.title, one.message, *_top(one),
    )  # fmt: skip


def _truths(outcomes: Iterable[FontOutcome]) -> Iterable[dict[str, Any]]:
    """A line a fault, with what was said of it."""
    for outcome in outcomes:
        for one in outcome.faults:
            yield {
                "font": outcome.font.title, "sha256": outcome.font.sha256, "copy": one.copy,
                **one.fault.record(), "found": one.found, "warned": one.warned, "by_rules": one.by_rules,
                "said": [
                    {"codepoint": f"U+{said.codepoint:04X}", "label": said.label, "status": str(said.status),
                     "check": said.check, "margin": said.margin, "likeness": said.likeness,
                     "top": said.top[:3]}
                    for said in one.said
                ],
            }  # fmt: skip


def _evidence(outcomes: Iterable[FontOutcome]) -> Iterable[Sequence[Any]]:
    """Every verdict on clean fonts, and in faulted copies those on faulty glyphs: what thresholds are
    chosen by. `copy` is empty for the clean font, `fault` for a sound glyph.
    """
    for outcome in outcomes:
        font = outcome.font
        whose = (font.file, font.family, font.style, font.kind)
        for one in outcome.clean.glyphs:
            yield *whose, "", *_row(one, "")
        for copy, (judged, wrong) in enumerate(outcome.copies):
            for one in judged.glyphs:
                if one.entry in wrong:
                    yield *whose, copy, *_row(one, wrong[one.entry])


def _row(one: Judgement, fault: str) -> Sequence[Any]:
    return (
        f"U+{one.codepoint:04X}", one.label, one.glyph, fault, str(one.status), one.check, one.probability,
        one.rank, one.margin, one.likeness, *_top(one),
    )  # fmt: skip


def _top(one: Judgement) -> tuple[str | None, float | None]:
    return one.top[0] if one.top else (None, None)


def _write_lines(records: Iterable[dict[str, Any]], path: Path) -> None:
    with path.open("w", encoding="utf-8") as out:
        for record in records:
            out.write(json.dumps(record, ensure_ascii=False) + "\n")


def _write_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], path: Path, delimiter: str) -> None:
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
