"""What scoring's tests share: the shipped model at work, and fonts with faults put into them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fontTools.colorLib.builder import buildCOLR, buildCPAL
from fontTools.pens.recordingPen import DecomposingRecordingPen
from fontTools.pens.transformPen import TransformPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont

from bundles import default_bundle
from recognition.bundle import Bundle
from recognition.recogniser import Recogniser
from scoring.score import Scorer

Edit = Callable[[TTFont], None]


@pytest.fixture(scope="session")
def recogniser() -> Recogniser:
    return Recogniser(Bundle.load(default_bundle()))


@pytest.fixture(scope="session")
def scorer(recogniser: Recogniser) -> Iterator[Scorer]:
    with Scorer(recogniser) as made:
        yield made


def edited(path: Path, *edits: Edit) -> bytes:
    """A font's bytes after some edits."""
    font = TTFont(path, recalcTimestamp=False)
    for edit in edits:
        edit(font)
    out = io.BytesIO()
    font.save(out)
    return out.getvalue()


def drawn_as(target: str, source: str, matrix: tuple[float, ...] = (1, 0, 0, 1, 0, 0)) -> Edit:
    """The glyph of a character (or of that name) gets the outline and width of another, transformed."""

    def edit(font: TTFont) -> None:
        names, glyphs = font.getBestCmap(), font.getGlyphSet()
        goal, origin = (names.get(ord(text), text) if len(text) == 1 else text for text in (target, source))
        recorded = DecomposingRecordingPen(glyphs)
        glyphs[origin].draw(recorded)
        pen = TTGlyphPen(None)
        recorded.replay(TransformPen(pen, matrix))
        width = font["hmtx"][origin][0]
        font["glyf"][goal] = pen.glyph()
        font["hmtx"][goal] = width, 0
        if hasattr(font["glyf"][goal], "recalcBounds"):
            font["glyf"][goal].recalcBounds(font["glyf"])
            font["hmtx"][goal] = width, getattr(font["glyf"][goal], "xMin", 0)

    return edit


def swapped(first: str, second: str) -> Edit:
    """Two characters exchange their glyphs."""

    def edit(font: TTFont) -> None:
        for mapping in {id(table.cmap): table.cmap for table in font["cmap"].tables}.values():
            if ord(first) in mapping and ord(second) in mapping:
                mapping[ord(first)], mapping[ord(second)] = mapping[ord(second)], mapping[ord(first)]

    return edit


def emptied(character: str) -> Edit:
    """A character's glyph loses its ink."""

    def edit(font: TTFont) -> None:
        name = font.getBestCmap()[ord(character)]
        font["glyf"][name] = TTGlyphPen(None).glyph()

    return edit


def in_layers(font: TTFont) -> None:
    """Have every letter drawn by a layer of its own, and its glyph by nothing."""
    glyphs, layers = font["glyf"], {}
    for name in set(font.getBestCmap().values()):
        layer = f"{name}.layer"
        glyphs[layer], font["hmtx"][layer] = glyphs[name], font["hmtx"][name]
        glyphs[name] = TTGlyphPen(None).glyph()
        layers[name] = [(layer, 0)]
    font["COLR"] = buildCOLR(layers, version=0, glyphMap=font.getReverseGlyphMap(rebuild=True))
    font["CPAL"] = buildCPAL([[(1, 0, 0, 1)]])
    font["maxp"].numGlyphs = len(font.getGlyphOrder())
