"""What scoring says of a font's glyphs, as the benchmark keeps it: small, and read back as it was."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import scoring
from benchmarks.fonts.subject import Entry
from glyphs.labels import Label
from scoring.verdicts import FontScore, Status

Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict without its pictures.

    top: the likeliest labels with their probabilities
    """

    codepoint: int
    label: str
    glyph: str
    index: int
    status: Status
    check: str | None
    message: str | None
    probability: float | None
    rank: int | None
    margin: float | None
    likeness: float | None
    top: tuple[tuple[str, float], ...]

    @property
    def entry(self) -> Entry:
        return Entry(self.codepoint, Label.parse(self.label))

    @property
    def arabic(self) -> bool:
        return self.entry.label.character.script == "Arab"


@dataclass(frozen=True, slots=True)
class Judged:
    """A font's judgements, and what was found of the file or face as a whole."""

    glyphs: tuple[Judgement, ...]
    findings: tuple[str, ...]

    @property
    def decorative(self) -> bool:
        return any(finding.startswith("decorative ") for finding in self.findings)

    @classmethod
    def of(cls, score: FontScore) -> Self:
        glyphs = tuple(
            Judgement(
                verdict.codepoint, str(verdict.label), verdict.glyph, verdict.index, verdict.status,
                verdict.principal.check if verdict.principal else None,
                verdict.principal.message if verdict.principal else None,
                verdict.probability, verdict.rank, verdict.margin, verdict.likeness,
                tuple((str(guess.label), guess.probability) for guess in verdict.top),
            )
            for face in score.faces
            for verdict in face.glyphs
        )  # fmt: skip
        findings = [*score.findings, *(finding for face in score.faces for finding in face.findings)]
        return cls(glyphs, tuple(f"{one.check} {one.status}: {one.message}" for one in findings))

    def to_figures(self) -> Figures:
        return asdict(self)

    @classmethod
    def from_figures(cls, figures: Figures) -> Self:
        glyphs = tuple(
            Judgement(**row | {"status": Status(row["status"]), "top": tuple((g, p) for g, p in row["top"])})
            for row in figures["glyphs"]
        )
        return cls(glyphs, tuple(figures["findings"]))


def code_digest() -> str:
    """SHA-256 of the sources of `scoring`: what was judged by other lines is judged anew."""
    folder = Path(str(scoring.__file__)).parent
    return sha256(b"".join(path.read_bytes() for path in sorted(folder.glob("*.py")))).hexdigest()
