"""Counting verdicts, and putting the worst first."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from scoring.verdicts import CHECKS, PROBLEMS, FaceScore, Finding, FontScore, Status, Verdict


@dataclass(slots=True)
class Tally:
    """Sums over some fonts, taken one by one.

    fonts: by status; glyphs: by status; checks: open findings of glyphs, faces and files by check
    accepted: findings that an allow-list knows
    """

    fonts: Counter[Status] = field(default_factory=Counter)
    glyphs: Counter[Status] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)
    accepted: int = 0

    @classmethod
    def of(cls, score: FontScore) -> Tally:
        """The sums of one font."""
        tally = cls()
        tally.add(score)
        return tally

    def add(self, score: FontScore) -> None:
        """Count a font."""
        self.fonts[score.status] += 1
        for face in score.faces:
            self.glyphs.update(verdict.status for verdict in face.glyphs)
        for finding in findings(score):
            if finding.accepted:
                self.accepted += 1
            elif finding.is_open:
                self.checks[finding.check] += 1

    def to_dict(self) -> dict[str, Any]:
        """JSON: every status, and the checks that found something, in the order of CHECKS."""
        return {
            "fonts": by_status(self.fonts),
            "glyphs": by_status(self.glyphs),
            "checks": dict(sorted(self.checks.items(), key=lambda item: check_order(item[0]))),
            "accepted": self.accepted,
        }


def by_status(counts: Counter[Status] | dict[Status, int]) -> dict[str, int]:
    """Counts of every status, zeros among them, best first."""
    return {str(status): counts.get(status, 0) for status in Status}


def check_order(check: str) -> int:
    """A check's place in CHECKS; unknown ones come last."""
    return list(CHECKS).index(check) if check in CHECKS else len(CHECKS)


def findings(score: FontScore) -> Iterator[Finding]:
    """Everything found of a font: of the file, its faces and their glyphs."""
    yield from score.findings
    for face in score.faces:
        yield from face.findings
        for verdict in face.glyphs:
            yield from verdict.findings


def worst_first(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Most severe first; among equals, the wider the margin of the wrong character the earlier."""
    return sorted(verdicts, key=_badness)


def suspects(face: FaceScore) -> list[Verdict]:
    """The glyphs that somebody should look at, worst first."""
    return worst_first(verdict for verdict in face.glyphs if verdict.status in PROBLEMS)


def _badness(verdict: Verdict) -> tuple[int, float, int, int]:
    principal = verdict.principal
    margin = verdict.margin if verdict.margin is not None else -math.inf
    order = check_order(principal.check) if principal else len(CHECKS)
    return -verdict.status.severity, -margin, order, verdict.codepoint
