"""Where fonts are parsed: a process of its own, with limits, that draws what the model shall see.

A hostile font can make a parser take all memory, loop, or crash. Here that kills a process which
holds nothing else, and the font gets an ERROR verdict. What comes back is JSON and pixels, never
pickled, and outlines stay where they were parsed: the parent sees their hashes and SVG paths.

A message is two lengths, a JSON document and a body. The parent sends the settings, then fonts; for
each the child answers
    face     a face with its claims and drawings, then
    rasters  the face's distinct shapes as pixels, at most CHUNK at once, and when all is read
    end      whose `error` says why the font could not be read, where it could not
"""

from __future__ import annotations

import json
import math
import os
import resource
import select
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glyphs.errors import BadFont, GlypheryError
from glyphs.fonts import FontFile
from glyphs.labels import Form, Label
from glyphs.outline import Outline, outline_hash
from glyphs.raster import RasterSettings, draw
from scoring.reader import Claim, ReadFace, read_faces

CHUNK = 256  # rasters of one message
_MIB = 2**20
_LENGTHS = struct.Struct("<QQ")  # of a message's JSON and of its body
_MOST_JSON = 1024 * _MIB
_PATIENCE = 10  # seconds by the clock for one of computing


@dataclass(frozen=True, slots=True)
class Limits:
    """What one font may take.

    max_bytes: of the file; max_glyphs: characters and forms, over all faces
    seconds: of computing; by the clock it may be silent ten times as long, for machines can be busy
    max_memory: bytes of address space of the process that parses, of which Python itself takes some 300 MiB
    """

    max_bytes: int = 128 * _MIB
    max_glyphs: int = 200_000
    seconds: float = 60.0
    max_memory: int = 2048 * _MIB


@dataclass(frozen=True, slots=True)
class DrawnGlyph:
    """A drawing as the parent knows it.

    shape: hash of its outline, empty without ink
    raster: its number among the face's distinct rasters, None where it needs no recognition
    metrics: width, height, bottom, advance; em
    """

    index: int
    name: str
    shape: str = ""
    path: str = ""
    metrics: tuple[float, float, float, float] | None = None
    raster: int | None = None
    notdef: bool = False
    broken: str = ""


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


class Sandbox:
    """A process that reads fonts, started when it is first needed and again after a font broke it.

    Not safe to share between threads.
    """

    def __init__(self, labels: Sequence[Label], settings: RasterSettings, limits: Limits = Limits()) -> None:
        """labels: what the model knows; of glyphs that claim another label no raster is made."""
        self._limits, self._size = limits, settings.size
        self._setting = {
            "labels": list(map(str, labels)), "raster": settings.to_dict(), "limits": asdict(limits)
        }  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def read(self, data: bytes) -> Iterator[DrawnFace | Rasters]:
        """Every face, each followed by its rasters.

        Raises:
            BadFont: the font cannot be read, or not within its limits; what came before is not to be used.
        """
        if len(data) > self._limits.max_bytes:
            raise BadFont(f"It is larger than {self._limits.max_bytes // _MIB} MiB.")
        process = self.start()
        unspoilt = False
        try:
            _send(_descriptor(process.stdin), {}, data)
            while True:
                message, body = _receive(_descriptor(process.stdout), _PATIENCE * self._limits.seconds)
                if message["kind"] == "end":
                    unspoilt = not message["spoilt"]
                    if message["error"]:
                        raise BadFont(message["error"])
                    return
                yield _face(message) if message["kind"] == "face" else self._rasters(message, body)
        except (BrokenPipeError, TimeoutError, EOFError, ValueError, KeyError, TypeError) as error:
            raise BadFont(self._why(error)) from None
        finally:
            if not unspoilt:  # what else it had to say would be taken for the next font's
                self.close()

    def start(self) -> subprocess.Popen[bytes]:
        """The process; worth calling ahead of the first font, for it takes a third of a second to start.

        Raises:
            GlypheryError: it does not start.
        """
        if self._process is None:
            # What parsers print of broken fonts is no news to anybody.
            self._process = subprocess.Popen(
                [sys.executable, "-m", "scoring.sandbox"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )  # fmt: skip
            try:
                _send(_descriptor(self._process.stdin), self._setting)
            except BrokenPipeError:
                raise GlypheryError("The process that reads fonts does not start.") from None
        return self._process

    def close(self) -> None:
        """End the process; the next font starts another."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _rasters(self, message: dict[str, Any], body: bytes) -> Rasters:
        pixels = np.frombuffer(body, np.uint8).reshape(-1, self._size, self._size)
        return Rasters(int(message["first"]), pixels)

    def _why(self, error: Exception) -> str:
        """What became of a process that did not answer as it should."""
        limits, process = self._limits, self._process
        slow = f"It takes more than {limits.seconds:g} seconds to read."
        if isinstance(error, TimeoutError):
            return slow
        code = 0
        if process is not None:
            try:
                code = process.wait(timeout=1.0)
            except subprocess.TimeoutExpired:
                return "Its reader answered nonsense."
        if code == -signal.SIGXCPU:
            return slow
        if code < 0:
            return f"It crashed a parser ({signal.Signals(-code).name})."
        return f"It broke its reader, which may have {limits.max_memory // _MIB} MiB of memory."


def _face(message: dict[str, Any]) -> DrawnFace:
    claims = tuple(
        Claim(codepoint, Label(base, Form(form)), drawing, absent)
        for codepoint, base, form, drawing, absent in message["claims"]
    )
    drawings = tuple(
        DrawnGlyph(index, name, shape, path, None if metrics is None else tuple(metrics), *rest)
        for index, name, shape, path, metrics, *rest in message["drawings"]
    )
    return DrawnFace(
        message["face"], message["instance"], message["family"], message["style"], message["units_per_em"],
        claims, drawings, message["rasters"],
    )  # fmt: skip


def _descriptor(pipe: Any) -> int:
    number: int = pipe.fileno()
    return number


def _send(to: int, message: dict[str, Any], body: bytes | memoryview = b"") -> None:
    document = json.dumps(message).encode()
    for part in (_LENGTHS.pack(len(document), len(body)), document, body):
        view = memoryview(part)
        while view:
            view = view[os.write(to, view) :]


def _receive(source: int, patience: float | None = None) -> tuple[dict[str, Any], bytes]:
    """patience: seconds to wait for the next piece; None for ever

    Raises:
        TimeoutError; EOFError: the other side is gone; ValueError: it sent no message.
    """
    document, body = _LENGTHS.unpack(_take(source, _LENGTHS.size, patience))
    if document > _MOST_JSON or body > _MOST_JSON:
        raise ValueError("a message is too long")
    return json.loads(_take(source, document, patience)), _take(source, body, patience)


def _take(source: int, count: int, patience: float | None) -> bytes:
    taken = bytearray()
    while len(taken) < count:
        if patience is not None and not select.select([source], [], [], patience)[0]:
            raise TimeoutError
        piece = os.read(source, min(count - len(taken), _MIB))
        if not piece:
            raise EOFError
        taken += piece
    return bytes(taken)


# What follows runs in the child.


def _serve(source: int, to: int) -> None:
    setting, _ = _receive(source)
    labels = frozenset(map(Label.parse, setting["labels"]))
    settings, limits = RasterSettings(**setting["raster"]), Limits(**setting["limits"])
    resource.setrlimit(resource.RLIMIT_AS, (limits.max_memory, limits.max_memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while True:
        try:
            _, data = _receive(source)
        except EOFError:
            return
        used = resource.getrusage(resource.RUSAGE_SELF)
        allowed = math.ceil(used.ru_utime + used.ru_stime + limits.seconds)
        resource.setrlimit(resource.RLIMIT_CPU, (allowed, resource.RLIM_INFINITY))
        error, spoilt = "", False
        try:
            # Its name and hash are the parent's business.
            for face in read_faces(FontFile(Path(), data, ""), limits.max_glyphs):
                _tell(to, face, labels, settings)
        except BadFont as problem:
            error = str(problem)
        except MemoryError:
            error = f"It takes more than {limits.max_memory // _MIB} MiB of memory."
            spoilt = True
        _send(to, {"kind": "end", "error": error, "spoilt": spoilt})
        if spoilt:
            return


def _tell(to: int, face: ReadFace, labels: frozenset[Label], settings: RasterSettings) -> None:
    wanted = {claim.drawing for claim in face.claims if claim.label in labels}
    drawn: list[DrawnGlyph] = []
    numbers: dict[tuple[str, tuple[float, ...]], int] = {}
    outlines: list[Outline] = []
    for place, drawing in enumerate(face.drawings):
        glyph = drawing.glyph
        if glyph is None:
            drawn.append(
                DrawnGlyph(drawing.index, drawing.name, notdef=drawing.notdef, broken=drawing.broken)
            )
            continue
        shape, metrics = outline_hash(glyph.outline.to_bytes()).hex(), astuple(glyph.metrics)
        raster = None
        if place in wanted:
            raster = numbers.setdefault((shape, metrics), len(numbers))
            if raster == len(outlines):
                outlines.append(glyph.outline)
        path = glyph.outline.svg_path((0, glyph.origin[1]))
        drawn.append(DrawnGlyph(drawing.index, drawing.name, shape, path, metrics, raster, drawing.notdef))
    claims = [
        (claim.codepoint, claim.label.codepoint, claim.label.form, claim.drawing, claim.absent)
        for claim in face.claims
    ]
    message = {
        "kind": "face", "face": face.face, "instance": face.instance, "family": face.family,
        "style": face.style, "units_per_em": face.units_per_em, "claims": claims,
        "drawings": list(map(astuple, drawn)), "rasters": len(outlines),
    }  # fmt: skip
    _send(to, message)
    for first in range(0, len(outlines), CHUNK):
        pixels = np.stack([_draw(outline, settings) for outline in outlines[first : first + CHUNK]])
        _send(to, {"kind": "rasters", "first": first}, pixels.tobytes())


def _draw(outline: Outline, settings: RasterSettings) -> NDArray[np.uint8]:
    """Blank where an outline encloses nothing: its glyph will look like nothing that is known."""
    try:
        return draw(outline, settings)
    except BadFont:
        return np.zeros((settings.size, settings.size), np.uint8)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C is for the parent, which ends this
    _serve(0, 1)
