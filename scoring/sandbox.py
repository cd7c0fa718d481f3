"""Where fonts are parsed: a program of its own (`glyphs.confined`), with limits, that draws what the model
shall see.

A font that breaks it gets an ERROR verdict. Outlines stay where they were parsed: the parent sees their
hashes and SVG paths. Nothing is believed that comes back: all that is said of one font is limited in length
and time, and has to make sense.

The parent sends the settings, then fonts; for each the child (`scoring.sandboxed`) answers
    face     a face with its claims and drawings, then
    rasters  the face's distinct shapes as pixels, at most CHUNK at once, and when all is read
    end      whose `error` says why the font could not be read, where it could not, and `too_many` whether
             that is for its glyphs
"""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from glyphs.confined import NO_ANSWER, Heard, Program, allowing, finite, number, text
from glyphs.errors import BadFont
from glyphs.fonts import MAX_FONT_BYTES, MAX_NAME
from glyphs.labels import Form, Label
from glyphs.pipe import Patience
from glyphs.raster import RasterSettings
from scoring.pieces import MOST, Piece
from scoring.reader import MAX_FACES, Claim, TooManyGlyphs

CHUNK = 64  # rasters of one message, which are recognised at once
_MIB = 2**20
_LONGEST_ERROR = 1000


@dataclass(frozen=True, slots=True)
class Limits:
    """What one font may take.

    max_bytes: of the file; max_glyphs: characters and forms, or every glyph, over all faces
    seconds: of computing; by the clock it may be waited for ten times as long, for machines can be busy
    max_memory: bytes of address space of the process that parses, of which Python itself takes some 300 MiB
    max_answer: bytes of names, claims and SVG paths, over all faces; of ideographs 60,000 come to some 60 MiB
    """

    max_bytes: int = MAX_FONT_BYTES
    max_glyphs: int = 200_000
    seconds: float = 60.0
    max_memory: int = 2048 * _MIB
    max_answer: int = 512 * _MIB


@dataclass(frozen=True, slots=True)
class DrawnGlyph:
    """A drawing as the parent knows it.

    shape: hash of its outline, empty without ink
    raster: its number among the face's distinct rasters, None where it needs no recognition
    metrics: width, height, bottom, advance; em
    pieces: of letters that bear marks
    advance: em, where there is no ink; otherwise it is among the metrics
    """

    index: int
    name: str
    shape: str = ""
    path: str = ""
    metrics: tuple[float, float, float, float] | None = None
    raster: int | None = None
    notdef: bool = False
    broken: str = ""
    coloured: bool = False
    pieces: tuple[Piece, ...] = ()
    advance: float | None = None


@dataclass(frozen=True, slots=True)
class DrawnFace:
    """A face whose rasters follow."""

    face: int
    instance: int
    family: str
    style: str
    units_per_em: int
    claims: tuple[Claim, ...]
    drawings: tuple[DrawnGlyph, ...]
    rasters: int


@dataclass(frozen=True, slots=True)
class Rasters:
    """Numbers `first` onwards of the last face: (N, S, S) uint8."""

    first: int
    pixels: NDArray[np.uint8]


class ReaderKilled(BadFont):
    """Somebody else killed the process while it read a font, which may be sound."""


class Sandbox:
    """A process that reads fonts, started when it is first needed and again after a font broke it.

    Not safe to share between threads, but for `interrupt`.
    """

    def __init__(self, limits: Limits = Limits()) -> None:
        self.limits = limits
        self._size, self._every_glyph = 0, False
        self._setting: dict[str, Any] = {}
        self._program = Program("scoring.sandboxed")

    def draw_for(self, labels: Sequence[Label] | None, settings: RasterSettings) -> Self:
        """What rasters are made for, to be told before the first font is read.

        labels: what the model knows; of glyphs that claim another label no raster is made. None: faces have
            all their glyphs, claimed or not, and each with ink has a raster; paths and pieces are not told
        """
        self._size, self._every_glyph = settings.size, labels is None
        self._setting = {
            "labels": None if labels is None else list(map(str, labels)), "raster": settings.to_dict(),
            "limits": asdict(self.limits),
        }  # fmt: skip
        return self

    def read(self, data: bytes, patience: float = math.inf) -> Generator[DrawnFace | Rasters, None, None]:
        """Every face, each followed by its rasters. Who leaves before the end has to close it before the next
        font is read.

        patience: seconds by the clock that the process is waited for, where its limits allow more

        Raises:
            BadFont: the font cannot be read, or not within its limits; what came before is not to be used.
                TooManyGlyphs where it has more of them than that; ReaderKilled where that may be no fault
                of the font's.
            NoReader: there is no process to be had.
        """
        if len(data) > self.limits.max_bytes:
            raise BadFont(f"It is larger than {self.limits.max_bytes // _MIB} MiB.")
        self._program.tell(self._setting, allowing(self.limits.seconds))
        unspoilt = False
        try:
            waiting = allowing(self.limits.seconds, patience)
            self._program.send({}, data, waiting)
            answer = _Answer(
                self._program.answers, waiting, self.limits, self._size, every_glyph=self._every_glyph
            )
            yield from answer.messages()
            unspoilt = not answer.spoilt
            if answer.error:
                raise (TooManyGlyphs if answer.too_many else BadFont)(answer.error)
        except NO_ANSWER as error:
            ending = self._program.ending(error, self.limits.seconds, self.limits.max_memory)
            raise (
                ReaderKilled(ending.reason, "Try again.") if ending.killed else BadFont(ending.reason)
            ) from None
        finally:
            if not unspoilt:  # what else it had to say would be taken for the next font's
                self.close()

    def start(self) -> subprocess.Popen[bytes]:
        """The process, started where it is not there. Raises NoReader where there is none to be had."""
        return self._program.start()

    def interrupt(self) -> None:
        """End the process under whoever reads a font in another thread, for whom it breaks off."""
        self._program.interrupt()

    def close(self) -> None:
        """End the process; the next font starts another."""
        self._program.close()


class _Answer:
    """What the process says of one font. Raises one of `NO_ANSWER` where it is no answer.

    Attributes:
        error, too_many, spoilt: at the end: why the font cannot be read, whether that is for its glyphs, and
            whether the process is done for
    """

    def __init__(
        self, source: int, waiting: Patience, limits: Limits, size: int, *, every_glyph: bool = False
    ) -> None:
        """every_glyph: a face may claim nothing, and its drawings count like claims"""
        self.error, self.too_many, self.spoilt = "", False, False
        self._every_glyph, self._size = every_glyph, size
        # What may still come: bytes, and the few that go with rasters; glyphs and faces of the font; rasters
        # of the face.
        self._heard = Heard(source, waiting, limits.max_answer + _MIB)
        self._glyphs, self._faces = limits.max_glyphs, MAX_FACES
        self._rasters_left, self._next_raster = 0, 0

    def messages(self) -> Iterator[DrawnFace | Rasters]:
        """Every message but the end."""
        while True:
            message, body = self._heard.next(CHUNK * self._size**2)
            if message["kind"] == "end":
                self.error = str(message["error"])[:_LONGEST_ERROR]
                self.too_many, self.spoilt = bool(message["too_many"]), bool(message["spoilt"])
                return
            if message["kind"] == "face":
                yield self._face(message)
            else:
                yield self._rasters(message, body)

    def _face(self, message: dict[str, Any]) -> DrawnFace:
        self._faces -= 1
        claimed, known = len(message["claims"]), len(message["drawings"])
        self._glyphs -= max(claimed, known) if self._every_glyph else claimed
        empty = not claimed and not self._every_glyph
        if self._faces < 0 or self._glyphs < 0 or empty or self._rasters_left:
            raise ValueError("there are too many faces, or too much or little of one")
        rasters = number(message["rasters"], known + 1)
        claims = tuple(
            Claim(
                number(codepoint, _CODEPOINTS), Label(number(base, _CODEPOINTS), Form(form)),
                number(drawing, known), bool(absent),
            )
            for codepoint, base, form, drawing, absent in message["claims"]
        )  # fmt: skip
        drawings = tuple(
            DrawnGlyph(
                number(index, _MOST), text(name, MAX_NAME), text(shape, MAX_NAME), text(path),
                None if metrics is None else _metrics(metrics),
                None if raster is None else number(raster, rasters), bool(notdef), text(broken, MAX_NAME),
                bool(coloured), _pieces(pieces), None if advance is None else next(finite([advance])),
            )
            for index, name, shape, path, metrics, raster, notdef, broken, coloured, pieces, advance
            in message["drawings"]
        )  # fmt: skip
        if any(drawn.raster is not None and drawn.metrics is None for drawn in drawings):
            raise ValueError("there are pixels without ink")
        self._rasters_left, self._next_raster = rasters, 0
        return DrawnFace(
            number(message["face"], _MOST), number(message["instance"], _MOST),
            text(message["family"], MAX_NAME), text(message["style"], MAX_NAME),
            number(message["units_per_em"], _MOST), claims, drawings, rasters,
        )  # fmt: skip

    def _rasters(self, message: dict[str, Any], body: bytearray) -> Rasters:
        pixels = np.frombuffer(body, np.uint8).reshape(-1, self._size, self._size)
        if message["first"] != self._next_raster or not 0 < len(pixels) <= self._rasters_left:
            raise ValueError("these are not the rasters that were to come")
        rasters = Rasters(self._next_raster, pixels)
        self._next_raster += len(pixels)
        self._rasters_left -= len(pixels)
        return rasters


_CODEPOINTS = sys.maxunicode + 1
_MOST = 2**31


def _metrics(values: Any) -> tuple[float, float, float, float]:
    width, height, bottom, advance = finite(values)
    return width, height, bottom, advance


def _pieces(values: Any) -> tuple[Piece, ...]:
    if len(values) > MOST:
        raise ValueError("a glyph has too many pieces")
    return tuple(Piece(*finite(piece)) for piece in values)
