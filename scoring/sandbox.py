"""Where fonts are parsed: a process of its own, with limits, that draws what the model shall see.

A hostile font can make a parser take all memory, loop, or crash. Here that kills a process which
holds nothing else, and the font gets an ERROR verdict. What comes back is JSON and pixels, never
pickled, and outlines stay where they were parsed: the parent sees their hashes and SVG paths. A font may
even take the process over, so that nothing is believed that comes back: all that is said of one font
is limited in length and time, and has to make sense.

The parent sends the settings, then fonts; for each the child (`scoring.sandboxed`) answers
    face     a face with its claims and drawings, then
    rasters  the face's distinct shapes as pixels, at most CHUNK at once, and when all is read
    end      whose `error` says why the font could not be read, where it could not, and `too_many` whether
             that is for its glyphs
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NoReturn, Self

import numpy as np
from numpy.typing import NDArray

from glyphs.errors import BadFont, GlypheryError
from glyphs.fonts import MAX_FONT_BYTES, MAX_NAME
from glyphs.labels import Form, Label
from glyphs.raster import RasterSettings
from scoring.pieces import MOST, Piece
from scoring.pipe import LENGTHS, Patience, send, take
from scoring.reader import MAX_FACES, Claim, TooManyGlyphs

CHUNK = 64  # rasters of one message, which are recognised at once
_MIB = 2**20
_PATIENCE = 10  # seconds by the clock for one of computing
_LONGEST_ERROR = 1000
# What an answer that breaks off, comes late or is none can raise.
_NO_ANSWER = (
    OSError, EOFError, ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError
)  # fmt: skip


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

    def __init__(self) -> None:
        super().__init__("Its reader was killed, as a system does that is out of memory.", "Try again.")


class NoReader(GlypheryError):
    """There is no process to read fonts, which says nothing of any font."""

    def __init__(self) -> None:
        super().__init__("The process that reads fonts does not start.")


class Sandbox:
    """A process that reads fonts, started when it is first needed and again after a font broke it.

    Not safe to share between threads, but for `interrupt`.
    """

    def __init__(self, limits: Limits = Limits()) -> None:
        self.limits = limits
        self._size, self._every_glyph = 0, False
        self._setting: dict[str, Any] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._told = False

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
        """
        if len(data) > self.limits.max_bytes:
            raise BadFont(f"It is larger than {self.limits.max_bytes // _MIB} MiB.")
        process = self._ready()
        unspoilt = False
        try:
            waiting = Patience(min(_PATIENCE * self.limits.seconds, patience))
            send(_descriptor(process.stdin), b"{}", data, waiting)
            answer = _Answer(
                _descriptor(process.stdout), waiting, self.limits, self._size, every_glyph=self._every_glyph
            )
            yield from answer.messages()
            unspoilt = not answer.spoilt
            if answer.error:
                raise (TooManyGlyphs if answer.too_many else BadFont)(answer.error)
        except _NO_ANSWER as error:
            raise self._why(error) from None
        finally:
            if not unspoilt:  # what else it had to say would be taken for the next font's
                self.close()

    def start(self) -> subprocess.Popen[bytes]:
        """The process. It takes a third of a second to start, which nobody waits for here: worth calling
        before the model is loaded.

        Raises:
            NoReader: there are no more processes to be had.
        """
        if self._process is None:
            try:
                # What parsers print of broken fonts is no news to anybody. Nothing is imported from where
                # somebody works (-P): beside fonts there may lie a glyphs.py.
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "scoring.sandboxed"],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0,
                    env={**os.environ, "OMP_NUM_THREADS": "1"},
                )  # fmt: skip
            except OSError:
                raise NoReader from None
            # One that does not read is not waited for for ever.
            os.set_blocking(_descriptor(self._process.stdin), False)
            self._told = False
        return self._process

    def _ready(self) -> subprocess.Popen[bytes]:
        """The process, told what to draw."""
        process = self.start()
        if not self._told:
            patience = Patience(_PATIENCE * self.limits.seconds)
            try:
                send(_descriptor(process.stdin), json.dumps(self._setting).encode(), patience=patience)
            except OSError:  # its pipe breaks, or it does not read
                self.close()
                raise NoReader from None
            self._told = True
        return process

    def interrupt(self) -> None:
        """End the process under whoever reads a font in another thread, for whom it breaks off."""
        process = self._process
        if process is not None:
            process.kill()

    def close(self) -> None:
        """End the process; the next font starts another."""
        if self._process is not None:
            process, self._process = self._process, None
            process.kill()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()  # unread, for whom it has started may hold the other end for ever
            process.wait()

    def _why(self, error: Exception) -> BadFont:
        """What became of a process that did not answer as it should."""
        limits, process = self.limits, self._process
        slow = BadFont(f"It takes more than {limits.seconds:g} seconds to read.")
        if isinstance(error, TimeoutError):
            return slow
        code = 0
        if process is not None:
            try:
                code = process.wait(timeout=1.0)
            except subprocess.TimeoutExpired:
                return BadFont("Its reader answered nonsense.")
        if code == -signal.SIGXCPU:
            return slow
        if code == -signal.SIGKILL:  # which no parser comes to by itself
            return ReaderKilled()
        if code < 0:
            return BadFont(f"It crashed a parser ({_signal_name(-code)}).")
        return BadFont(f"It broke its reader, which may have {limits.max_memory // _MIB} MiB of memory.")


class _Answer:
    """What the process says of one font. Raises one of `_NO_ANSWER` where it is no answer.

    Attributes:
        error, too_many, spoilt: at the end: why the font cannot be read, whether that is for its glyphs, and
            whether the process is done for
    """

    def __init__(
        self, source: int, patience: Patience, limits: Limits, size: int, *, every_glyph: bool = False
    ) -> None:
        """every_glyph: a face may claim nothing, and its drawings count like claims"""
        self.error, self.too_many, self.spoilt = "", False, False
        self._every_glyph = every_glyph
        self._source, self._patience, self._size = source, patience, size
        # What may still come: bytes, glyphs and faces of the font, and the few bytes that go with rasters;
        # rasters of the face.
        self._bytes, self._glyphs, self._faces = limits.max_answer + _MIB, limits.max_glyphs, MAX_FACES
        self._rasters_left, self._next_raster = 0, 0

    def messages(self) -> Iterator[DrawnFace | Rasters]:
        """Every message but the end."""
        while True:
            document, count = LENGTHS.unpack(take(self._source, LENGTHS.size, self._patience))
            self._bytes -= document
            if self._bytes < 0 or count > CHUNK * self._size**2:
                raise ValueError("a message is too long")
            text = take(self._source, document, self._patience)
            message = json.loads(text, parse_constant=_no_number)
            body = take(self._source, count, self._patience)
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
        rasters = _number(message["rasters"], known + 1)
        claims = tuple(
            Claim(
                _number(codepoint, _CODEPOINTS), Label(_number(base, _CODEPOINTS), Form(form)),
                _number(drawing, known), bool(absent),
            )
            for codepoint, base, form, drawing, absent in message["claims"]
        )  # fmt: skip
        drawings = tuple(
            DrawnGlyph(
                _number(index, _MOST), _text(name, MAX_NAME), _text(shape, MAX_NAME), _text(path),
                None if metrics is None else _metrics(metrics),
                None if raster is None else _number(raster, rasters), bool(notdef), _text(broken, MAX_NAME),
                bool(coloured), _pieces(pieces), None if advance is None else next(_finite([advance])),
            )
            for index, name, shape, path, metrics, raster, notdef, broken, coloured, pieces, advance
            in message["drawings"]
        )  # fmt: skip
        if any(drawn.raster is not None and drawn.metrics is None for drawn in drawings):
            raise ValueError("there are pixels without ink")
        self._rasters_left, self._next_raster = rasters, 0
        return DrawnFace(
            _number(message["face"], _MOST), _number(message["instance"], _MOST),
            _text(message["family"], MAX_NAME), _text(message["style"], MAX_NAME),
            _number(message["units_per_em"], _MOST), claims, drawings, rasters,
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


def _number(value: Any, end: int) -> int:
    if type(value) is not int or not 0 <= value < end:
        raise ValueError(f"{value!r} is no number below {end}")
    return value


def _text(value: Any, most: int = 2**63) -> str:
    if not isinstance(value, str) or len(value) > most:
        raise ValueError("a text is none, or too long")
    return value


def _metrics(values: Any) -> tuple[float, float, float, float]:
    width, height, bottom, advance = _finite(values)
    return width, height, bottom, advance


def _pieces(values: Any) -> tuple[Piece, ...]:
    if len(values) > MOST:
        raise ValueError("a glyph has too many pieces")
    return tuple(Piece(*_finite(piece)) for piece in values)


def _finite(values: Any) -> Iterator[float]:
    for value in map(float, values):
        if not math.isfinite(value):  # 1e999 is a number of JSON, too
            raise ValueError("a size is not finite")
        yield value


def _no_number(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # the real-time ones have none
        return f"signal {number}"


def _descriptor(pipe: Any) -> int:
    number: int = pipe.fileno()
    return number
