"""The rule that keeps picture fonts out: their letters look like no other font's letters.

Dingbat and symbol fonts map pictures onto A-Z. For each of the 62 Latin letters and digits the
mean raster over all families is taken as what the letter looks like; a family whose letters
correlate with their means no better than chance is not writing those letters. The rule looks at
shapes only, never at a trained model, so that it may be applied to test families too. Families
listed in `data/excluded-families.tsv`, each with its reason, are set aside by name.
"""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

import numpy as np

from glyphs.dataset.shapes import Shapes
from glyphs.errors import GlypheryError
from glyphs.labels import Label
from glyphs.raster import RasterSettings
from glyphs.tables import read_list

if TYPE_CHECKING:
    from glyphs.dataset.store import Dataset

LEAST_LETTERS = 10  # a family with fewer of the 62 cannot be judged, and is kept
LEAST_CORRELATION = 0.22
_SMALL = RasterSettings(size=32, box=28)
_JUDGED = [Label(ord(letter)) for letter in string.ascii_letters + string.digits]


def listed_families() -> dict[str, str]:
    """Family -> reason, from the list in the repository."""
    return {family: reason for family, reason, *_ in read_list("excluded-families.tsv")}


def legibility(dataset: Dataset) -> dict[str, tuple[float, int]]:
    """Family -> (mean correlation of its letters with the letters' mean rasters, letters judged)."""
    ids = dataset.label_ids()
    judged = [ids[label] for label in _JUDGED if label in ids]
    table = dataset.table(excluded=True)
    table = table.take(np.isin(table.label, judged))
    # One face a family is enough: the first that has most of the letters.
    names = {identifier: name for identifier, name, _, _ in dataset.families()}
    rows: list[int] = []
    for family in np.unique(table.family):
        members = np.flatnonzero(table.family == family)
        fonts, counts = np.unique(table.font[members], return_counts=True)
        rows.extend(members[table.font[members] == fonts[counts.argmax()]])
    table = table.take(np.array(rows, np.int64))
    shapes = Shapes(dataset, table.shape.tolist())
    pictures = np.zeros((len(table), _SMALL.size**2), np.float32)
    for row, shape in enumerate(table.shape):
        try:
            pictures[row] = shapes.draw(int(shape), _SMALL).ravel()
        except GlypheryError:
            continue  # an undrawable letter counts as unlike its fellows
    pictures -= pictures.mean(axis=1, keepdims=True)
    pictures /= np.linalg.norm(pictures, axis=1, keepdims=True) + 1e-6
    correlation = np.zeros(len(table), np.float32)
    for label in np.unique(table.label):
        of_label = table.label == label
        mean = pictures[of_label].mean(axis=0)
        correlation[of_label] = pictures[of_label] @ (mean / (np.linalg.norm(mean) + 1e-6))
    return {
        names[int(family)]: (
            float(correlation[table.family == family].mean()),
            int((table.family == family).sum()),
        )
        for family in np.unique(table.family)
    }


def illegible_families(dataset: Dataset) -> dict[str, str]:
    """Family -> why it is kept out."""
    reasons = {
        family: f"its letters look like no letters (correlation {score:.2f} with the mean letter)"
        for family, (score, letters) in legibility(dataset).items()
        if letters >= LEAST_LETTERS and score < LEAST_CORRELATION
    }
    return reasons | listed_families()
