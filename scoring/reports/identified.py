"""What glyphs of fonts were identified as, written down: JSON Lines, CSV, and CMaps for documents.

Faces are as `IdentifiedFace.to_dict` has them, whoever identified them.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from glyphs.folders import written
from scoring.identify import NO_INK
from scoring.reports.lines import json_line
from scoring.reports.report import DraftFile

Face = Mapping[str, Any]
COLUMNS = (
    "font", "face", "family", "style", "glyph", "name", "mapped", "known", "label", "codepoint", "character",
    "form", "probability", "top", "reason",
)  # fmt: skip
SUFFIXES = ".jsonl", ".ndjson", ".csv", ".cmap"
_LIGATURES = re.compile("[\ufb00-\ufdff\ufe70-\ufefc]")  # presentation forms of letters
_BLOCK = 100  # entries of a block in a CMap: no more are allowed
_HEAD = """\
/CIDInit /ProcSet findresource begin
12 dict begin
begincmap
/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def
/CMapName /Adobe-Identity-UCS def
/CMapType 2 def
1 begincodespacerange
<0000> <FFFF>
endcodespacerange
"""
_FOOT = """\
endcmap
CMapName currentdict /CMap defineresource pop
end
end
"""


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


def to_unicode(face: Face) -> str:
    """A ToUnicode CMap from the face's glyph indices to text (ISO 32000-1, 9.10.3): what a PDF needs beside
    a font that is used with Identity-H, so that its text can be searched and copied.

    Glyphs that look like nothing that was learned are left out; of a joining form it has the letter, of a
    ligature the letters, and what has no ink is a space.
    """
    pairs = [
        (glyph["glyph"], " " if glyph["reason"] == NO_INK else glyph["predictions"][0]["character"])
        for glyph in face["glyphs"]
        if (glyph["known"] or glyph["reason"] == NO_INK) and glyph["glyph"] <= 0xFFFF
    ]
    blocks = [
        f"{len(some)} beginbfchar\n"
        + "".join(f"<{index:04X}> <{_utf_16(character)}>\n" for index, character in some)
        + "endbfchar\n"
        for some in (pairs[first : first + _BLOCK] for first in range(0, len(pairs), _BLOCK))
    ]
    return "".join([_HEAD, *blocks, _FOOT])


def _utf_16(character: str) -> str:
    """A text's bytes; Latin, Hebrew and Arabic ligatures as the letters that are looked for."""
    if _LIGATURES.fullmatch(character):
        character = unicodedata.normalize("NFKC", character)
    return character.encode("utf-16-be").hex().upper()


def _row(line: dict[str, Any]) -> dict[str, Any]:
    predictions = line["predictions"]
    top = " ".join(f"{guess['label']}:{guess['probability']:.4f}" for guess in predictions)
    best = predictions[0] if predictions else {}
    return line | best | {"name": line["name"], "mapped": " ".join(line["mapped"]), "top": top}
