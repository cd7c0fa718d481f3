"""A folder of pages: one for each font, and `index.html`, which lists them worst first.

The folder takes the place of an older one when all pages are in it. What is kept of a font meanwhile
is where its row lies in a temporary file.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from markupsafe import Markup

from glyphs.characters import code
from glyphs.errors import BadInput
from glyphs.folders import is_free, replacing
from scoring.reports.drawing import portrait
from scoring.reports.html import write_font_page
from scoring.reports.page import rendered, write_page
from scoring.reports.references import Reference
from scoring.reports.report import Report
from scoring.reports.tally import Tally, suspects
from scoring.reports.text import file_name, named
from scoring.verdicts import FontScore

INDEX = "index.html"
_TITLE = re.compile("<title>[0-9,]+ fonts · Glyphery</title>")  # of every index, and of nothing else
_PREVIEWS = 5  # glyphs of a font in the index
_PREVIEW_OUTLINE = 4_000  # characters of path data: a row stays small


class _Unwanted(Exception):
    pass


class Pages(Report):
    """Pages of fonts with their index."""

    def __init__(
        self,
        folder: Path,
        *,
        reference: Reference | None = None,
        made_with: Mapping[str, Any] | None = None,
    ) -> None:
        """As for `write_font_page`.

        Raises:
            BadInput: the folder holds something else.
        """
        if not is_free(folder, _holds_pages):
            raise BadInput(
                f"{folder} is there and holds no pages.", "Give a new folder, or an older report's."
            )
        self._reference, self._made_with = reference, made_with
        self._open = ExitStack()
        self._work = self._open.enter_context(replacing(folder))
        self._rows = self._open.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
        self._order: list[tuple[int, int, int, int]] = []  # -severity, -glyphs that have it, offset, length
        self._totals = Tally()
        self._names: set[str] = set()

    def add(self, score: FontScore) -> None:
        self._totals.add(score)
        page = self._name(score)
        write_font_page(
            self._work / page, score, reference=self._reference, made_with=self._made_with, index=INDEX
        )
        counts = score.counts()
        row = rendered(
            "row.html.j2", score=score, page=page, counts=counts, previews=list(_previews(score))
        ).encode(errors="backslashreplace")
        rank = -score.status.severity, -counts[score.status]
        self._order.append((*rank, self._rows.tell(), len(row)))
        self._rows.write(row)

    def close(self) -> None:
        write_page(
            self._work / INDEX, "index.html.j2", tally=self._totals, rows=self._sorted_rows(),
            made_with=self._made_with or {},
        )  # fmt: skip
        self._open.close()

    def discard(self) -> None:
        with suppress(_Unwanted), self._open:  # what is still open sees an error, and leaves nothing
            raise _Unwanted

    def _sorted_rows(self) -> Iterator[Markup]:
        for *_, offset, length in sorted(self._order):
            self._rows.seek(offset)
            yield Markup(self._rows.read(length).decode())

    def _name(self, score: FontScore) -> str:
        """A page's name: safe on every system, the same for the same font, and its alone."""
        stem = re.sub(r"[^A-Za-z0-9]+", "-", file_name(score.font)).strip("-")[:60] or "font"
        digest = sha256(score.font.encode(errors="surrogatepass") + score.sha256.encode()).hexdigest()[:8]
        name, again = f"{stem}-{digest}", 1
        while name in self._names:
            again += 1
            name = f"{stem}-{digest}-{again}"
        self._names.add(name)
        return f"{name}.html"


def _holds_pages(folder: Path) -> bool:
    index = folder / INDEX
    return index.is_file() and bool(_TITLE.search(index.read_text(encoding="utf-8", errors="replace")))


def _previews(score: FontScore) -> Iterator[tuple[str, str, str]]:
    """Frame, path and words of the most suspicious glyphs that are drawn with little."""
    found = [(face, verdict) for face in score.faces for verdict in suspects(face)]
    found.sort(key=lambda pair: -pair[1].status.severity)
    small = [(face, verdict) for face, verdict in found if 0 < len(verdict.path) <= _PREVIEW_OUTLINE]
    for face, verdict in small[:_PREVIEWS]:
        frame = portrait(verdict, face.units_per_em).frame
        yield str(frame), verdict.path, f"{code(verdict.codepoint)} {named(verdict.label)}"
