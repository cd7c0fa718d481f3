"""A comparison of two versions of a font, for people: Markdown, and a page with before and after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from glyphs.characters import code
from scoring.compare import Change, Comparison, GlyphChange
from scoring.reports.drawing import Outlines, Portrait, portrait
from scoring.reports.markdown import BADGES, COMMENT_LIMIT, fitting
from scoring.reports.page import write_page
from scoring.reports.text import file_name, markdown, markdown_code, named
from scoring.verdicts import FaceScore, Finding, FontScore, Verdict, check_title

TITLES: Mapping[Change, str] = {
    Change.BROKEN: "Broken", Change.FIXED: "Fixed", Change.NEW: "New glyphs",
    Change.REMOVED: "Removed glyphs", Change.REDRAWN: "Redrawn",
}  # fmt: skip
MAX_SHOWN = 1_000  # glyphs of a face and a kind of change on the page; broken ones are shown all


def comparison_markdown(comparison: Comparison, *, glyphs: int = 50, limit: int = COMMENT_LIMIT) -> str:
    """The comparison in GitHub Markdown.

    glyphs: rows of a face; limit: characters in all
    """
    old, new = comparison.old, comparison.new
    counts = ", ".join(f"{count:,} {change}" for change, count in comparison.counts().items() if count)
    parts = [
        f"## Glyphery: {markdown_code(file_name(new.font))} compared\n\n",
        f"{_version(old)} → {_version(new)}\n\n",
        f"Glyphs: {counts or 'nothing changed'}.\n\n",
        *_whole_lines(comparison.appeared, comparison.gone),
    ]
    for face in comparison.faces:
        whole = _whole_lines(face.appeared, face.gone)
        if not face.changes and not whole:
            continue
        parts += [f"\n### {markdown(face.face.family)} {markdown(face.face.style)}\n\n", *whole]
        if face.changes:
            parts.append("| Change | Glyph | Before | After |\n|---|---|---|---|\n")
            parts += [_row(one) for one in face.changes[:glyphs]]
            if len(face.changes) > glyphs:
                parts.append(f"\n… and {len(face.changes) - glyphs:,} more.\n")
    return fitting(limit, parts)


def write_comparison_page(
    path: Path, comparison: Comparison, *, made_with: Mapping[str, Any] | None = None
) -> None:
    """Write the page; it needs nothing beside it, as a font's page does."""
    versions = [
        verdict.path
        for face in comparison.faces
        for some in _shown(face.changes).values()
        for one in some
        for verdict in (one.old, one.new)
        if verdict
    ]
    outlines = Outlines(versions)
    faces = [
        {
            "face": face.face,
            "appeared": face.appeared,
            "gone": face.gone,
            "total": {change: _count(face.changes, change) for change in Change},
            "changes": {
                change: [_pair(one, face.old, face.new, outlines) for one in some]
                for change, some in _shown(face.changes).items()
            },
        }
        for face in comparison.faces
    ]
    write_page(
        path, "comparison.html.j2", comparison=comparison, faces=faces, titles=TITLES,
        outlines=outlines.shared, made_with=made_with or {},
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Side:
    """A glyph in one version."""

    verdict: Verdict
    drawing: Markup
    portrait: Portrait


@dataclass(frozen=True, slots=True)
class Pair:
    """A glyph in both, or in one."""

    name: str
    code: str
    old: Side | None
    new: Side | None


def _shown(changes: tuple[GlyphChange, ...]) -> dict[Change, list[GlyphChange]]:
    by_change = {change: [one for one in changes if one.change == change] for change in Change}
    return {
        change: some if change == Change.BROKEN else some[:MAX_SHOWN]
        for change, some in by_change.items()
        if some
    }


def _count(changes: tuple[GlyphChange, ...], change: Change) -> int:
    return sum(one.change == change for one in changes)


def _pair(one: GlyphChange, old: FaceScore | None, new: FaceScore | None, outlines: Outlines) -> Pair:
    return Pair(
        named(one.verdict.label),
        code(one.verdict.codepoint),
        _side(one.old, old, outlines),
        _side(one.new, new, outlines),
    )


def _side(verdict: Verdict | None, face: FaceScore | None, outlines: Outlines) -> Side | None:
    if verdict is None or face is None:
        return None
    return Side(verdict, outlines.draw(verdict.path), portrait(verdict, face.units_per_em))


def _whole_lines(appeared: tuple[Finding, ...], gone: tuple[Finding, ...]) -> list[str]:
    told = [("New", finding) for finding in appeared] + [("Gone", finding) for finding in gone]
    return [
        f"- {word}: {BADGES[one.status]} {markdown(check_title(one.check))}: {markdown(one.message)}\n"
        for word, one in told
    ]


def _version(score: FontScore) -> str:
    return f"{markdown_code(score.font)} {BADGES[score.status]}"


def _row(one: GlyphChange) -> str:
    glyph = f"{markdown_code(code(one.verdict.codepoint))} {markdown(named(one.verdict.label))}"
    glyph += f"<br>{markdown_code(one.verdict.glyph)}"
    return f"| {one.change} | {glyph} | {_cell(one.old)} | {_cell(one.new)} |\n"


def _cell(verdict: Verdict | None) -> str:
    if verdict is None:
        return "–"
    principal = verdict.principal
    return BADGES[verdict.status] + (f" {markdown(principal.message)}" if principal else "")
