"""A contact sheet: a grid of glyphs of a dataset, to be looked at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from glyphs.dataset.shapes import Shapes
from glyphs.dataset.store import Dataset
from glyphs.errors import BadDataset, GlypheryError
from glyphs.raster import RasterSettings

_CELL, _CAPTION = 72, 14
_SETTINGS = RasterSettings(size=64, box=56)


def contact_sheet(
    dataset: Dataset,
    *,
    scripts: frozenset[str] = frozenset(),
    columns: int = 20,
    rows: int = 12,
) -> Image.Image:
    """Random glyphs, every one of another label while labels last, captioned with their labels.

    Raises:
        BadDataset: the dataset has no glyph of those scripts.
    """
    labels = dataset.labels()
    table = dataset.table()
    if scripts:
        wanted = [i for i, label in labels.items() if label.character.script in scripts]
        table = table.take(np.isin(table.label, wanted))
    if not len(table):
        raise BadDataset(f"{dataset.path} has no glyph of {', '.join(sorted(scripts)) or 'any script'}.")
    shuffled = table.take(np.random.default_rng(0).permutation(len(table)))
    _, first = np.unique(shuffled.label, return_index=True)
    chosen: NDArray[np.int64] = np.sort(first)[: columns * rows]
    if len(chosen) < columns * rows:
        rest = np.setdiff1d(np.arange(len(shuffled)), chosen)
        chosen = np.r_[chosen, rest[: columns * rows - len(chosen)]]
    shuffled = shuffled.take(chosen)
    shapes = Shapes(dataset, shuffled.shape.tolist())
    used = -(-len(shuffled) // columns)
    sheet = Image.new("L", (columns * _CELL, used * (_CELL + _CAPTION)), 255)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(10)
    for place in range(len(shuffled)):
        x, y = place % columns * _CELL + 4, place // columns * (_CELL + _CAPTION) + 4
        try:
            sheet.paste(Image.fromarray(255 - shapes.draw(int(shuffled.shape[place]), _SETTINGS)), (x, y))
        except GlypheryError:
            pen.line((x, y, x + 64, y + 64), fill=128)
        pen.text((x + 32, y + 66), str(labels[int(shuffled.label[place])]), fill=96, font=font, anchor="mt")
    return sheet
