"""Reading fonts: a file becomes faces, a face gives outlines and metrics by glyph index.

FreeType reads TrueType, CFF, collections, WOFF, WOFF2, Type 1 and the named instances of
variable fonts. HarfBuzz (for joining forms) reads sfnt only, so web fonts are unpacked by
fontTools first. Outlines are read straight from FreeType's memory: its Python accessors cost
thirty times the work itself.
"""

from __future__ import annotations

import ctypes
import io
import logging
import os
import re
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import freetype
import freetype.raw as ft
import numpy as np
import uharfbuzz as hb
from fontTools.ttLib import TTFont
from numpy.typing import NDArray

from glyphs import foreign
from glyphs.errors import BadFont
from glyphs.outline import Outline

MAX_FONT_BYTES = 128 * 2**20
MAX_NAME = 1000  # characters of a family's, style's or glyph's name that are kept; a Type 1 font's has no end
MAX_GLYPH_POINTS = 20_000  # beyond it a glyph is a map or a photograph, not a character

_TOO_LARGE_UNPACKED = f"Unpacked, it is larger than {MAX_FONT_BYTES >> 20} MiB."
_SFNT = (b"\0\1\0\0", b"OTTO", b"true", b"ttcf")
_WEB = (b"wOFF", b"wOF2")
_LOAD = ft.FT_LOAD_NO_SCALE | ft.FT_LOAD_NO_BITMAP
# FreeType does not call a font scalable that has pictures beside its outlines (FT_FACE_FLAG_SBIX, which
# freetype-py does not name).
_OUTLINED = freetype.FT_FACE_FLAG_SCALABLE | 1 << 17
_UNCLOSED = re.compile(r"\((\w+), (?!.*\))")
_STYLE_WORDS = re.compile(
    r"[ _-]+(thin|hairline|(extra|ultra|semi|demi)?[ _-]?(light|bold|black|condensed|expanded)|regular|book"
    r"|medium|heavy|black|italic|oblique|roman|wide|narrow|compressed|ui|display|text|caption|subhead|web|pro|std)$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Metrics:
    """Where a glyph's ink sits, in em: box width and height, its bottom above the baseline, advance."""

    width: float
    height: float
    bottom: float
    advance: float


@dataclass(frozen=True, slots=True)
class Glyph:
    """An outline with its metrics.

    origin: where the outline's own origin lies from the glyph's, font units
    """

    outline: Outline
    metrics: Metrics
    origin: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Component:
    """A glyph index placed at an offset, font units: shaping may build one letter from several."""

    glyph_index: int
    x: int = 0
    y: int = 0


class Face:
    """One face of a font file (a member of a collection, or a named instance).

    Not safe to share between threads: FreeType's glyph slot is one per face.
    """

    def __init__(self, data: bytes, sfnt: bytes | None, index: int, instance: int) -> None:
        self.index, self.instance = index, instance
        self.sfnt = sfnt
        self._shaped: tuple[hb.Face, hb.Font] | None = None
        self._face = _open(data, (instance << 16) | index)
        outlined = self._face._FT_Face.contents.face_flags & _OUTLINED
        if not outlined or self._face.units_per_EM <= 0:
            raise BadFont("It holds bitmaps only, no outlines.")
        # Where FreeType puts the glyph it has loaded: the same place for as long as the face is open.
        slot = self._face._FT_Face.contents.glyph.contents
        self._metrics: Any = slot.metrics
        self._at_face = ctypes.cast(self._face._FT_Face, ctypes.c_void_p).value
        self._at_shape = ctypes.addressof(slot.outline)
        self._shape: Any = foreign.OutlineStructure.from_address(self._at_shape)
        self._boxes = (ctypes.c_long * 8)()  # of the curves, and of their points
        begin, half = ctypes.addressof(self._boxes), ctypes.sizeof(self._boxes) // 2
        self._at_boxes = begin, begin + half
        self.units_per_em: int = self._face.units_per_EM
        self.glyph_count: int = self._face.num_glyphs
        self.family = _decode(self._face.family_name) or "Unnamed"
        self.style = _decode(self._face.style_name) or "Regular"

    def is_coloured(self, glyph_index: int) -> bool:
        """Whether a glyph is drawn by layers, paint, a picture or SVG, of which its outline says nothing."""
        if self.sfnt is None:
            return False
        if self._shaped is None:
            face = hb.Face(self.sfnt, self.index)
            self._shaped = face, hb.Font(face)
        face, font = self._shaped
        return bool(
            hb.ot_color_glyph_has_paint(face, glyph_index)
            or hb.ot_color_glyph_get_layers(face, glyph_index)
            or (hb.ot_color_has_svg(face) and len(hb.ot_color_glyph_get_svg(face, glyph_index)))
            or (hb.ot_color_has_png(face) and len(hb.ot_color_glyph_get_png(font, glyph_index)))
        )

    @property
    def licence(self) -> str:
        """What the font says of its licence; read when asked, for a font may have 65,535 names of 64 KiB."""
        return self._name(13) or self._name(14)

    def _name(self, identifier: int) -> str:
        try:
            names = [self._face.get_sfnt_name(i) for i in range(self._face.sfnt_name_count)]
        except freetype.FT_Exception:
            return ""
        for name in names:
            if name.name_id == identifier:
                encoding = "utf-16-be" if name.platform_id in (0, 3) else "latin-1"
                return str(name.string.decode(encoding, "replace")).strip()
        return ""

    def characters(self) -> dict[int, int]:
        """Code point -> glyph index of the Unicode character map, in order of code point.

        Raises:
            BadFont: the font maps no Unicode characters (symbol fonts encode pictures privately).
        """
        handle, index = self._face._FT_Face, ctypes.c_uint()
        charmap = handle.contents.charmap  # NULL where FreeType found none for Unicode
        if not charmap or charmap.contents.encoding != freetype.FT_ENCODING_UNICODE:
            symbols = any(one.encoding == freetype.FT_ENCODING_MS_SYMBOL for one in self._face.charmaps)
            which = ", but one for symbols, which does not say what its glyphs are" if symbols else ""
            raise BadFont(f"It has no Unicode character map{which}.")
        found: dict[int, int] = {}
        code = ft.FT_Get_First_Char(handle, ctypes.byref(index))
        while index.value and code <= sys.maxunicode:  # a hostile map goes on to 2**32
            if not 0xD800 <= code <= 0xDFFF:
                found[code] = index.value
            code = ft.FT_Get_Next_Char(handle, ctypes.c_ulong(code), ctypes.byref(index))
        return found

    def glyph(self, components: int | tuple[Component, ...]) -> Glyph | None:
        """Outline and metrics of a glyph index, or of several placed glyphs; None without ink.

        Raises:
            BadFont: the glyph cannot be loaded.
        """
        if isinstance(components, int):
            parts = [self._load(components)]
        else:
            parts = [self._load(part.glyph_index, part.x, part.y) for part in components]
        inked = [part for part in parts if len(part.points)]
        if not inked:
            return None
        whole = inked[0] if len(inked) == 1 else _together(inked)
        left, bottom, right, top = whole.box
        if right <= left or top <= bottom:  # a line without width leaves no ink either
            return None
        x, y, far_x, far_y = whole.control_box
        if len(whole.points) > MAX_GLYPH_POINTS or max(far_x - x, far_y - y) > 32767:
            raise BadFont("A glyph is larger than any character should be.")
        em = self.units_per_em
        points = (whole.points - np.array((x, y))).astype(np.int32)
        advance = max([part.advance for part in parts])
        metrics = Metrics((right - left) / em, (top - bottom) / em, bottom / em, advance / em)
        return Glyph(Outline(points, whole.tags, whole.contours, em), metrics, (x, y))

    def advance(self, glyph_index: int) -> float:
        """How far a glyph moves the pen, in em, with ink or without.

        Raises:
            BadFont: the glyph cannot be loaded.
        """
        return self._load(glyph_index).advance / self.units_per_em

    def glyph_name(self, index: int) -> str:
        """What the font calls a glyph; `gid12` where it gives no name."""
        try:
            name = _decode(self._face.get_glyph_name(index))
        except freetype.FT_Exception:  # a font without names
            name = ""
        return name or f"gid{index}"

    def _load(self, glyph_index: int, x: int = 0, y: int = 0) -> _Part:
        """A glyph placed at (x, y), font units."""
        if foreign.load_glyph(self._at_face, glyph_index, _LOAD):
            raise BadFont(f"Glyph {glyph_index} cannot be loaded.")
        shape = self._shape
        n_points, n_contours = shape.n_points, shape.n_contours
        advance = x + self._metrics.horiAdvance
        if n_points <= 0 or n_contours <= 0:
            return _Part(_NO_POINTS, _NO_TAGS, _NO_CONTOURS, (0, 0, 0, 0), (0, 0, 0, 0), advance)
        vectors = ctypes.string_at(shape.points, n_points * 2 * foreign.LONG.itemsize)
        points = np.frombuffer(vectors, foreign.LONG).reshape(-1, 2).astype(np.int64, copy=False)
        if x or y:
            points = points + np.array([x, y])
        tags = np.frombuffer(ctypes.string_at(shape.tags, n_points), np.uint8)
        contours = np.frombuffer(ctypes.string_at(shape.contours, 2 * n_contours), np.int16)
        foreign.get_control_box(self._at_shape, self._at_boxes[1])
        refused = foreign.get_box(self._at_shape, self._at_boxes[0])
        left, bottom, right, top, *of_points = self._boxes
        of_curves = (0, 0, 0, 0) if refused else (left, bottom, right, top)
        if x or y:
            return _Part(points, tags, contours, _moved(of_curves, x, y), _moved(of_points, x, y), advance)
        return _Part(points, tags, contours, of_curves, of_points, advance)


_Box = Sequence[int]  # left, bottom, right, top; font units


class _Part(NamedTuple):
    """box: of the curves; control_box: of the points"""

    points: NDArray[np.int64]
    tags: NDArray[np.uint8]
    contours: NDArray[np.int16]
    box: _Box
    control_box: _Box
    advance: int


def _together(parts: list[_Part]) -> _Part:
    starts = np.cumsum([0, *(len(part.points) for part in parts[:-1])])
    return _Part(
        np.concatenate([part.points for part in parts]),
        np.concatenate([part.tags for part in parts]),
        np.concatenate([part.contours + start for part, start in zip(parts, starts, strict=True)]).astype(
            np.int16
        ),
        _around([part.box for part in parts]),
        _around([part.control_box for part in parts]),
        max(part.advance for part in parts),
    )


def _moved(box: _Box, x: int, y: int) -> _Box:
    left, bottom, right, top = box
    return left + x, bottom + y, right + x, top + y


def _around(boxes: list[_Box]) -> _Box:
    lefts, bottoms, rights, tops = zip(*boxes, strict=True)
    return min(lefts), min(bottoms), max(rights), max(tops)


_NO_POINTS = np.zeros((0, 2), np.int64)
_NO_TAGS = np.zeros(0, np.uint8)
_NO_CONTOURS = np.zeros(0, np.int16)


@dataclass(frozen=True, slots=True)
class FontFile:
    """A font file's bytes and identity; `faces` opens what it holds."""

    path: Path
    data: bytes
    sha256: str

    @classmethod
    def read(cls, path: Path) -> FontFile:
        """Raises BadFont where the file cannot be read or is beyond MAX_FONT_BYTES."""
        try:
            with open(path, "rb", opener=_without_waiting) as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise BadFont("It is no file.")  # a pipe may keep silent, and a device never end
                data = file.read(MAX_FONT_BYTES + 1) or b""
        except (OSError, ValueError) as error:  # the latter of a name with a null in it
            raise BadFont(f"It cannot be read: {getattr(error, 'strerror', None) or error}.") from None
        if len(data) > MAX_FONT_BYTES:
            raise BadFont(f"It is larger than {MAX_FONT_BYTES >> 20} MiB.")
        return cls(path, data, sha256(data).hexdigest())

    def faces(self) -> Iterator[Face]:
        """Every face: members of a collection; a variable font's named instances, in its default's place.

        Raises:
            BadFont: not a font, truncated, or without outlines.
        """
        sfnt = self._sfnt()
        data = self.data if sfnt is None else sfnt
        for index in range(_open(data, 0).num_faces):
            probe = _open(data, index)  # kept: its memory goes with it
            instances = int(probe._FT_Face.contents.style_flags) >> 16
            for instance in range(1, instances + 1) if instances else (0,):
                yield Face(data, sfnt, index, instance)

    def _sfnt(self) -> bytes | None:
        if self.data[:4] in _SFNT:
            return self.data
        if self.data[:4] not in _WEB:
            return None
        # What it claims to come to unpacked; one that lies about that is caught when it is unpacked.
        if int.from_bytes(self.data[16:20], "big") > MAX_FONT_BYTES:
            raise BadFont(_TOO_LARGE_UNPACKED)
        try:
            font = TTFont(io.BytesIO(self.data), lazy=True)
            font.flavor = None
            unpacked = io.BytesIO()
            font.save(unpacked, reorderTables=None)
        except MemoryError:
            raise
        except Exception as error:  # fontTools raises whatever its struct reader met in a broken file
            raise BadFont(f"Its web font packing is broken: {type(error).__name__}.") from None
        if unpacked.tell() > MAX_FONT_BYTES:
            raise BadFont(_TOO_LARGE_UNPACKED)
        return unpacked.getvalue()


def family_key(name: str) -> str:
    """A family's name without style words, so that "Foo Light" and "Foo UI" are "Foo"."""
    key = " ".join(name.split())
    while (shorter := _STYLE_WORDS.sub("", key)) != key and shorter:
        key = shorter
    return key


def _open(data: bytes, index: int) -> freetype.Face:
    try:
        return freetype.Face(io.BytesIO(data), index=index)
    except (freetype.FT_Exception, ValueError) as error:
        raise BadFont(f"It is no font FreeType can read: {_reason(error)}.") from None


def _reason(error: Exception) -> str:
    """FreeType's own words, without its Python wrapper's, which lacks brackets in some of them: `horizontal
    header (hhea, table missing`.
    """
    said = str(error).removeprefix("FT_Exception:").strip(" ()")
    return _UNCLOSED.sub(r"(\1) ", said) or type(error).__name__


def _without_waiting(path: str, flags: int) -> int:
    """Open a file, and a pipe without waiting for who writes to it."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _decode(name: bytes | None) -> str:
    return (name or b"")[: 4 * MAX_NAME].decode("utf-8", "replace").strip()[:MAX_NAME]


logging.getLogger("fontTools").setLevel(logging.ERROR)
