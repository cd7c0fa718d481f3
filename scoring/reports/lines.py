"""One line a glyph, for programs: JSON Lines (https://jsonlines.org) and CSV (RFC 4180).

A file or a face as a whole has a line for each of its findings, with what does not apply left empty.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scoring.reports.report import DraftReport
from scoring.verdicts import FaceScore, Finding, FontScore, Status, file_record, record

# The columns of the CSV: those of a line that are one value, and the likeliest labels as text.
COLUMNS = (
    "font", "face", "instance", "family", "style", "glyph", "glyph_index", "codepoint", "character", "name",
    "form", "label", "status", "check", "message", "probability", "rank", "margin", "likeness", "top",
    "equivalents", "sha256",
)  # fmt: skip
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def records(score: FontScore) -> Iterator[dict[str, Any]]:
    """Every line of a font: its own findings, then face by face the face's and its glyphs'."""
    for finding in score.findings:
        yield _of_a_whole(score, finding)
    for face in score.faces:
        for finding in face.findings:
            yield _of_a_whole(score, finding) | _identity(face)
        for verdict in face.glyphs:
            yield record(score, face, verdict)


def json_line(values: dict[str, Any]) -> str:
    """One line of JSON with its end; equal records give equal lines."""
    return _ENCODER.encode(values) + "\n"


class JsonLines(DraftReport):
    """`report.jsonl`: every record as a line of JSON."""

    def add(self, score: FontScore) -> None:
        self._draft.text.writelines(map(json_line, records(score)))


class Csv(DraftReport):
    """The same as a table: a header, then a row a record.

    Values are written as they are. A spreadsheet that is told to may take a name such as `=1+1` for a
    formula; programs would take an escape for part of the name.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, newline="")
        self._rows = csv.DictWriter(self._draft.text, COLUMNS, extrasaction="ignore", lineterminator="\r\n")
        self._rows.writeheader()

    def add(self, score: FontScore) -> None:
        for values in records(score):
            top = " ".join(f"{guess['label']}:{guess['probability']:.4f}" for guess in values["top"])
            self._rows.writerow(values | {"top": top, "equivalents": " ".join(values["equivalents"])})


def _of_a_whole(score: FontScore, finding: Finding) -> dict[str, Any]:
    values = file_record(score, finding)
    return values | {"status": str(Status.PASS)} if finding.accepted else values


def _identity(face: FaceScore) -> dict[str, Any]:
    return {"face": face.face, "instance": face.instance, "family": face.family, "style": face.style}
