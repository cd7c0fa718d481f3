"""The figures of a run, from what became of every font."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

from benchmarks.fonts.choice import ARABIC
from benchmarks.fonts.judgements import Figures, Judgement
from benchmarks.fonts.kinds import KINDS
from benchmarks.fonts.outcomes import FontOutcome, Outcome
from benchmarks.fonts.statistics import clustered, share
from glyphs.errors import BadInput
from glyphs.labels import Form
from scoring.verdicts import Status

Defect = tuple[str, int, Form, str]  # sha256, code point, form, check


def parse_defects(rows: Iterable[list[str]]) -> set[Defect]:
    """FAILs in clean fonts that a person found to be defects of these fonts. Raises BadInput."""
    try:
        return {
            (digest, int(codepoint.removeprefix("U+"), 16), Form(form), check)
            for digest, codepoint, form, check, _ in rows
        }
    except ValueError as error:
        raise BadInput(f"The list of real defects has a bad line: {error}.") from None


def is_defect(outcome: FontOutcome, one: Judgement, defects: set[Defect]) -> bool:
    return (outcome.font.sha256, one.codepoint, one.entry.label.form, str(one.check)) in defects


def figures(outcomes: Sequence[FontOutcome], defects: set[Defect]) -> Figures:
    """Everything that `faults.json` holds about a split."""
    faults = [fault for outcome in outcomes for fault in outcome.faults]
    return {
        "fonts": _fonts(outcomes),
        "recall": {
            "all": _recall(faults),
            "arabic": _recall([fault for fault in faults if fault.fault.arabic]),
            "other": _recall([fault for fault in faults if not fault.fault.arabic]),
            # Where a mark stands beside its letter, the letter is still what it was.
            "without_beside": _recall([fault for fault in faults if fault.fault.kind != "mark-beside"]),
            "not_decorative": _recall([fault for fault in faults if not fault.decorative]),
        },
        "kinds": {kind: _kind([fault for fault in faults if fault.fault.kind == kind]) for kind in KINDS},
        "clean": {
            name: _clean(outcomes, defects, belongs)
            for name, belongs in (
                ("all", lambda one: True),
                ("arabic", lambda one: one.arabic),
                ("other", lambda one: not one.arabic),
            )
        },
        "beside": sum(len(outcome.beside) for outcome in outcomes),
        "findings": {o.font.title: list(o.clean.findings) for o in outcomes if o.clean.findings},
        "by_font": [_by_font(outcome, defects) for outcome in outcomes],
    }


def _fonts(outcomes: Sequence[FontOutcome]) -> Figures:
    arabic = [outcome for outcome in outcomes if outcome.font.kind == ARABIC]
    return {
        "fonts": len(outcomes),
        "families": len({outcome.font.family for outcome in outcomes}),
        "arabic_fonts": len(arabic),
        "arabic_families": len({outcome.font.family for outcome in arabic}),
        "copies": sum(len(outcome.copies) for outcome in outcomes),
        "glyphs": sum(len(outcome.clean.glyphs) for outcome in outcomes),
        "decorative_fonts": sum(outcome.clean.decorative for outcome in outcomes),
        "decorative_copies": sum(judged.decorative for outcome in outcomes for judged, _ in outcome.copies),
    }


def _recall(faults: Sequence[Outcome]) -> Figures:
    by_family: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in faults:
        by_family[outcome.font.family].append(outcome)
    found = [sum(fault.found for fault in of) for of in by_family.values()]
    low, high = clustered(found, [len(of) for of in by_family.values()])
    return {
        **share(sum(found), len(faults)),
        "low_by_family": low,
        "high_by_family": high,
        "warned": sum(fault.warned for fault in faults),
        "baseline": share(sum(fault.by_rules for fault in faults), len(faults)),
    }


def _kind(faults: Sequence[Outcome]) -> Figures:
    """right: of those found, how many by the check that says what is wrong."""
    found = [fault for fault in faults if fault.found]
    checks = Counter(fault.checks[0] for fault in found)
    return {
        **_recall(faults),
        "arabic": share(
            sum(fault.found for fault in faults if fault.fault.arabic),
            sum(fault.fault.arabic for fault in faults),
        ),
        "checks": dict(checks.most_common()),
        "right": share(
            sum(not KINDS[fault.fault.kind].right.isdisjoint(fault.checks) for fault in found), len(found)
        ),
    }


def _clean(
    outcomes: Sequence[FontOutcome], defects: set[Defect], belongs: Callable[[Judgement], bool]
) -> Figures:
    """Verdicts on clean fonts. A rate is per thousand glyphs judged, skipped ones not among them."""
    failed: Counter[str] = Counter()
    judged: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    checks: Counter[str] = Counter()
    for outcome in outcomes:
        family = outcome.font.family
        for one in filter(belongs, outcome.clean.glyphs):
            counts[one.status] += 1
            if one.status is Status.SKIP:
                continue
            judged[family] += 1
            counts["baseline"] += one.entry in outcome.rules_clean
            if one.status is Status.FAIL:
                defect = is_defect(outcome, one, defects)
                counts["true_defects" if defect else "false_fails"] += 1
                failed[family] += not defect
            if one.status in (Status.FAIL, Status.WARN):
                checks[f"{one.check} {one.status}"] += 1
    total = judged.total()
    low, high = clustered([failed[family] for family in judged], list(judged.values()))
    return {
        "judged": total,
        **{str(status): counts[status] for status in Status},
        "false_fails": counts["false_fails"],
        "true_defects": counts["true_defects"],
        "per_thousand": 1000 * counts["false_fails"] / total if total else None,
        "low": 1000 * low,
        "high": 1000 * high,
        "warns_per_thousand": 1000 * counts[Status.WARN] / total if total else None,
        "baseline_per_thousand": 1000 * counts["baseline"] / total if total else None,
        "checks": dict(checks.most_common()),
    }


def _by_font(outcome: FontOutcome, defects: set[Defect]) -> Figures:
    fails = [one for one in outcome.clean.glyphs if one.status is Status.FAIL]
    return {
        "font": outcome.font.title,
        "file": outcome.font.file,
        "sha256": outcome.font.sha256,
        "kind": outcome.font.kind,
        "glyphs": len(outcome.clean.glyphs),
        "skipped": sum(one.status is Status.SKIP for one in outcome.clean.glyphs),
        "false_fails": sum(not is_defect(outcome, one, defects) for one in fails),
        "true_defects": sum(is_defect(outcome, one, defects) for one in fails),
        "warns": sum(one.status is Status.WARN for one in outcome.clean.glyphs),
        "decorative_copies": sum(judged.decorative for judged, _ in outcome.copies),
        "faults": len(outcome.faults),
        "found": sum(fault.found for fault in outcome.faults),
    }
