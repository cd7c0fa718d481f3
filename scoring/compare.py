"""Two versions of a font: what was mended, what was broken, what came, went and was drawn anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from glyphs.characters import code
from glyphs.labels import Label
from scoring.verdicts import PROBLEMS, FaceScore, Finding, FontScore, Status, Verdict, worst

_TOLERANCE = 0.002  # em: what rounding to another number of units per em may move


class Change(StrEnum):
    """What became of a glyph; the first that applies, and none where nothing did."""

    BROKEN = "broken"  # a WARN, FAIL or ERROR that is worse than it was
    FIXED = "fixed"  # was one, and is better
    NEW = "new"
    REMOVED = "removed"
    REDRAWN = "redrawn"  # another outline or advance, no other status


@dataclass(frozen=True, slots=True, kw_only=True)
class GlyphChange:
    """A glyph that is not as it was; old is None for a new one, new for a removed one."""

    change: Change
    old: Verdict | None
    new: Verdict | None

    @property
    def verdict(self) -> Verdict:
        """The newer there is."""
        verdict = self.new or self.old
        assert verdict is not None
        return verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceChange:
    """A face of both versions, or of one; then the other is None, and all its glyphs came or went.

    appeared, gone: open findings of the face as a whole
    """

    old: FaceScore | None
    new: FaceScore | None
    changes: tuple[GlyphChange, ...]
    appeared: tuple[Finding, ...] = ()
    gone: tuple[Finding, ...] = ()

    @property
    def face(self) -> FaceScore:
        """The newer there is."""
        face = self.new or self.old
        assert face is not None
        return face


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All that changed between two scores."""

    old: FontScore
    new: FontScore
    faces: tuple[FaceChange, ...]
    appeared: tuple[Finding, ...] = ()
    gone: tuple[Finding, ...] = ()

    def counts(self) -> dict[Change, int]:
        """Glyphs by what became of them."""
        found = Counter(one.change for face in self.faces for one in face.changes)
        return {change: found[change] for change in Change}

    @property
    def status(self) -> Status:
        """The worst that the new version brings: of broken and new glyphs, and findings that appeared."""
        brought = [
            one.new.status
            for face in self.faces
            for one in face.changes
            if one.new is not None and one.change in (Change.BROKEN, Change.NEW)
        ]
        appeared = [*self.appeared, *(finding for face in self.faces for finding in face.appeared)]
        return worst([*brought, *(finding.status for finding in appeared)])

    def to_dict(self) -> dict[str, Any]:
        """JSON: glyphs in short; their full records are in the scores."""
        return {
            "old": {"font": self.old.font, "sha256": self.old.sha256, "status": str(self.old.status)},
            "new": {"font": self.new.font, "sha256": self.new.sha256, "status": str(self.new.status)},
            "status": str(self.status),
            "counts": {str(change): count for change, count in self.counts().items()},
            "appeared": [asdict(finding) for finding in self.appeared],
            "gone": [asdict(finding) for finding in self.gone],
            "faces": [
                {
                    "family": face.face.family,
                    "style": face.face.style,
                    "old": face.old and str(face.old.status),
                    "new": face.new and str(face.new.status),
                    "appeared": [asdict(finding) for finding in face.appeared],
                    "gone": [asdict(finding) for finding in face.gone],
                    "changes": [_glyph_dict(one) for one in face.changes],
                }
                for face in self.faces
            ],
        }


def compare(old: FontScore, new: FontScore) -> Comparison:
    """Compare two versions of a font.

    Faces are matched by family and style, those that are left by position; glyphs by code point and
    joining form. Between different numbers of units per em outlines are compared by their metrics.
    """
    appeared, gone = _findings(old.findings, new.findings)
    faces = tuple(_face(before, after) for before, after in _pairs(old.faces, new.faces))
    return Comparison(old=old, new=new, faces=faces, appeared=appeared, gone=gone)


def _pairs(
    old: Sequence[FaceScore], new: Sequence[FaceScore]
) -> Iterator[tuple[FaceScore | None, FaceScore | None]]:
    """Every face once, in the order of the new version; what was removed comes last."""
    left = list(old)
    partners: list[FaceScore | None] = []
    for face in new:
        same = (one for one in left if (one.family, one.style) == (face.family, face.style))
        partner = next(same, None)
        if partner is not None:
            left = [one for one in left if one is not partner]
        partners.append(partner)
    for face, partner in zip(new, partners, strict=True):
        yield partner if partner is not None else (left.pop(0) if left else None), face
    for face in left:
        yield face, None


def _face(old: FaceScore | None, new: FaceScore | None) -> FaceChange:
    before = _by_claim(old)
    after = _by_claim(new)
    rescaled = old is not None and new is not None and old.units_per_em != new.units_per_em
    changes = [
        GlyphChange(change=change, old=before.get(claim), new=after.get(claim))
        for claim in sorted(before.keys() | after.keys())
        if (change := _change(before.get(claim), after.get(claim), rescaled)) is not None
    ]
    changes.sort(key=_order)
    appeared, gone = _findings(old.findings if old else (), new.findings if new else ())
    return FaceChange(old=old, new=new, changes=tuple(changes), appeared=appeared, gone=gone)


def _by_claim(face: FaceScore | None) -> dict[tuple[int, Label], Verdict]:
    return {(verdict.codepoint, verdict.label): verdict for verdict in face.glyphs} if face else {}


def _change(old: Verdict | None, new: Verdict | None, rescaled: bool) -> Change | None:
    if old is None or new is None:
        return Change.NEW if old is None else Change.REMOVED
    before, after = _trouble(old), _trouble(new)
    if after != before:
        return Change.BROKEN if after > before else Change.FIXED
    return Change.REDRAWN if _looks_changed(old, new, rescaled) else None


def _trouble(verdict: Verdict) -> int:
    """Severity of a problem; 0 for PASS and for SKIP, between which nothing is mended or broken."""
    return verdict.status.severity if verdict.status in PROBLEMS else 0


def _looks_changed(old: Verdict, new: Verdict, rescaled: bool) -> bool:
    if not rescaled and old.path != new.path:
        return True
    if old.metrics is None or new.metrics is None:
        return old.metrics is not new.metrics
    return any(abs(a - b) > _TOLERANCE for a, b in zip(old.metrics, new.metrics, strict=True))


def _findings(
    old: Sequence[Finding], new: Sequence[Finding]
) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    """Open problems that appeared and that are gone; one with another message is the same.

    An error of the new version has always appeared: what it hides was not compared, whatever the old one was.
    """
    before, after = ([one for one in some if one.is_open] for some in (old, new))
    known, found = ({(one.check, one.status) for one in some} for some in (before, after))
    return (
        tuple(one for one in after if one.status is Status.ERROR or (one.check, one.status) not in known),
        tuple(one for one in before if (one.check, one.status) not in found),
    )


def _order(one: GlyphChange) -> tuple[int, int, int]:
    """By kind of change, then worst first, then by code point (the sort is stable)."""
    return list(Change).index(one.change), -one.verdict.status.severity, one.verdict.codepoint


def _glyph_dict(one: GlyphChange) -> dict[str, Any]:
    verdict = one.verdict
    return {
        "change": str(one.change),
        "codepoint": code(verdict.codepoint),
        "name": verdict.label.character.name,
        "label": str(verdict.label),
        "glyph": verdict.glyph,
        "old": _verdict_dict(one.old),
        "new": _verdict_dict(one.new),
    }


def _verdict_dict(verdict: Verdict | None) -> dict[str, Any] | None:
    if verdict is None:
        return None
    principal = verdict.principal
    return {
        "glyph": verdict.glyph,
        "status": str(verdict.status),
        "check": principal.check if principal else None,
        "message": principal.message if principal else None,
        "probability": verdict.probability,
        "margin": verdict.margin,
    }
