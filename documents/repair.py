"""What a document's fonts show, and its text repaired by that.

Of a code that says nothing, what it shows is written down; of one that says something, what it says is kept,
unless pictures are to be believed more.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np

from documents.contents import Code, DocumentFont, DrawnCode, Text
from glyphs.labels import fold
from glyphs.to_unicode import letters
from recognition.bundle import Bundle
from recognition.candidates import Candidates, Prediction, Recognition, described
from recognition.in_text import CONSIDERED, in_text
from recognition.one_font import OneFont
from recognition.recogniser import Answer

_NO_TEXT = {"Cc", "Cn", "Co", "Cs"}  # controls, private use and what is no character
_AT_ONCE = 256  # glyphs that the model is asked about
# Codes of different words that are looked at: each takes half a kilobyte and some microseconds, in a process
# that may answer others, and a book has no more that say anything.
_WEIGHED = 1 << 18
_LIKELY = 0.3  # so likely a label is told: a guess, where a reader would put something that nobody wrote
_SURE = 0.9  # so likely a label, which is not what a code says, contradicts it


@dataclass(frozen=True, slots=True)
class ReadCode:
    """What a code shows, and what is to be written down of it.

    recognition: None without ink
    text: what it stands for, "" where that is not known
    contradicted: what it says is surely not what it shows
    """

    drawn: DrawnCode
    recognition: Recognition | None
    text: str
    contradicted: bool

    @property
    def silent(self) -> bool:
        """Whether it shows something of which the document says nothing."""
        return self.recognition is not None and not _is_said(self.drawn.spoken)

    def to_dict(self, k: int) -> dict[str, Any]:
        """As clients see it, with so many predictions."""
        found: dict[str, Any] = {"known": None, "predictions": []}
        if self.recognition:
            best = self.recognition.predictions[:k]
            found = described(replace(self.recognition, predictions=best))
        return {
            "code": self.drawn.code,
            "said": self.drawn.spoken,
            "text": self.text,
            "contradicted": self.contradicted,
            **found,
        }


@dataclass(frozen=True, slots=True)
class ReadDocumentFont:
    """A font of a document, what its codes show, and whether that is anything new."""

    font: DocumentFont
    codes: tuple[ReadCode, ...]

    @property
    def silent(self) -> int:
        """Codes that show something of which the document says nothing."""
        return sum(code.silent for code in self.codes)

    @property
    def repaired(self) -> int:
        """Codes that will say something else than they do."""
        return sum(code.text not in ("", code.drawn.spoken) for code in self.codes if code.recognition)

    @property
    def unknown(self) -> int:
        """Codes that go on saying nothing."""
        return sum(not code.text for code in self.codes if code.recognition)

    @property
    def contradicted(self) -> int:
        """Codes that say what they do not show."""
        return sum(code.contradicted for code in self.codes)

    def texts(self) -> dict[int, str]:
        """What its codes stand for, where that is known."""
        return {code.drawn.code: code.text for code in self.codes if code.text}

    def to_dict(self, k: int) -> dict[str, Any]:
        """As clients see it, with so many predictions of each code."""
        font = self.font
        return {
            "font": font.name, "object": font.number, "kind": font.kind, "reason": font.obstacle,
            "silent": self.silent, "repaired": self.repaired, "unknown": self.unknown,
            "contradicted": self.contradicted, "codes": [code.to_dict(k) for code in self.codes],
        }  # fmt: skip


def read_fonts(
    text: Text,
    fonts: Sequence[DocumentFont],
    answer: Answer,
    candidates: Candidates,
    *,
    everything: bool = False,
) -> list[ReadDocumentFont]:
    """What the fonts of a document show, each read together, and all of them in the text that they set.

    answer: asks the model whose labels the candidates are
    everything: what a document says is not believed

    Raises what `answer` raises.
    """
    shown = [[code for code in font.codes if code.raster is not None] for font in fonts]
    alone = [_recognise(codes, answer, candidates) for codes in shown]
    places = {
        (font.number, code.code): place
        for place, (font, code) in enumerate(
            (font, code) for font, codes in zip(fonts, shown, strict=True) for code in codes
        )
    }
    words: Counter[tuple[int, ...]] = Counter()
    for word, count in _commonest(text.words):
        for inked, part in groupby(map(places.get, word), lambda place: place is not None):
            if inked:  # and what is not is the space around words
                words[tuple(place for place in part if place is not None)] += count
    together = in_text(alone, words)
    return [
        ReadDocumentFont(font, tuple(_codes(font, iter(read), candidates.bundle, everything)))
        for font, read in zip(fonts, together, strict=True)
    ]


def _commonest(words: Counter[tuple[Code, ...]]) -> Iterator[tuple[tuple[Code, ...], int]]:
    """The commonest words that fit into what is weighed together."""
    left = _WEIGHED
    for word, count in words.most_common():
        if len(word) <= left:
            left -= len(word)
            yield word, count


def _recognise(codes: Sequence[DrawnCode], answer: Answer, candidates: Candidates) -> list[Recognition]:
    font = OneFont(candidates)
    for first in range(0, len(codes), _AT_ONCE):
        some = codes[first : first + _AT_ONCE]
        rasters = np.stack([code.raster for code in some if code.raster is not None])
        metrics = np.array([astuple(code.metrics) for code in some], np.float32)
        font.add(answer(rasters, metrics), [1] * len(some))
    return [one for [one] in font.recognise(CONSIDERED)]


def _codes(
    font: DocumentFont, read: Iterator[Recognition], bundle: Bundle, everything: bool
) -> Iterator[ReadCode]:
    for code in font.codes:
        said = _is_said(code.spoken)
        if code.raster is None:
            shows, recognition, contradicted = " " if code.metrics.advance > 0 else "", None, False
        else:
            recognition = next(read)
            best = recognition.predictions[0]
            shows = letters(best.label.character.text) if best.probability >= _LIKELY else ""
            contradicted = said and best.probability >= _SURE and not _same(code.spoken, best, bundle)
        text = code.spoken if said and not (everything and shows) else shows
        yield ReadCode(code, recognition, text, contradicted)


def _is_said(spoken: str) -> bool:
    """Whether it is text, rather than what programs put where they know none."""
    return bool(spoken) and not any(
        unicodedata.category(one) in _NO_TEXT or one == "\ufffd" for one in spoken
    )


def _same(spoken: str, shown: Prediction, bundle: Bundle) -> bool:
    if _plain(spoken) == _plain(shown.label.character.text):
        return True
    return len(spoken) == 1 and bundle.equivalence.same(fold(ord(spoken)), shown.label)


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
