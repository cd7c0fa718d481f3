"""What glyphs of fonts were identified as, written down: JSON Lines and CSV.

Faces are as `IdentifiedFace.to_dict` has them, whoever identified them.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from glyphs.folders import written
from scoring.reports.lines import json_line
from scoring.reports.report import DraftFile

Face = Mapping[str, Any]
COLUMNS = (
    "font", "face", "family", "style", "glyph", "name", "mapped", "advance", "known", "label", "codepoint",
    "character", "form", "probability", "top", "reason",
)  # fmt: skip
SUFFIXES = ".jsonl", ".ndjson", ".csv"


def records(font: str, faces: Sequence[Face]) -> Iterator[dict[str, Any]]:
    """A line a glyph."""
    for face in faces:
        where = {"font": font, **{key: face[key] for key in ("face", "family", "style")}}
        for glyph in face["glyphs"]:
            yield where | glyph


class Lines(DraftFile):
    """A file with a line a glyph, of any number of fonts: JSON Lines, or CSV where its suffix says so.

    Raises:
        BadInput: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, newline="")
        self._path, self._rows = path, None
        if path.suffix.lower() == ".csv":
            self._rows = csv.DictWriter(self._draft.text, COLUMNS, extrasaction="ignore")
            self._rows.writeheader()

    def add(self, font: str, faces: Sequence[Face]) -> None:
        """Raises BadInput where no more can be written; of a full disk an OSError."""
        with written(self._path):
            for line in records(font, faces):
                if self._rows is None:
                    self._draft.text.write(json_line(line))
                else:
                    self._rows.writerow(_row(line))


def _row(line: dict[str, Any]) -> dict[str, Any]:
    predictions = line["predictions"]
    top = " ".join(f"{guess['label']}:{guess['probability']:.4f}" for guess in predictions)
    best = predictions[0] if predictions else {}
    return line | best | {"name": line["name"], "mapped": " ".join(line["mapped"]), "top": top}
