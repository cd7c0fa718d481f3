"""Degraded pictures: each a pure function of an outline, a strength and what is drawn by lot.

Dark ink on light paper; the glyph's longer side is 64 px in a picture of 80 px unless the degradation says
otherwise. What is drawn by lot (noise, signs, light) depends on the glyph's number alone, so that the
strengths of a degradation differ in strength alone.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator, Philox
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from glyphs.outline import Outline
from glyphs.raster import UNDISTORTED, Distortion, RasterSettings, draw

Pixels = NDArray[np.uint8]
Paint = Callable[[Outline, float, Generator], bytes]
_SEED = 0
_SIDE = 80  # px of a picture; the glyph's longer side is four fifths of it
_INK = 64


@dataclass(frozen=True, slots=True)
class Degradation:
    """strengths: weakest first, in `unit`; middle: the one of them that a recogniser should stand."""

    title: str
    unit: str
    strengths: tuple[float, ...]
    middle: float
    paint: Paint

    def picture(self, outline: Outline, strength: float, number: int) -> bytes:
        """A PNG or JPEG of glyph `number`; the same arguments give the same bytes.

        Raises:
            BadFont: nothing is left of the outline.
        """
        return self.paint(outline, strength, Generator(Philox(key=[_SEED, number])))


def _drawn(outline: Outline, side: int = _SIDE, distortion: Distortion = UNDISTORTED) -> Pixels:
    """(side, side) dark on light."""
    return 255 - draw(outline, RasterSettings(size=side, box=round(0.8 * side)), distortion)


def _png(pixels: Pixels) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def _jpeg(pixels: Pixels, quality: float) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=round(quality))
    return out.getvalue()


def _blurred(pixels: Pixels, sigma: float) -> Pixels:
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(sigma)))


def _between(pixels: Pixels, ink: float, paper: float) -> NDArray[np.float64]:
    """Black and white brought to two grey levels."""
    return ink + (paper - ink) * (pixels / 255)


def _rounded(grey: NDArray[np.float64]) -> Pixels:
    return np.rint(np.clip(grey, 0, 255)).astype(np.uint8)


def _sign(rng: Generator) -> int:
    return 1 if rng.random() < 0.5 else -1


def _turned(degrees: float) -> NDArray[np.float64]:
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[cosine, -sine], [sine, cosine]])


# --- the degradations ---------------------------------------------------------------------------


def _sized(outline: Outline, side: float, _: Generator) -> bytes:
    return _png(_drawn(outline, round(side)))


def _out_of_focus(outline: Outline, share: float, _: Generator) -> bytes:
    return _png(_blurred(_drawn(outline), share / 100 * _INK))


def _compressed(outline: Outline, quality: float, _: Generator) -> bytes:
    return _jpeg(_drawn(outline), quality)


def _noisy(outline: Outline, sigma: float, rng: Generator) -> bytes:
    # Grey enough at either end that noise goes both ways.
    grey = _between(_drawn(outline), 25, 230)
    return _png(_rounded(grey + sigma * rng.standard_normal(grey.shape)))


def _specked(outline: Outline, share: float, rng: Generator) -> bytes:
    pixels = _drawn(outline)
    chance, value = rng.random(pixels.shape), rng.random(pixels.shape)
    return _png(np.where(chance < share / 100, np.where(value < 0.5, 0, 255), pixels).astype(np.uint8))


def _binarised(outline: Outline, off: float, rng: Generator) -> bytes:
    small = _blurred(_drawn(outline, 40), 0.6)  # 32 px of glyph
    threshold = 255 * (0.5 + _sign(rng) * off / 100)
    return _png(np.where(small < threshold, 0, 255).astype(np.uint8))


def _thinned(outline: Outline, weight: float, _: Generator) -> bytes:
    return _png(_drawn(outline, distortion=Distortion(weight=-weight)))


def _thickened(outline: Outline, weight: float, _: Generator) -> bytes:
    return _png(_drawn(outline, distortion=Distortion(weight=weight)))


def _rotated(outline: Outline, degrees: float, rng: Generator) -> bytes:
    return _png(_drawn(outline, distortion=Distortion(matrix=_turned(_sign(rng) * degrees))))


def _faint(outline: Outline, contrast: float, rng: Generator) -> bytes:
    paper = 135 + 120 * rng.random()
    return _png(_rounded(_between(_drawn(outline), paper - contrast, paper)))


def _photographed(outline: Outline, strength: float, rng: Generator) -> bytes:
    """A page under a lamp, held askew: strength 1 is what a hand-held phone does to print."""
    degrees, light, *moved = rng.uniform(-1, 1, 10)
    noise = rng.standard_normal((_SIDE, _SIDE))
    large = _drawn(outline, 2 * _SIDE, Distortion(matrix=_turned(3 * strength * degrees)))
    askew = _askew(large, 0.05 * strength * np.reshape(moved, (4, 2)))
    grey = _between(_blurred(askew, 0.8 * strength), 45, 225)
    y, x = np.mgrid[:_SIDE, :_SIDE] / _SIDE - 0.5
    falls = x * math.cos(math.pi * light) + y * math.sin(math.pi * light)  # -0.7 to 0.7
    shaded = grey * (1 - 0.3 * strength * (0.5 + falls)) + 5 * strength * noise
    return _jpeg(_rounded(shaded), 90 - 25 * strength)


def _askew(large: Pixels, moved: NDArray[np.float64]) -> Pixels:
    """Seen from the side: (4, 2) shares of the side by which each corner moves. Half as large."""
    side = large.shape[0]
    corners = np.array([[0, 0], [side, 0], [side, side], [0, side]], float)
    rows, wanted = [], []
    for (x, y), (u, v) in zip(corners + side * moved, corners, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        wanted += [u, v]
    projection = np.linalg.solve(np.array(rows), np.array(wanted)).tolist()
    picture = Image.fromarray(large).transform(
        (side, side), Image.Transform.PERSPECTIVE, projection, Image.Resampling.BICUBIC, fillcolor=255
    )
    return np.asarray(picture.reduce(2))


CLEAN = Degradation("Clean", "px", (128,), 128, _sized)
DEGRADATIONS: dict[str, Degradation] = {
    "size": Degradation("Small", "px of picture", (48, 32, 24, 16), 24, _sized),
    "blur": Degradation("Blur", "sigma, % of glyph", (1, 2, 3, 5, 7), 3, _out_of_focus),
    "jpeg": Degradation("JPEG", "quality", (75, 50, 30, 15, 8), 30, _compressed),
    "noise": Degradation("Noise", "sigma, grey levels", (10, 20, 30, 45, 60), 30, _noisy),
    "specks": Degradation("Salt and pepper", "% of pixels", (0.5, 1, 2, 4, 8), 2, _specked),
    "binarised": Degradation("Binarised at 32 px", "% off half", (0, 5, 10, 15), 10, _binarised),
    "thin": Degradation("Thin strokes", "1/1000 em thinner", (5, 10, 20, 30), 10, _thinned),
    "bold": Degradation("Bold strokes", "1/1000 em thicker", (10, 20, 40, 60), 20, _thickened),
    "rotation": Degradation("Rotation", "degrees, either way", (2, 5, 10), 5, _rotated),
    "contrast": Degradation("Low contrast", "grey levels", (120, 60, 30, 15, 8), 30, _faint),
    "photograph": Degradation("Photographed page", "strength", (0.5, 1, 1.5, 2), 1, _photographed),
}
