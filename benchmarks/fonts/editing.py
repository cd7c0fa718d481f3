"""A font file whose glyphs can be drawn anew: TrueType and CFF, static."""

from __future__ import annotations

import io
from collections.abc import Iterable

from fontTools.pens.recordingPen import DecomposingRecordingPen
from fontTools.pens.t2CharStringPen import T2CharStringPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont, TTLibError

from benchmarks.fonts.drawings import Drawing
from glyphs.errors import BadFont


class EditableFont:
    """Glyphs are read as they were in the file, whatever has been written since."""

    def __init__(self, data: bytes) -> None:
        """Raises BadFont for a file that is no single static TrueType or CFF font."""
        try:
            self._font = TTFont(io.BytesIO(data), recalcBBoxes=False, recalcTimestamp=False)
        except TTLibError as error:
            raise BadFont(f"It cannot be edited: {error}.") from None
        if "fvar" in self._font or not ("glyf" in self._font or "CFF " in self._font):
            raise BadFont("Only static TrueType and CFF fonts can be edited.")
        self._source = TTFont(io.BytesIO(data)).getGlyphSet()
        self.units_per_em: int = self._font["head"].unitsPerEm

    @property
    def glyphs(self) -> int:
        """How many there are."""
        return len(self._font.getGlyphOrder())

    def name(self, index: int) -> str:
        """What fontTools calls the glyph of an index."""
        name: str = self._font.getGlyphName(index)
        return name

    def index(self, name: str) -> int:
        index: int = self._font.getGlyphID(name)
        return index

    def read(self, name: str) -> Drawing:
        """Outline and advance, components dissolved."""
        glyph = self._source[name]
        return Drawing.recorded(glyph.draw, round(glyph.width), DecomposingRecordingPen(self._source))

    def write(self, name: str, drawing: Drawing) -> None:
        """Draw a glyph anew. Composites made of it change with it: `dissolve` them first."""
        if "glyf" in self._font:
            self._write_truetype(name, drawing)
        else:
            self._write_cff(name, drawing)

    def composites_of(self, names: Iterable[str]) -> list[str]:
        """Glyphs that have any of these among their components, however deep; without these themselves."""
        if "glyf" not in self._font:
            return []
        table = self._font["glyf"]
        touched = set(names)
        direct = {
            name: set(glyph.getComponentNames(table))
            for name in self._font.getGlyphOrder()
            if (glyph := table[name]).isComposite()
        }
        found: set[str] = set()
        while more := {n for n, parts in direct.items() if parts & (touched | found)} - found - touched:
            found |= more
        return sorted(found)

    def dissolve(self, name: str) -> None:
        """Make a composite an outline of its own, of the same look."""
        self.write(name, self.read(name))

    def save(self) -> bytes:
        out = io.BytesIO()
        self._font.save(out, reorderTables=None)
        return out.getvalue()

    def _write_truetype(self, name: str, drawing: Drawing) -> None:
        table, limits = self._font["glyf"], self._font["maxp"]
        pen = TTGlyphPen(None)
        drawing.replay(pen)
        glyph = pen.glyph()
        table[name] = glyph
        glyph.recalcBounds(table)
        # FreeType moves an outline so that it begins at its left bearing.
        self._font["hmtx"][name] = (drawing.advance, getattr(glyph, "xMin", 0))
        if glyph.numberOfContours > 0:
            limits.maxPoints = max(limits.maxPoints, len(glyph.coordinates))
            limits.maxContours = max(limits.maxContours, glyph.numberOfContours)

    def _write_cff(self, name: str, drawing: Drawing) -> None:
        top = self._font["CFF "].cff.topDictIndex[0]
        private = top.CharStrings[name].private  # a CID font has several
        width = drawing.advance
        pen = T2CharStringPen(None if width == private.defaultWidthX else width - private.nominalWidthX, None)
        drawing.replay(pen)
        top.CharStrings[name] = pen.getCharString(private=private, globalSubrs=top.GlobalSubrs)
        box = drawing.box
        self._font["hmtx"][name] = (width, int(box[0]) if box else 0)
