"""Glyphs inside figures: no font on a machine has every script, the data's own rasters have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from numpy.typing import NDArray
from PIL import Image

from glyphs.dataset.store import GlyphTable
from glyphs.labels import Label
from glyphs.raster import RasterSettings
from glyphs.splits import Split
from training.data.source import Pixels, Source


class Portraits:
    """One raster for each label: a plain one, where fonts are many.

    Of the training families that have the label, the one that draws the most glyphs, and of its fullest fonts
    the one in the middle by weight. Labels that no training family has get None.
    """

    def __init__(
        self, source: Source, labels: Sequence[Label], wanted: NDArray[np.int64], settings: RasterSettings
    ) -> None:
        """wanted: places among `labels` of those that may be asked for."""
        table = source.table(Split.TRAIN)
        place = source.places(labels)[table.label]
        rows = np.flatnonzero(np.isin(place, wanted))
        drawn = np.bincount(table.family)[table.family[rows]]
        rows = rows[np.lexsort((_oddness(table)[table.font[rows]], -drawn, place[rows]))]
        found, first = np.unique(place[rows], return_index=True)
        self._ids: Mapping[int, int] = dict(
            zip(found.tolist(), table.shape[rows[first]].tolist(), strict=True)
        )
        self._shapes, self._settings = source.shapes(self._ids.values()), settings

    def __getitem__(self, place: int) -> Pixels | None:
        identifier = self._ids.get(int(place))
        return None if identifier is None else self._shapes.draw(identifier, self._settings)


def _oddness(table: GlyphTable) -> NDArray[np.float64]:
    """Font id -> how far its thinnest glyphs' width, em, is from the median of its family's fullest fonts.

    Bars and dots are as wide as strokes. Fonts that draw less than the fullest come after all of those.
    """
    order = np.lexsort((table.metrics[:, 0], table.font))
    fonts, first, count = np.unique(table.font[order], return_index=True, return_counts=True)
    stroke, family = table.metrics[order[first + count // 50], 0], table.family[order[first]]
    odd = np.zeros(fonts.max(initial=0) + 1)
    for one in np.unique(family):
        of = family == one
        fullest = count[of] == count[of].max()
        odd[fonts[of]] = abs(stroke[of] - np.median(stroke[of][fullest])) + 100.0 * ~fullest
    return odd


def shown(raster: Pixels) -> Pixels:
    """(S, S) ink, or (3, S, S) colours -> (S, S, 3) as people see it: dark on white."""
    if raster.ndim == 3:
        return raster.transpose(1, 2, 0)
    return np.repeat(255 - raster[:, :, None], 3, axis=2)


def stamp(axes: Axes, raster: Pixels | None, at: tuple[float, float], points: float, **placing: Any) -> None:
    """Put a glyph at a place of the axes, so many points wide; `placing` as for AnnotationBbox."""
    if raster is None:
        return
    dots = round(points * mpl.rcParams["savefig.dpi"] / 72)
    pixels = Image.fromarray(shown(raster)).resize((dots, dots), Image.Resampling.LANCZOS)
    picture = OffsetImage(np.asarray(pixels), zoom=points / dots)
    axes.add_artist(AnnotationBbox(picture, at, frameon=False, pad=0, annotation_clip=False, **placing))


def glyph_ticks(
    axes: Axes, places: Sequence[int], of: Portraits, *, points: float = 16, across: bool
) -> None:
    """Tick the labels at 0, 1, ...: a portrait next to the axis; give the tick labels room for it."""
    for number, place in enumerate(places):
        coordinates = ("data", "axes fraction") if across else ("axes fraction", "data")
        at, offset = ((number, 0), (0, -points * 0.75)) if across else ((0, number), (-points * 0.75, 0))
        stamp(axes, of[place], at, points, xybox=offset, xycoords=coordinates, boxcoords="offset points")
    axes.tick_params(axis="x" if across else "y", length=0, pad=points * 1.5)
