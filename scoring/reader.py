"""Reading a font to be judged: every mapped character and every joining form, with what draws it; or to be
identified: every glyph, with the characters that are mapped to it.

Unlike a dataset, which keeps what can be learned from, this keeps what is wrong: characters without
ink, forms that are not there, glyphs that cannot be loaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from glyphs.errors import BadFont
from glyphs.fonts import Component, Face, FontFile, Glyph
from glyphs.labels import Form, Label, fold, forms_of
from glyphs.outline import Outline
from glyphs.shaping import Shaper

MAX_FACES = 1000  # of a file, named instances among them; each takes time though it maps next to nothing
_NOTDEF = 0
_TOO_MANY = ("It has more glyphs than it may have here.", "Raise the limit of glyphs.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A glyph of the font, or several placed together.

    index, name: of the first
    glyph: None without ink
    advance: of the first where there is no ink, em; otherwise it is among the glyph's metrics
    notdef: it is the missing glyph, or has its outline
    broken: why it cannot be loaded, or empty
    coloured: without an outline it is drawn all the same: by layers, paint, a picture or SVG
    """

    index: int
    name: str
    glyph: Glyph | None = None
    advance: float | None = None
    notdef: bool = False
    broken: str = ""
    coloured: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """What a face says a drawing is.

    codepoint: as mapped; label: with presentation forms folded
    drawing: its place among the face's drawings
    absent: the form is drawn as the isolated letter, so that nothing shows the font knows it
    """

    codepoint: int
    label: Label
    drawing: int
    absent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFace:
    """A face: its claims in order of code point and form, and the drawings they are about."""

    face: int
    instance: int
    family: str
    style: str
    units_per_em: int
    claims: tuple[Claim, ...]
    drawings: tuple[Drawing, ...]


class TooManyGlyphs(BadFont):
    """A font has more glyphs than whoever reads it allows."""


def read_faces(font: FontFile, most: int, *, every_glyph: bool = False) -> Iterator[ReadFace]:
    """Every face of a file, which has to map characters; or every glyph of its faces.

    most: claims of all faces together, or glyphs
    every_glyph: each member of a collection, once, with all its glyphs by index; what it maps, if anything,
        are its claims

    Raises:
        TooManyGlyphs: more than that.
        BadFont: not a font, too many faces, or a face that maps no characters and had to.
    """
    left, found = most, False
    try:
        for number, face in enumerate(font.faces()):
            if number == MAX_FACES:
                raise BadFont(f"It has more than {MAX_FACES} faces.")
            if every_glyph and face.instance > 1:  # whose glyphs show what those of the first one do
                continue
            try:
                read = _every_glyph(face, left) if every_glyph else _read(face, left)
            except TooManyGlyphs:
                raise
            except BadFont as error:  # to leave it out would pass it unseen
                which = f"Its face {face.index}: " if face.index else ""
                raise BadFont(f"{which}{error.message}") from None
            left, found = left - max(len(read.claims), len(read.drawings) if every_glyph else 0), True
            yield read
    except (BadFont, MemoryError):
        raise
    except Exception as error:  # a parser below may raise anything on a hostile file: name it
        raise BadFont(f"It broke a parser: {type(error).__name__}.") from None
    if not found:
        raise BadFont("It holds no face.")


def _read(face: Face, most: int) -> ReadFace:
    mapped = face.characters()
    if not mapped:
        raise BadFont("It maps no characters.")
    if len(mapped) > most:  # told before a glyph is loaded
        raise TooManyGlyphs(*_TOO_MANY)
    drawings = _Drawings(face)
    shaper = Shaper(face)
    claims: list[Claim] = []
    for codepoint, index in mapped.items():
        label = fold(codepoint)
        isolated, *joined = forms_of(codepoint) if label.codepoint == codepoint else (label.form,)
        claims.append(Claim(codepoint, Label(label.codepoint, isolated), drawings.place(index)))
        alone = shaper.shape(codepoint, Form.ISOL) if joined else ()
        for form in joined:
            # Nothing where the font cannot be shaped: its forms are then presentation forms alone.
            if components := shaper.shape(codepoint, form):
                place = drawings.place(components)
                claims.append(Claim(codepoint, Label(codepoint, form), place, components == alone))
        if len(claims) > most:
            raise TooManyGlyphs(*_TOO_MANY)
    return _found(face, claims, drawings)


def _every_glyph(face: Face, most: int) -> ReadFace:
    try:
        mapped = face.characters()
    except BadFont:  # it maps none
        mapped = {}
    if max(face.glyph_count, len(mapped)) > most:
        raise TooManyGlyphs(*_TOO_MANY)
    drawings = _Drawings(face)
    for index in range(face.glyph_count):
        drawings.place(index)
    claims = [Claim(codepoint, fold(codepoint), drawings.place(index)) for codepoint, index in mapped.items()]
    return _found(face, claims, drawings)


def _found(face: Face, claims: list[Claim], drawings: _Drawings) -> ReadFace:
    return ReadFace(
        face=face.index, instance=face.instance, family=face.family, style=face.style,
        units_per_em=face.units_per_em, claims=tuple(claims), drawings=tuple(drawings.found),
    )  # fmt: skip


class _Drawings:
    """The drawings of a face, each loaded once."""

    def __init__(self, face: Face) -> None:
        self._face = face
        self.found: list[Drawing] = []
        self._places: dict[int | tuple[Component, ...], int] = {}
        self._box: Outline | None = None
        box = self._load(_NOTDEF).glyph
        if box is not None:
            self._box = box.outline

    def place(self, drawn: int | tuple[Component, ...]) -> int:
        """Where a glyph, or several placed together, are among the drawings."""
        if isinstance(drawn, tuple) and len(drawn) == 1 and drawn[0] == Component(drawn[0].glyph_index):
            drawn = drawn[0].glyph_index
        if drawn not in self._places:
            self._places[drawn] = len(self.found)
            self.found.append(self._load(drawn))
        return self._places[drawn]

    def _load(self, drawn: int | tuple[Component, ...]) -> Drawing:
        index = drawn if isinstance(drawn, int) else drawn[0].glyph_index
        name = self._face.glyph_name(index)
        try:
            glyph = self._face.glyph(drawn)
            advance = None if glyph else self._face.advance(index)
        except BadFont as error:
            return Drawing(index=index, name=name, broken=error.message)
        missing = index == _NOTDEF if isinstance(drawn, int) else any(not c.glyph_index for c in drawn)
        if glyph is not None and not missing:
            missing = self._is_box(glyph.outline)
        coloured = glyph is None and self._face.is_coloured(index)
        return Drawing(
            index=index, name=name, glyph=glyph, advance=advance, notdef=missing, coloured=coloured
        )

    def _is_box(self, outline: Outline) -> bool:
        box = self._box
        # Most differ in how many points they have already, and need not be written out to be compared.
        return (
            box is not None
            and len(outline.points) == len(box.points)
            and outline.to_bytes() == box.to_bytes()
        )
