"""A font's score as linters ask for it: check by check, a status and what it is about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from glyphs.characters import code
from scoring.verdicts import CHECKS, FaceScore, Finding, FontScore, Status, Verdict


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check says of a font.

    summary: a sentence
    items: the glyphs or faces that it is about, each with its finding
    """

    status: Status
    summary: str
    items: tuple[str, ...] = ()


def outcomes(score: FontScore, check: str, face: int | None = None) -> list[Outcome]:
    """The outcomes of a check, worst first, one a status.

    face: the member of a collection to tell of; None for the whole file
    """
    if of_file := [finding for finding in score.findings if not finding.accepted]:
        told = [Outcome(finding.status, finding.message) for finding in of_file if finding.check == check]
        return told or [Outcome(Status.SKIP, "The file cannot be scored.")]
    faces = [of for of in score.faces if face in (None, of.face)]
    found = [(finding, text) for of in faces for finding, text in _found(of, named=len(faces) > 1)]
    told = []
    for status in sorted(Status, key=lambda status: -status.severity):
        items = tuple(text for finding, text in found if (finding.check, finding.status) == (check, status))
        if items:
            told.append(Outcome(status, f"{CHECKS[check].title}: {len(items)} found.", items))
    if told:
        return told
    judged = sum(not verdict.skipped for of in faces for verdict in of.glyphs)
    if not judged:
        return [Outcome(Status.SKIP, "It has no glyph that the model knows.")]
    return [Outcome(Status.PASS, f"Nothing found in {judged} glyphs.")]


def _found(face: FaceScore, *, named: bool) -> Iterator[tuple[Finding, str]]:
    """Findings that were not accepted, each with a line; named: the line says which face."""
    prefix = f"{face.family} {face.style}, " if named else ""
    for finding in face.findings:
        if not finding.accepted:
            yield finding, f"{prefix}the face: {finding.message}"
    for verdict in face.glyphs:
        for finding in verdict.findings:
            if not finding.accepted:
                yield finding, f"{prefix}{_named(verdict)}: {finding.message}"


def _named(verdict: Verdict) -> str:
    form = f" {verdict.form}" if verdict.form.joined else ""
    character = verdict.label.character
    return f"{code(verdict.codepoint)} {character.name}{form} (glyph {verdict.glyph})"
