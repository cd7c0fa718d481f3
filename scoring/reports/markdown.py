"""A report in GitHub Markdown: a comment on a pull request, or a job's `$GITHUB_STEP_SUMMARY`."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from glyphs.characters import code
from scoring.reports.report import DraftReport
from scoring.reports.tally import Tally, suspects
from scoring.reports.text import file_name, markdown, markdown_code, named
from scoring.verdicts import PROBLEMS, FaceScore, Finding, FontScore, Status, Verdict, check_title

BADGES = {
    Status.PASS: "✅ PASS", Status.SKIP: "⏩ SKIP", Status.WARN: "⚠️ WARN", Status.FAIL: "🔥 FAIL",
    Status.ERROR: "💥 ERROR",
}  # fmt: skip
COMMENT_LIMIT = 60_000  # characters; GitHub's own is 65,536 for a comment, and 1 MiB for a job's summary


@dataclass(frozen=True, slots=True, order=True)
class _Font:
    """What is kept of a font: its row and its findings' rows, in Markdown. Orders from best to worst.

    rank: severity, then how many glyphs have it, then minus the font's number: earlier ones are worse
    """

    rank: tuple[int, int, int]
    heading: str = field(compare=False)
    row: str = field(compare=False)
    findings: tuple[str, ...] = field(compare=False)
    more: int = field(compare=False)


class Markdown(DraftReport):
    """One table of the fonts, worst first, and one of findings for each that has problems."""

    def __init__(
        self, path: Path, *, fonts: int = 100, findings: int = 20, limit: int = COMMENT_LIMIT
    ) -> None:
        """fonts, findings: the most that are told, of each font; limit: characters in all"""
        super().__init__(path)
        self._totals = Tally()
        self._fonts, self._findings, self._limit = fonts, findings, limit
        self._kept: list[_Font] = []  # a heap, its best font first

    def add(self, score: FontScore) -> None:
        self._totals.add(score)
        font = _font(score, self._totals.fonts.total(), self._findings)
        heapq.heappush(self._kept, font)
        if len(self._kept) > self._fonts:
            heapq.heappop(self._kept)

    def close(self) -> None:
        self._draft.text.write(fitting(self._limit, self._parts()))
        super().close()

    def _parts(self) -> Iterator[str]:
        totals = self._totals
        fonts = totals.fonts.total()
        problems = sum(totals.fonts[status] for status in PROBLEMS)
        yield f"## Glyphery: {_problems(problems, fonts)}\n\n"
        glyphs = ", ".join(f"{totals.glyphs[s]:,} {s}" for s in Status if totals.glyphs[s]) or "none"
        accepted = f" {totals.accepted:,} known findings were accepted." if totals.accepted else ""
        yield f"Glyphs: {glyphs}.{accepted}\n\n"
        kept = sorted(self._kept, reverse=True)
        if kept:
            yield f"| Font | Status | {' | '.join(Status)} |\n|---|---{'|--:' * len(Status)}|\n"
            for font in kept:
                yield font.row
            if fonts > len(kept):
                yield f"\n… and {fonts - len(kept):,} more fonts, none of them worse.\n"
        for font in kept:
            if font.findings:
                yield (
                    f"\n### {font.heading}\n\n| Status | Glyph | Check | Finding |\n|---|---|---|---|\n"
                    + "".join(font.findings)
                    + (f"\n… and {font.more:,} more.\n" if font.more else "")
                )


def _font(score: FontScore, number: int, limit: int) -> _Font:
    counts = score.counts()
    rows = [_whole_row(finding, "the file") for finding in score.findings if finding.is_open]
    found: list[tuple[FaceScore, Verdict]] = []
    for face in score.faces:
        rows += [_whole_row(finding, face.name) for finding in face.findings if finding.is_open]
        found += [(face, verdict) for verdict in suspects(face)]
    found.sort(key=lambda pair: -pair[1].status.severity)
    total = len(rows) + len(found)
    several = len(score.faces) > 1
    rows += [_glyph_row(verdict, face.name if several else "") for face, verdict in found[:limit]]
    numbers = " | ".join(f"{counts[status]:,}" for status in Status)
    return _Font(
        (score.status.severity, counts[score.status], -number),
        f"{BADGES[score.status]} {markdown_code(file_name(score.font))}",
        f"| {markdown_code(score.font)} | {BADGES[score.status]} | {numbers} |\n",
        tuple(rows[:limit]),
        max(0, total - limit),
    )


def _whole_row(finding: Finding, of: str) -> str:
    return _row(finding.status, f"<em>{markdown(of)}</em>", finding.check, finding.message)


def _glyph_row(verdict: Verdict, face: str) -> str:
    name = f"{markdown_code(code(verdict.codepoint))} {markdown(named(verdict.label))}"
    glyph = f"{name}<br>{markdown_code(verdict.glyph)}" + (f" of <em>{markdown(face)}</em>" if face else "")
    principal = verdict.principal
    return _row(verdict.status, glyph, principal.check, principal.message) if principal else ""


def _row(status: Status, glyph: str, check: str, message: str) -> str:
    return f"| {BADGES[status]} | {glyph} | {markdown(check_title(check))} | {markdown(message)} |\n"


def _problems(problems: int, fonts: int) -> str:
    if not fonts:
        return "no fonts"
    what = "1 font" if fonts == 1 else f"{fonts:,} fonts"
    return f"{problems:,} of {what} with problems" if problems else f"{what}, no problems"


def fitting(limit: int, parts: Iterable[str]) -> str:
    """As many whole parts as fit, and a line that says so where some do not."""
    note = "\n… and more than fits here: see the other reports.\n"
    text = ""
    for part in parts:
        if len(text) + len(part) > limit - len(note):
            return text + note
        text += part
    return text
