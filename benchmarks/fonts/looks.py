"""How alike two glyphs look, as the recogniser is shown them: rasters scaled to the ink."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from glyphs.errors import BadFont
from glyphs.outline import Outline
from glyphs.raster import RasterSettings, draw

Ink = NDArray[np.bool_]

# A fault changed the picture if its ink overlaps the ink before by less: a dot is three hundredths of a
# letter at least.
CHANGED = 0.97
# Two glyphs whose pictures overlap so much, or whose strokes run so close to each other, may not stand for
# each other in a fault: nobody could tell that one is wrong (O and zero, o and O, a hyphen and a minus).
ALIKE_OVERLAP, ALIKE_STROKES = 0.85, 0.96
# A glyph whose strokes run so close to those of its mirror image is symmetric, give or take a serif or a
# stroke's weight.
SYMMETRIC = 0.88

_NEAR = 3  # pixels of 128 that a stroke may stray
_SETTINGS = RasterSettings(size=128, box=112)


def ink(outline: Outline | None) -> Ink:
    """Which pixels of its raster are ink; none without an outline that encloses an area."""
    if outline is not None:
        try:
            return draw(outline, _SETTINGS) > 127
        except BadFont:
            pass
    return np.zeros((_SETTINGS.size, _SETTINGS.size), np.bool_)


def overlap(first: Ink, second: Ink) -> float:
    """Pixels that both ink, of those that either inks: 1 for equal pictures."""
    either = int((first | second).sum())
    return int((first & second).sum()) / either if either else 1.0


def strokes(first: Ink, second: Ink) -> float:
    """Pixels that either inks near ink of the other: unlike `overlap`, it asks as little of thin strokes
    as of thick ones.
    """
    inked = int(first.sum() + second.sum())
    if not inked:
        return 1.0
    size = 2 * _NEAR + 1
    near = (first & maximum_filter(second, size)).sum() + (second & maximum_filter(first, size)).sum()
    return float(near) / inked


def alike(first: Ink, second: Ink) -> bool:
    """Whether one could stand for the other without anybody noticing."""
    return overlap(first, second) >= ALIKE_OVERLAP or strokes(first, second) >= ALIKE_STROKES
