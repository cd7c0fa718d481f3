"""The text of a PDF as it is set: words of codes of fonts."""

from __future__ import annotations

import io
import logging
import math
from collections import Counter
from typing import Any

import pikepdf
from pdfminer.cmapdb import CMapParser, FileUnicodeMap
from pdfminer.pdfdevice import PDFTextDevice
from pdfminer.pdfdocument import PDFDocument
from pdfminer.pdffont import PDFFont
from pdfminer.pdfinterp import PDFPageInterpreter, PDFResourceManager
from pdfminer.pdfpage import PDFPage
from pdfminer.pdfparser import PDFParser
from pdfminer.psparser import LIT
from pdfminer.utils import Matrix

from documents.contents import Code, Text
from documents.objects import NUMBER, is_signed, sound_copy

# Farther from where the last one ended, in em, a glyph begins another word: a space is about a quarter.
_GAP = 0.15
_NOWHERE = math.inf, math.inf
_ACROSS = LIT("Identity-H")
_OF_INDICES = LIT("CIDFontType0"), LIT("CIDFontType2")
_MOST_SAID = 1 << 16  # a map says something of each code once


def read_text(data: bytes) -> Text:
    """The text of all pages that can be read.

    Raises what pikepdf and pdfminer raise where a document is broken: anything.
    """
    with pikepdf.open(io.BytesIO(data)) as document:
        pages, signed = len(document.pages), is_signed(document)
        file = io.BytesIO(sound_copy(document))
        damaged = bool(document.get_warnings())
    logging.getLogger("pdfminer").setLevel(logging.CRITICAL)
    fonts = _Fonts()
    device = _Setting(fonts)
    interpreter = PDFPageInterpreter(fonts, device)
    unread = 0
    for place, page in enumerate(PDFPage.create_pages(PDFDocument(PDFParser(file)))):
        try:
            interpreter.process_page(page)
        except MemoryError:
            raise
        except Exception:  # a page that is broken does not spoil the others
            unread += place < pages
        device.end()
    return Text(pages, unread, signed, damaged, device.advances, device.words)


def read_map(content: bytes) -> dict[int, str]:
    """What codes stand for by a ToUnicode map, as far as it can be read."""
    found = _Said()
    try:
        CMapParser(found, io.BytesIO(content)).run()
    except MemoryError:
        raise
    except Exception:  # what is broken may say something all the same
        pass
    return found.cid2unichr


class _Said(FileUnicodeMap):
    """A map that has an end: a line of it can speak of more codes than memory holds."""

    _left = _MOST_SAID

    def add_cid2unichr(self, cid: int, code: Any) -> None:
        self._left -= 1
        if self._left < 0:
            raise ValueError("it says more than there are codes")
        super().add_cid2unichr(cid, code)


class _Fonts(PDFResourceManager):
    """Fonts that know which object of the document they are.

    across: those that are set from top to bottom, as they would be from the left to the right
    """

    def __init__(self) -> None:
        super().__init__()
        self.numbers: dict[PDFFont, int] = {}
        self.across: dict[PDFFont, PDFFont] = {}

    def get_font(self, objid: object, spec: Any) -> PDFFont:
        # What codes stand for is not asked here, and reading it may take all memory, from a font's file, too.
        spec = {key: value for key, value in spec.items() if key != "ToUnicode"}
        if spec.get("Subtype") in _OF_INDICES:
            spec["ToUnicode"] = _ACROSS
        try:
            font = super().get_font(objid, spec)
            if objid is None and font.is_vertical():
                self.across[font] = super().get_font(None, spec | {"Encoding": _ACROSS})
        except MemoryError:
            raise
        except Exception:  # a font that is broken does not spoil the pages that name it
            return PDFFont({}, {})
        if isinstance(objid, int) and isinstance(number := spec.get(NUMBER), int):
            self.numbers[font] = number
        return font


class _Setting(PDFTextDevice):
    """Where text goes to as it is set."""

    def __init__(self, fonts: _Fonts) -> None:
        super().__init__(fonts)
        self._fonts = fonts
        self.advances: dict[Code, float] = {}
        self.words: Counter[tuple[Code, ...]] = Counter()
        self._word: list[Code] = []
        self._ends = _NOWHERE, _NOWHERE  # of the last glyph, on the page

    def render_char(
        self, matrix: Matrix, font: PDFFont, fontsize: float, scaling: float, rise: float, cid: int, *_: Any
    ) -> float:
        advance = font.char_width(cid)
        width: float = advance * fontsize * scaling
        number = self._fonts.numbers.get(font)
        if number is None:  # written out where it is used, which hardly any program does
            self.end()
            return width
        a, b, c, d, x, y = matrix
        code = number, cid
        if code not in self.advances:
            self.advances[code] = self._fonts.across.get(font, font).char_width(cid)
        em = abs(fontsize) * math.sqrt(abs(a * d - b * c))
        along = (c, d) if font.is_vertical() else (a, b)
        begin, end = (x, y), (x + along[0] * width, y + along[1] * width)
        # What is written from the right to the left is set glyph by glyph, each before the last one.
        if not min(math.dist(self._ends[1], begin), math.dist(self._ends[0], end)) <= _GAP * em:
            self.end()
        self._word.append(code)
        self._ends = begin, end
        return width

    def end(self) -> None:
        """A word has ended."""
        if self._word:
            self.words[tuple(self._word)] += 1
        self._word, self._ends = [], (_NOWHERE, _NOWHERE)
