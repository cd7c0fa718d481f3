"""What is said of a font: findings of checks, a verdict for every glyph, a score for every face and file.

Statuses and their order are fontbakery's, so that exit codes and badges mean what its users expect.
Everything here is a plain record that goes into JSON and comes back equal; files of results,
reports, jobs and engines on other machines all exchange these.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from glyphs.characters import code
from glyphs.errors import BadInput
from glyphs.labels import Form, Label


class Status(StrEnum):
    """In fontbakery's order: SKIP weighs less than PASS, and ERROR says that the tool itself failed."""

    SKIP = "SKIP"
    PASS = "PASS"
    WARN = "WARN"
    FAIL = "FAIL"
    ERROR = "ERROR"

    @property
    def severity(self) -> int:
        """0 for SKIP to 4 for ERROR."""
        return _SEVERITIES[self]


PROBLEMS = frozenset({Status.WARN, Status.FAIL, Status.ERROR})
_SEVERITIES = {status: severity for severity, status in enumerate(Status)}


def worst(statuses: Iterable[Status], default: Status = Status.PASS) -> Status:
    """The most severe of some statuses."""
    return max(set(statuses), key=lambda status: status.severity, default=default)


@dataclass(frozen=True, slots=True)
class Check:
    """One question asked of a font.

    severity: the worst status it gives
    """

    id: str
    title: str
    rationale: str
    severity: Status


CHECKS: Mapping[str, Check] = {
    check.id: check
    for check in (
        Check(
            "identity", "The glyph shows another character",
            "Text set in the font would read wrongly, and no check of tables would notice. The picture is "
            "recognised as another character with a wide margin, and does not look like its own.",
            Status.FAIL,
        ),
        Check(
            "swapped", "Two glyphs stand in each other's places",
            "Each of two glyphs is recognised as the other's character: usually two lines of a mapping "
            "exchanged.",
            Status.FAIL,
        ),
        Check(
            "positional-form", "A joining form is missing or another form's",
            "A letter of a joining script that shows its isolated or another form inside a word breaks the "
            "word.",
            Status.FAIL,
        ),
        Check(
            "dots", "The right skeleton with the wrong dots or marks",
            "Letters that differ by a dot or an accent are different letters: the glyph is recognised as "
            "one with the same body and other marks.",
            Status.FAIL,
        ),
        Check(
            "mirrored", "The glyph is a mirror image",
            "The glyph is not like its character, but its reflection is: a contour was flipped, or a paired "
            "character drawn from its partner.",
            Status.FAIL,
        ),
        Check(
            "empty", "Ink is missing, or is where none should be",
            "A mapped letter without a contour is worse than one that is not mapped: no fallback font takes "
            "its place. A space with ink prints something where nothing was written.",
            Status.FAIL,
        ),
        Check(
            "notdef", "The glyph is the missing-glyph box",
            "The character is mapped, so that no fallback font is asked, but it shows the box that stands "
            "for missing glyphs.",
            Status.FAIL,
        ),
        Check(
            "duplicate", "Characters that should differ have one outline",
            "Identical outlines for characters that do not look alike in other fonts are usually a copy that "
            "was never edited.",
            Status.WARN,
        ),
        Check(
            "unknown", "The glyph is like nothing that is known",
            "Neither its own character nor another is recognised: a drawing that went wrong, or a design "
            "beyond what the model has seen. Skipped for characters the model never learned.",
            Status.FAIL,
        ),
        Check(
            "decorative", "The face is beyond what can be judged glyph by glyph",
            "Where a good part of a face's glyphs is not recognised, it is a decorative, symbol or wrongly "
            "encoded face: one warning says so instead of a thousand failures.",
            Status.WARN,
        ),
        Check(
            "readable", "The file cannot be read within the limits",
            "A file that is no font, is broken, or asks for more memory, time or glyphs than it may have "
            "cannot be scored.",
            Status.ERROR,
        ),
    )
}  # fmt: skip


def check_title(check: str) -> str:
    """What a check says; its name where it is not known."""
    return CHECKS[check].title if check in CHECKS else check


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: of a glyph or, in a face's or a file's findings, of all of it.

    accepted: an allow-list knows it; it then counts as a PASS
    """

    check: str
    status: Status
    message: str
    accepted: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it is a problem that nobody has accepted."""
        return self.status in PROBLEMS and not self.accepted


@dataclass(frozen=True, slots=True)
class Guess:
    """A label that a glyph may show, with its probability."""

    label: Label
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is said of one glyph.

    codepoint: the character that is mapped to it, perhaps a presentation form
    label: what it claims to be, presentation forms folded
    glyph, index: its name and number in the font
    probability: of the label and its equivalents, under the font prior; None where it was not recognised
    rank: how many labels that do not look the same are likelier, plus one
    margin: log-odds of the likeliest other label against this one, in nats; the greater the worse
    likeness: cosine between the glyph's embedding and what is typical of its label, -1 to 1
    top: the likeliest labels, best first
    equivalents: labels that look the same
    path: the outline as SVG path data, font units, y down, ink from the left edge at x = 0 and baseline at 0
    metrics: width, height, bottom, advance of the ink, em
    """

    codepoint: int
    label: Label
    glyph: str
    index: int
    findings: tuple[Finding, ...] = ()
    skipped: bool = False
    probability: float | None = None
    rank: int | None = None
    margin: float | None = None
    likeness: float | None = None
    top: tuple[Guess, ...] = ()
    equivalents: tuple[Label, ...] = ()
    path: str = ""
    metrics: tuple[float, float, float, float] | None = None

    @property
    def principal(self) -> Finding | None:
        """The worst finding that was not accepted; the first where several are equally bad."""
        if not self.findings:  # as of most glyphs
            return None
        open_ = [finding for finding in self.findings if not finding.accepted]
        return max(open_, key=lambda finding: finding.status.severity, default=None)

    @property
    def status(self) -> Status:
        """Of the principal finding."""
        if principal := self.principal:
            return principal.status
        return Status.SKIP if self.skipped else Status.PASS

    @property
    def form(self) -> Form:
        return self.label.form


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceScore:
    """One face: a member of a collection or a named instance (0: none) of a variable font."""

    face: int
    instance: int
    family: str
    style: str
    units_per_em: int
    findings: tuple[Finding, ...] = ()
    glyphs: tuple[Verdict, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.family} {self.style}"

    @property
    def status(self) -> Status:
        found = [finding.status for finding in self.findings if not finding.accepted]
        return worst([*found, *(verdict.status for verdict in self.glyphs)])

    def counts(self) -> dict[Status, int]:
        """Glyphs by status."""
        statuses = [verdict.status for verdict in self.glyphs]
        return {status: statuses.count(status) for status in Status}


@dataclass(frozen=True, slots=True, kw_only=True)
class FontScore:
    """One font file, named as it was given.

    sha256: of its bytes; empty where they could not be read
    findings: of the file as a whole, such as why it could not be read
    """

    font: str
    sha256: str
    findings: tuple[Finding, ...] = ()
    faces: tuple[FaceScore, ...] = ()

    @property
    def status(self) -> Status:
        found = [finding.status for finding in self.findings if not finding.accepted]
        return worst([*found, *(face.status for face in self.faces)])

    def counts(self) -> dict[Status, int]:
        """Glyphs by status, over all faces."""
        by_face = [face.counts() for face in self.faces]
        return {status: sum(counts[status] for counts in by_face) for status in Status}

    def to_json(self) -> str:
        """One line; equal scores give equal lines."""
        return json.dumps(_plain(self), ensure_ascii=False, default=_plain, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Raises BadInput where the text is no score."""
        try:
            values = json.loads(text)
            faces = tuple(_face(face) for face in values.pop("faces"))
            return cls(faces=faces, findings=_findings(values.pop("findings")), **values)
        except (ValueError, TypeError, KeyError, AttributeError, BadInput) as error:
            raise BadInput(f"Not a font's score: {error}.") from None


def record(font: FontScore, face: FaceScore, verdict: Verdict) -> dict[str, Any]:
    """A verdict as users read it: a line of `report.jsonl`."""
    principal = verdict.principal
    return {
        "font": font.font,
        "sha256": font.sha256,
        "face": face.face,
        "instance": face.instance,
        "family": face.family,
        "style": face.style,
        "glyph": verdict.glyph,
        "glyph_index": verdict.index,
        "codepoint": code(verdict.codepoint),
        "character": chr(verdict.codepoint),
        "name": verdict.label.character.name,
        "form": str(verdict.form) or None,
        "label": str(verdict.label),
        "status": str(verdict.status),
        "check": principal.check if principal else None,
        "message": principal.message if principal else None,
        "findings": [dataclasses.asdict(finding) for finding in verdict.findings],
        "probability": verdict.probability,
        "rank": verdict.rank,
        "margin": verdict.margin,
        "likeness": verdict.likeness,
        "top": [
            {"label": str(guess.label), "character": chr(guess.label.codepoint),
             "probability": guess.probability}
            for guess in verdict.top
        ],
        "equivalents": [str(label) for label in verdict.equivalents],
    }  # fmt: skip


def file_record(font: FontScore, finding: Finding) -> dict[str, Any]:
    """The line of a file that has no glyphs to speak of: the keys of `record`, most of them empty."""
    blank: dict[str, Any] = dict.fromkeys(
        ("face", "instance", "family", "style", "glyph", "glyph_index", "codepoint", "character", "name",
         "form", "label", "probability", "rank", "margin", "likeness")
    )  # fmt: skip
    return {
        "font": font.font, "sha256": font.sha256, **blank, "status": str(finding.status),
        "check": finding.check, "message": finding.message, "findings": [dataclasses.asdict(finding)],
        "top": [], "equivalents": [],
    }  # fmt: skip


def _plain(record: Any) -> dict[str, Any]:
    """A record's fields, not copied, which for thousands of glyphs takes longer than writing them."""
    return {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}


def _face(values: dict[str, Any]) -> FaceScore:
    glyphs = tuple(_verdict(verdict) for verdict in values.pop("glyphs"))
    return FaceScore(glyphs=glyphs, findings=_findings(values.pop("findings")), **values)


def _verdict(values: dict[str, Any]) -> Verdict:
    metrics = values.pop("metrics")
    return Verdict(
        label=_label(values.pop("label")),
        findings=_findings(values.pop("findings")),
        top=tuple(Guess(_label(guess["label"]), guess["probability"]) for guess in values.pop("top")),
        equivalents=tuple(map(_label, values.pop("equivalents"))),
        metrics=None if metrics is None else tuple(metrics),
        **values,
    )


def _label(values: dict[str, Any]) -> Label:
    return Label(values["codepoint"], Form(values["form"]))


def _findings(rows: list[dict[str, Any]]) -> tuple[Finding, ...]:
    return tuple(Finding(**{**row, "status": Status(row["status"])}) for row in rows)
