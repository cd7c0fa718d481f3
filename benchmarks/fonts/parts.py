"""The pieces of ink that a glyph is made of, and which of them are dots and marks."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from benchmarks.fonts.drawings import Box, Drawing, on_curve
from glyphs.errors import BadFont
from glyphs.labels import Label
from glyphs.raster import RasterSettings, draw

_SETTINGS = RasterSettings(size=256, box=240)
_DOT_AREA, _MARK_AREA = 0.35, 0.6  # of the body's ink, at most
# The letters of Arabic and Persian that have dots; of others, those whose Unicode name says so.
_DOTTED = frozenset("بتثجخذزشضظغفقنيةپچژی")
_DOT_OF_ITS_OWN = frozenset("ij")  # Unicode does not take their dots for marks


@dataclass(frozen=True, slots=True)
class Part:
    """Contours that bound one connected piece of ink.

    contours: their numbers
    area: pixels of ink
    """

    contours: frozenset[int]
    box: Box
    area: int


def parts(drawing: Drawing) -> list[Part]:
    """The pieces of ink, largest first."""
    box, outline = drawing.box, drawing.outline(1000)
    if box is None or outline is None:
        return []
    try:
        raster = draw(outline, _SETTINGS)
    except BadFont:
        return []
    pieces, count = ndimage.label(raster > 127, np.ones((3, 3)))
    around = ndimage.maximum_filter(pieces, 5)  # a contour runs along its ink, half a pixel in or out
    scale = _SETTINGS.box / max(box[2] - box[0], box[3] - box[1])
    middle = np.array([box[0] + box[2], box[1] + box[3]]) / 2
    bounds: dict[int, list[int]] = {}
    points: dict[int, list[np.ndarray]] = {}
    for number, contour in enumerate(drawing.contours):
        sampled = on_curve(contour)
        pixels = (sampled - middle) * scale * (1, -1) + _SETTINGS.size / 2
        columns, rows = np.clip(pixels.astype(int), 0, _SETTINGS.size - 1).T
        votes = np.bincount(around[rows, columns], minlength=count + 1)[1:]
        if votes.any():
            piece = int(votes.argmax()) + 1
            bounds.setdefault(piece, []).append(number)
            points.setdefault(piece, []).append(sampled)
    areas = np.bincount(pieces.ravel(), minlength=count + 1)
    found = []
    for piece, numbers in bounds.items():
        every = np.concatenate(points[piece])
        (left, bottom), (right, top) = every.min(axis=0), every.max(axis=0)
        found.append(Part(frozenset(numbers), (left, bottom, right, top), int(areas[piece])))
    return sorted(found, key=lambda part: -part.area)


def marks(label: Label, pieces: list[Part]) -> list[Part]:
    """The dots or accents among a glyph's pieces; none where its character has none.

    An accent stands clear above or below the rest, an Arabic dot anywhere.
    """
    if len(pieces) < 2:
        return []
    body, *others = pieces
    if is_dotted(label):
        return [part for part in others if part.area <= _DOT_AREA * body.area]
    if not is_accented(label):
        return []
    return [part for part in others if part.area <= _MARK_AREA * body.area and _clear(part, body)]


def is_dotted(label: Label) -> bool:
    """An Arabic letter that its dots tell from others."""
    character = label.character
    if character.script != "Arab" or not character.category.startswith("L"):
        return False
    return character.text in _DOTTED or (" DOT" in character.name and "DOTLESS" not in character.name)


def is_accented(label: Label) -> bool:
    """A letter that Unicode decomposes into a base and marks; and i and j."""
    character = label.character
    added = unicodedata.normalize("NFD", character.text)[1:]
    marked = bool(added) and all(unicodedata.combining(mark) for mark in added)
    return character.category.startswith("L") and (marked or character.text in _DOT_OF_ITS_OWN)


def _clear(part: Part, body: Part) -> bool:
    """Whether it lies above or below the body, but for a twentieth of the body's height."""
    slack = 0.05 * (body.box[3] - body.box[1])
    return part.box[1] >= body.box[3] - slack or part.box[3] <= body.box[1] + slack
