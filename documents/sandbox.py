"""Where PDFs are parsed, drawn and written: a program of its own (`glyphs.confined`) for each, with limits.

Nothing is believed that comes back: all that is said of one document is limited in length and time, and has
to make sense. A document that takes the process over can lie about itself, and about no other.

The parent sends the settings and the document; the child (`documents.sandboxed`) answers
    text     which codes of which fonts are set, then
    words    some of the words that they are set in, as often as there are more, then
    font     each font with its codes, the rasters of those with ink being the body, and when all is read
    end      whose `error` and `remedy` say why the document cannot be read, where it cannot
Then the parent may send what codes stand for, and gets
    written  the document that says so, which is the body, or `end` again
"""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, Self

import numpy as np

from documents.contents import Code, DocumentFont, DrawnCode, Text
from glyphs.confined import NO_ANSWER, Heard, Program, allowing, finite, number, text
from glyphs.errors import BadInput
from glyphs.fonts import Metrics
from glyphs.raster import RasterSettings

MAX_NAME = 1000  # characters of what a font is called, and of what a code is taken for
_MIB = 2**20
_LONGEST_ERROR = 1000
_MOST = 2**31
_GROWTH = 16 * _MIB  # that a document may grow by, and as much again as it has


class BadDocument(BadInput):
    """A PDF that cannot be read."""


class TooManyCodes(BadDocument):
    """A PDF whose fonts set more different codes than may be looked at."""


class ReaderKilled(BadDocument):
    """Somebody else killed the process while it read a document, which may be sound."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one document may take.

    max_codes: that are looked at, of all its fonts; each is a raster in memory
    seconds: of computing, to read and to write it; by the clock it may be waited for ten times as long
    max_memory: bytes of the process that parses
    max_answer: bytes of names, codes and words
    """

    max_codes: int = 100_000
    seconds: float = 600.0
    max_memory: int = 4096 * _MIB
    max_answer: int = 512 * _MIB


class Reader:
    """Reads and writes documents, each in a process that has seen no other. Use it in a `with`, or close it.

    Not safe to share between threads, but for `interrupt`.
    """

    def __init__(self, limits: Limits = Limits()) -> None:
        self._limits = limits
        self._program = Program("documents.sandboxed")
        self._document = 0  # bytes of what was read last
        self._used = False

    def start(self) -> subprocess.Popen[bytes]:
        """The process that waits for the next document, another in place of one that died meanwhile. It takes
        half a second to start, which nobody waits for here.

        Raises:
            NoReader: there is none to be had.
        """
        if self._used or self._program.start().poll() is not None:
            self.close()
        return self._program.start()

    def read(
        self, data: bytes, settings: RasterSettings, patience: float = math.inf
    ) -> tuple[Text, list[DocumentFont]]:
        """The text of a document, and what the codes that it uses draw.

        patience: seconds by the clock that the process is waited for, where its limits allow more

        Raises:
            BadDocument: no PDF, broken, encrypted, or beyond the limits. TooManyCodes for these;
                ReaderKilled where that may be no fault of the document's.
            NoReader: there is no process to be had.
        """
        self.start()
        setting = {"raster": settings.to_dict(), "limits": asdict(self._limits)}
        self._program.tell(setting, allowing(self._limits.seconds))
        self._used, self._document = True, len(data)
        try:
            waiting = allowing(self._limits.seconds, patience)
            self._program.send({}, data, waiting)
            return _Answer(
                Heard(self._program.answers, waiting, self._limits.max_answer + _MIB), settings
            ).read()
        except NO_ANSWER as error:
            raise self._broken(error) from None

    def written(self, texts: Mapping[int, Mapping[int, str]], patience: float = math.inf) -> bytes:
        """The document that was read last, whose fonts, by the numbers of their objects, say what these codes
        stand for, and of others what they did.

        Raises:
            BadDocument: as above.
        """
        try:
            waiting = allowing(self._limits.seconds, patience)
            told = json.dumps(texts).encode()
            self._program.send({}, told, waiting)
            most = 2 * self._document + 2 * len(told) + _GROWTH
            message, body = Heard(self._program.answers, waiting, _MIB).next(most)
            _check_end(message)
            if message["kind"] != "written":
                raise ValueError("this is no document")
            return bytes(body)
        except NO_ANSWER as error:
            raise self._broken(error) from None

    def interrupt(self) -> None:
        """End the process under whoever waits for it in another thread, for whom it breaks off."""
        self._program.interrupt()

    def close(self) -> None:
        """End the process, if there is one."""
        self._program.close()
        self._used = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _broken(self, error: Exception) -> BadDocument:
        ending = self._program.ending(error, self._limits.seconds, self._limits.max_memory)
        return ReaderKilled(ending.reason, "Try again.") if ending.killed else BadDocument(ending.reason)


class _Answer:
    """What the process says of a document. Raises one of `NO_ANSWER` where it is no answer."""

    def __init__(self, heard: Heard, settings: RasterSettings) -> None:
        self._heard, self._size = heard, settings.size

    def read(self) -> tuple[Text, list[DocumentFont]]:
        message, _ = self._heard.next(0)
        _check_end(message)
        found = _text(message)
        places = list(found.advances)
        left = {font: tuple(codes) for font, codes in found.advances_by_font().items()}
        fonts: list[DocumentFont] = []
        while True:
            message, body = self._heard.next(max(map(len, left.values()), default=0) * self._size**2)
            if message["kind"] == "words":
                _add_words(found, places, message["words"])
                continue
            if message["kind"] == "end":
                _check_end(message)
                return found, fonts
            font = self._font(message, body)
            if tuple(code.code for code in font.codes) not in ((), left.pop(font.number)):
                raise ValueError("a font draws other codes than are set")
            fonts.append(font)

    def _font(self, message: dict[str, Any], body: bytearray) -> DocumentFont:
        drawn = np.frombuffer(body, np.uint8).reshape(-1, self._size, self._size)
        if len(drawn) != sum(bool(inked) for _, inked, _, _ in message["codes"]):
            raise ValueError("these are not the rasters that were to come")
        rasters = iter(drawn)
        codes = tuple(
            DrawnCode(
                number(code, _MOST), next(rasters) if inked else None, Metrics(*finite(metrics)),
                text(spoken, MAX_NAME),
            )
            for code, inked, metrics, spoken in message["codes"]
        )  # fmt: skip
        return DocumentFont(
            number=number(message["number"], _MOST), name=text(message["name"], MAX_NAME),
            kind=text(message["type"], MAX_NAME), obstacle=text(message["obstacle"], MAX_NAME), codes=codes,
        )  # fmt: skip


def _text(message: dict[str, Any]) -> Text:
    places: list[Code] = [(number(font, _MOST), number(code, _MOST)) for font, code in message["used"]]
    advances = dict(zip(places, finite(message["advances"]), strict=True))
    if len(advances) != len(places):
        raise ValueError("a code is told twice")
    return Text(
        number(message["pages"], _MOST), number(message["unread"], _MOST), _flag(message["signed"]),
        _flag(message["damaged"]), advances,
    )  # fmt: skip


def _add_words(found: Text, places: Sequence[Code], words: Any) -> None:
    for times, *word in words:
        found.words[tuple(places[number(place, len(places))] for place in word)] += number(times, _MOST)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither true nor false")
    return value


def _check_end(message: dict[str, Any]) -> None:
    """Raises BadDocument where a message says that the document cannot be read."""
    if error := message.get("error", ""):
        kind = TooManyCodes if message["too_many"] else BadDocument
        raise kind(text(error, _LONGEST_ERROR), text(message["remedy"], _LONGEST_ERROR))
