"""`summary.json`: what a program that decides, or a person in a hurry, wants to know of many fonts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from glyphs.characters import code
from recognition.bundle import Bundle
from scoring.judge import Thresholds
from scoring.reports.report import DraftReport
from scoring.reports.tally import Tally, by_status, suspects
from scoring.verdicts import FaceScore, FontScore, Verdict

FORMAT = 1  # goes up when a reader of the file would have to change
_WORST = 10  # verdicts told of a font


class Summary(DraftReport):
    """An object of `format`, `made_with`, `fonts` (one a line, as they came), `status` and `totals`."""

    def __init__(self, path: Path, made_with: Mapping[str, Any]) -> None:
        """made_with: what made the scores, as `made_with` tells it"""
        super().__init__(path)
        self._totals = Tally()
        self._between = "\n"
        header = json.dumps({"format": FORMAT, "made_with": dict(made_with)}, ensure_ascii=False)
        self._draft.text.write(f'{header[:-1]}, "fonts": [')

    def add(self, score: FontScore) -> None:
        self._totals.add(score)
        self._draft.text.write(self._between + json.dumps(summarise(score), ensure_ascii=False))
        self._between = ",\n"

    def close(self) -> None:
        worst = max(self._totals.fonts, key=lambda status: status.severity, default=None)
        tail = {"status": worst and str(worst), "totals": self._totals.to_dict()}
        self._draft.text.write(f"\n], {json.dumps(tail)[1:]}\n")
        super().close()


def made_with(bundle: Bundle, thresholds: Thresholds) -> dict[str, Any]:
    """What made scores, as reports tell it."""
    return {
        "glyphery": version("glyphery"),
        "model": bundle.manifest.name,
        "version": bundle.manifest.version,
        "digest": bundle.digest,
        "thresholds": asdict(thresholds),
    }


def summarise(score: FontScore) -> dict[str, Any]:
    """One font in short: status, counts, faces, findings, and its worst verdicts."""
    tally = Tally.of(score).to_dict()
    worst = sorted(  # stable: among equals, a face's worst stay in their order
        [(face, verdict) for face in score.faces for verdict in suspects(face)[:_WORST]],
        key=lambda found: -found[1].status.severity,
    )[:_WORST]
    return {
        "font": score.font,
        "sha256": score.sha256,
        "status": str(score.status),
        "glyphs": tally["glyphs"],
        "checks": tally["checks"],
        "accepted": tally["accepted"],
        "findings": [asdict(finding) for finding in score.findings],
        "faces": [
            {
                "face": face.face,
                "instance": face.instance,
                "family": face.family,
                "style": face.style,
                "status": str(face.status),
                "glyphs": by_status(face.counts()),
                "findings": [asdict(finding) for finding in face.findings],
            }
            for face in score.faces
        ],
        "worst": [_in_short(face, verdict) for face, verdict in worst],
    }


def _in_short(face: FaceScore, verdict: Verdict) -> dict[str, Any]:
    principal = verdict.principal
    return {
        "face": face.face,
        "instance": face.instance,
        "codepoint": code(verdict.codepoint),
        "name": verdict.label.character.name,
        "glyph": verdict.glyph,
        "label": str(verdict.label),
        "status": str(verdict.status),
        "check": principal.check if principal else None,
        "message": principal.message if principal else None,
        "margin": verdict.margin,
        "looks_like": str(verdict.top[0].label) if verdict.top else None,
    }
