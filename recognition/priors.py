"""What is likely before a glyph is seen: the caller's prior. Its logarithm is added to the scores."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from glyphs.text import text_shares
from recognition.bundle import Bundle

# How many characters of a text are none that the counted texts have, or hardly: to them the font prior
# applies. Of 1 and 3 in 1,000 and 1, 3 and 10 in 100 it is what makes texts of other kinds least surprising.
_OTHERS = 0.01


class Prior(StrEnum):
    """uniform: every label alike; fonts: by how many font families have the label; text: by how often it
    stands in text, of the world's languages together.
    """

    UNIFORM = "uniform"
    FONTS = "fonts"
    TEXT = "text"


def log_prior(bundle: Bundle, prior: Prior) -> NDArray[np.float32]:
    """(L,) float32, of the bundle's labels in their order, up to a constant. No label is impossible."""
    if prior is Prior.UNIFORM:
        return np.zeros(len(bundle.labels), np.float32)
    if prior is Prior.FONTS:
        return bundle.log_prior
    shares, fonts = text_shares(), np.exp(bundle.log_prior, dtype=np.float64)
    text = np.array([shares.get(label, 0.0) for label in bundle.labels])
    fonts /= fonts.sum()
    if text.any():
        text /= text.sum()
    mixed: NDArray[np.float32] = np.log((1 - _OTHERS) * text + _OTHERS * fonts).astype(np.float32)
    return mixed
