"""Finding the ink: a grey picture becomes an ink map, 255 on 0.

The steps, each a function below, in order:

calm       strong noise is averaged away, at the price of sharpness
threshold  half way up the edges
flatten    where the light is uneven it is subtracted, and the threshold found anew
polarity   which side of the threshold is the glyph
stretch    background -> 0, stroke -> 255
quieten    what the background does by itself (noise, JPEG's ringing) -> 0
despeckle  crumbs far smaller than any dot -> 0

A clean picture passes calm, flatten, quieten and despeckle untouched: black on white comes out
as 255 - grey exactly. Most pictures are clean; `_clean` sees that at a glance, from where the background
ends and how many pixels are how strong, and finds the same ink several times as fast.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from glyphs import bits
from glyphs.errors import BadPicture
from glyphs.masks import Mask, Scalar, blobs, framed, grown
from glyphs.raster import INK

Grey = NDArray[np.float32]  # (H, W), light is high; 0 to 255 wide
Levels = NDArray[np.uint8]  # (H, W), the same in whole numbers

_SKETCH = 256  # px; enough to measure levels, light and noise
_SMALLEST = 16  # px; in less, noise and light cannot be told from antialiasing
_LEAST_CONTRAST = 6.0  # of 255, between background and stroke; below it a picture is blank
_FIRM = 192  # of 255; of a clean picture more pixels are background than are fainter than that
_CLEAR = 64  # of 255, between background and stroke of a picture that is clean at a glance
_LEAST_SIGNAL = 4.0  # contrast over the noise's standard deviation; below it a picture is blank
_STRONG = 128  # of 255; what reaches it nowhere is faint
_CRUMB, _FAINT_CRUMB = 0.003, 0.03  # of the largest blob's area; what is smaller is dropped
_STEPS = 16  # from the squares of strong ink in a blob to its ends, beyond which it is looked at run by run


class BlankPicture(BadPicture):
    """A picture without ink."""


def find_ink(grey: Grey | Levels) -> NDArray[np.uint8]:
    """The ink of a grey picture of either polarity, (H, W) uint8, ink 255 on 0, not yet cropped.

    Raises:
        BlankPicture: there is none.
    """
    if grey.dtype == np.uint8:
        clean = _clean(grey.astype(np.uint8, copy=False))
        if clean is not None:
            return clean
    grey, noise = _calm(grey.astype(np.float32, copy=False))
    threshold = _threshold(grey, noise)
    shaded = _is_shaded(grey, threshold, noise)
    if shaded:
        grey = _flatten(grey)
        threshold = _threshold(grey, noise)
    dark = grey < threshold
    is_ink = dark if _dark_is_ink(dark) else ~dark
    return _despeckle(_quieten(_stretch(grey, is_ink, noise), is_ink, noise), shaded)


# --- clean pictures -----------------------------------------------------------------------------


def _clean(grey: Levels) -> NDArray[np.uint8] | None:
    """The ink of a picture without noise on one even background; None where that is not plain to see.

    Every condition is stricter than what the steps for other pictures ask, so that each of them would
    have found nothing to do.
    """
    background = int(grey[0, 0])
    differs = bits.of_mask(grey != background)
    if not differs:
        return None
    height, width = grey.shape
    left, top, right, bottom = bits.box(differs, width)
    if not (left and top and right < width and bottom < height):
        return None
    # The glyph and a pixel around it: the rest is background, and need only be counted.
    part = slice(top - 1, bottom + 1), slice(left - 1, right + 1)
    glyph = grey[part]
    darkest, lightest = int(glyph.min()), int(glyph.max())
    if background not in (darkest, lightest):
        return None
    stroke = darkest if background == lightest else lightest
    ink = _full_contrast(background, stroke).take(glyph)
    other = differs.bit_count()
    faint = other - np.count_nonzero(ink >= _FIRM)
    # The median of what is not ink is background then, and the 0.98 quantile of what is ink is stroke.
    if (
        abs(stroke - background) < _CLEAR
        or faint > grey.size - other
        or np.count_nonzero(ink == 255) < 0.03 * other + 2
    ):
        return None
    changes = np.count_nonzero(ink[1:] != ink[:-1]) + np.count_nonzero(ink[:, 1:] != ink[:, :-1])
    if 2 * changes > 0.6 * 2 * grey.size:  # a change makes two second differences; see `_noise`
        return None
    stride = ink.shape[1]
    strong = bits.of_mask(ink >= _STRONG)
    if _strays(bits.of_mask(ink > 0), strong, stride):
        return None
    whole = np.zeros(grey.shape, np.uint8)
    whole[part] = (
        ink if _no_crumbs(bits.of_mask(ink > INK), strong, stride) else _despeckle(ink, shaded=False)
    )
    return whole


@lru_cache(1024)
def _full_contrast(background: int, stroke: int) -> Levels:
    """What becomes of each level, (256,), where background becomes 0 and stroke 255; between them no two
    become one.
    """
    stretched = (np.arange(256) - background).astype(np.float32) * np.float32(255 / (stroke - background))
    levels: Levels = np.rint(np.clip(stretched, 0, 255)).astype(np.uint8)
    return levels


def _strays(ink: int, strong: int, stride: int) -> bool:
    """Whether there is ink more than a pixel or two away from what is surely stroke; masks in bits, with an
    empty margin.
    """
    near = strong
    for _ in range(2):
        near = bits.spread(near, stride)
        if (ink & ~near).bit_count() < 8:
            return False
    return True


def _no_crumbs(seen: int, strong: int, stride: int) -> bool:
    """Whether it is plain to see that no blob is a crumb: each holds a square of strong ink that would be
    large enough alone, were everything else a single blob. Masks in bits, with an empty margin.
    """
    side = math.ceil(math.sqrt(_CRUMB * seen.bit_count()))
    return bits.reached(bits.squares(strong, stride, side), seen, stride, _STEPS) == seen


# --- calm ---------------------------------------------------------------------------------------


def _calm(grey: Grey) -> tuple[Grey, float]:
    """Average strong noise away; also tells the standard deviation of what is left."""
    noise = _noise(grey)
    few = _strided(grey)
    low, high = (_quantile(few, 0.01), _quantile(few, 0.99)) if noise else (0.0, 0.0)
    while noise > 0.04 * (high - low) and max(grey.shape) >= 2 * _SKETCH:
        grey, noise = np.asarray(Image.fromarray(grey).reduce(2)), noise / 2
    if noise > 0.1 * (high - low):
        grey, noise = _smoothed(grey), noise / 3
    return grey, noise


def _noise(grey: Grey) -> float:
    """Standard deviation of the noise: the lower quartile of second differences.

    Strokes leave more than a quarter of a clean picture's second differences at exactly 0, and
    light that changes slowly leaves them near it.
    """
    if min(grey.shape) < _SMALLEST:
        return 0.0
    step = math.ceil(max(grey.shape) / _SKETCH)
    across, down = np.diff(grey[::step], 2, axis=1), np.diff(grey[:, ::step], 2, axis=0)
    second = np.concatenate((across.ravel(), down.ravel()))
    if np.count_nonzero(second) < 0.7 * second.size:
        return 0.0  # as the quartile would tell, at more cost
    # A normal variable's lower quartile is 0.3186 sigma; (1, -2, 1) multiplies variance by 6.
    return _quantile(np.abs(second), 0.25) / (0.3186 * math.sqrt(6))


# --- threshold, light, polarity ----------------------------------------------------------------


def _threshold(grey: Grey, noise: float) -> float:
    """The level half way between background and stroke: the mean level of the edges.

    Unlike a histogram's threshold it does not care how much of the picture the ink takes.

    Raises:
        BlankPicture: there are no edges, or none that noise would not make.
    """
    sketch = _sketch(grey, _SKETCH)
    noise = noise * max(sketch.shape) / max(grey.shape)  # averaged away while sketching
    pairs = [(sketch[1:], sketch[:-1]), (sketch[:, 1:], sketch[:, :-1])]
    steps = [np.abs(one - other) for one, other in pairs]
    least = max(4 * noise, 0.2 * max(float(step.max(initial=0.0)) for step in steps))
    weight = level = 0.0
    for (one, other), step in zip(pairs, steps, strict=True):
        is_edge = step > least
        at_edge = step[is_edge]
        weight += float(at_edge.sum(dtype=np.float64))
        level += float(np.dot(at_edge, one[is_edge] + other[is_edge])) / 2
    if weight:
        threshold = level / weight
        dark = sketch < threshold
        if dark.any() and not dark.all():
            contrast = _quantile(sketch[~dark], 0.5) - _quantile(sketch[dark], 0.5)
            if contrast >= max(_LEAST_CONTRAST, _LEAST_SIGNAL * noise):
                return threshold
    raise BlankPicture("The picture shows no glyph.", "Send one glyph that stands out from its background.")


def _is_shaded(grey: Grey, threshold: float, noise: float) -> bool:
    """Whether the light on the background changes, by more than noise, along the margin.

    Where strokes end at the margin says nothing about the light, so steep places are left out.
    """
    sketch = _sketch(grey, _SKETCH)
    margin = _margin(sketch)
    if min(sketch.shape) < _SMALLEST or (margin == margin[0]).all():
        return False
    dark = sketch < threshold
    contrast = float(sketch[~dark].mean() - sketch[dark].mean())
    steep = np.zeros(sketch.shape, bool)
    down = np.abs(sketch[1:] - sketch[:-1]) > max(4 * noise, 0.1 * contrast)
    right = np.abs(sketch[:, 1:] - sketch[:, :-1]) > max(4 * noise, 0.1 * contrast)
    for place, step in ((steep[1:], down), (steep[:-1], down), (steep[:, 1:], right), (steep[:, :-1], right)):
        place |= step
    level, is_dark = margin[~_margin(steep)], _margin(dark)[~_margin(steep)]
    level = level[is_dark == (np.count_nonzero(is_dark) > is_dark.size / 2)]
    if level.size < 16:
        return False
    unevenness = _quantile(level, 0.9) - _quantile(level, 0.1)
    return bool(unevenness > 0.06 * contrast + 3.5 * noise)


def _flatten(grey: Grey) -> Grey:
    """Subtract the light: a surface of second order, too stiff to follow a stroke.

    It is fitted to the margin first, then to everything that agrees with the margin.
    """
    cells = _sketch(grey, 32).astype(np.float64)
    basis = _surfaces(*cells.shape)  # (6, h, w)
    margin = np.ones(cells.shape)
    margin[1:-1, 1:-1] = 0
    weight = margin
    for turn in range(12):
        weighted = (basis * weight).reshape(6, -1)
        normal = weighted @ basis.reshape(6, -1).T + 1e-9 * np.eye(6)
        coefficients = np.linalg.solve(normal, weighted @ cells.ravel())
        error = np.abs(cells - np.tensordot(coefficients, basis, 1))
        spread = max(1.0, 3 * _quantile(error[margin > 0], 0.5))
        weight = (margin if turn < 4 else 1) / (1 + (error / spread) ** 2) ** 2
    light = np.tensordot(coefficients.astype(np.float32), _surfaces(*grey.shape), 1)
    return np.subtract(grey, light, dtype=np.float32)


def _surfaces(height: int, width: int) -> Grey:
    """1, x, y, x squared, xy, y squared at every pixel, x and y from -1 to 1; (6, H, W)."""
    y = np.linspace(1 / height - 1, 1 - 1 / height, height, dtype=np.float32)[:, None]
    x = np.linspace(1 / width - 1, 1 - 1 / width, width, dtype=np.float32)[None, :]
    surfaces = np.empty((6, height, width), np.float32)
    for surface, value in zip(surfaces, (np.float32(1), x, y, x * x, x * y, y * y), strict=True):
        surface[:] = value
    return surfaces


def _dark_is_ink(dark: Mask) -> bool:
    """Whether the dark side of the threshold is the ink.

    A margin of one kind is the background. Where both kinds reach the margin the crop is close,
    and the background is what has more of the margin, the area and the corners, and lies in more
    pieces. The weights lean on a logistic fit to close crops of 1,300 glyphs of Debian's fonts,
    of which they get 97 in 100 right dark on light, 80 in 100 light on dark: an H of light ink
    and an H-shaped hole in dark ink are one picture, and dark ink is nine times as likely.
    """
    margin = float(_margin(dark).mean())
    if not 0.02 < margin < 0.98:
        return margin < 0.5
    few = _strided(dark)
    corners = float(dark[[0, 0, -1, -1], [0, -1, 0, -1]].mean())
    pieces = max(-4, min(4, _pieces(few) - _pieces(~few)))
    dark_is_background = (
        4 * (margin - 0.5) + 6 * (float(few.mean()) - 0.5) + 2 * (corners - 0.5) + 1.5 * pieces
    )
    return dark_is_background < math.log(9)


def _pieces(mask: Mask) -> int:
    """How many blobs there are of more than a few pixels."""
    starts, stops, labels = blobs(mask)
    return int(np.count_nonzero(np.bincount(labels, stops - starts) >= max(2, 0.004 * mask.size)))


# --- stretch, quieten, despeckle ----------------------------------------------------------------


def _stretch(grey: Grey, is_ink: Mask, noise: float) -> Grey:
    """Background -> 0, stroke -> 255; what lies beyond either is kept for `_quieten`."""
    few, few_ink = _strided(grey), _strided(is_ink)
    if few_ink.all() or not few_ink.any():
        few, few_ink = grey, is_ink
    background = np.float32(_quantile(few[~few_ink], 0.5))
    stroke = few[few_ink] - background
    sign = 1 if stroke.mean() > 0 else -1
    full = _quantile(sign * stroke, 0.5 if noise else 0.98)  # noise reaches beyond the stroke's level
    return (grey - background) * np.float32(sign * 255 / full)


def _quieten(ink: Grey, is_ink: Mask, noise: float) -> NDArray[np.uint8]:
    """Zero what is no stronger than what the background does by itself, and clip to uint8.

    Measured from 3 to 9 px off the strokes. There a clean picture is 0 but for a few hairlines,
    which are stronger than JPEG's ringing is.
    """
    band = grown(is_ink, 9) & ~grown(is_ink, 2)
    level = np.abs(ink[band])
    level = level[level > 0.5]
    if level.size >= max(8, 0.02 * np.count_nonzero(band)):
        unrest = _quantile(level, 0.5)
        if noise:
            smooth = _smoothed(ink)
            hum = 2 * _quantile(np.abs(smooth[band]), 0.98)
            ink = np.where((ink > min(6 * unrest, 80.0)) & (smooth > min(hum, 80.0)), ink, 0)
        elif unrest < 24:
            ink = np.where(ink > min(8 * unrest, 40.0), ink, 0)
    return np.rint(np.clip(ink, 0, 255)).astype(np.uint8)


def _despeckle(ink: NDArray[np.uint8], shaded: bool) -> NDArray[np.uint8]:
    """Drop blobs that beside the largest are far smaller than any dot, or faint and small.

    The dot of an i has more than 1 % of its stem's area even in a hairline font. In a shaded
    picture faint or small blobs at the margin go too: shadows, glare and edges of the paper.
    """
    starts, stops, labels = blobs(ink > INK)
    if not labels.any():
        return ink
    padded = framed(ink)
    area = np.bincount(labels, stops - starts)
    peak = np.zeros(len(area), np.uint8)
    np.maximum.at(peak, labels, np.maximum.reduceat(padded.ravel(), starts))
    least = area.max() * np.where(peak < _STRONG, _FAINT_CRUMB, _CRUMB)
    if shaded:
        (row, left), right = np.divmod(starts, padded.shape[1]), stops % padded.shape[1]
        outermost = (row == 0) | (row == len(ink) - 1) | (left == 1) | (right == padded.shape[1] - 1)
        at_margin = np.bincount(labels, outermost) > 0
        least = np.where(at_margin, np.where(peak < 160, math.inf, 0.2 * area.max()), least)
    drop = (area < least)[labels]
    if not drop.any() or drop.all():
        return ink
    change = np.zeros(padded.shape, np.int8)
    change.flat[starts[drop]] = 1
    change.flat[stops[drop]] = -1
    return np.where(np.cumsum(change, axis=1)[:, 1:-1] > 0, np.uint8(0), ink)


# --- tools --------------------------------------------------------------------------------------


def _quantile(values: NDArray[np.floating[Any]], share: float) -> float:
    """The value below which that share of the values lies, interpolated: numpy's own, in a third the time."""
    place = share * (values.size - 1)
    low = int(place)
    high = min(low + 1, values.size - 1)
    ordered = np.partition(values.ravel(), (low, high))
    return float(ordered[low]) + (place - low) * (float(ordered[high]) - float(ordered[low]))


def _smoothed(values: Grey) -> Grey:
    """Mean of 3 x 3 pixels."""
    wide = np.pad(values, 1, mode="edge")
    rows = wide[:-2] + wide[1:-1] + wide[2:]
    mean: Grey = (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) / np.float32(9)
    return mean


def _sketch(grey: Grey, longest: int) -> Grey:
    """A copy reduced by averaging to at most `longest` px a side."""
    factor = math.ceil(max(grey.shape) / longest)
    return np.asarray(Image.fromarray(grey).reduce(factor)) if factor > 1 else grey


def _strided(values: NDArray[Scalar]) -> NDArray[Scalar]:
    """Every so manieth pixel, at most `_SKETCH` a side: levels without averaging."""
    step = math.ceil(max(values.shape) / _SKETCH)
    return values[::step, ::step]


def _margin(values: NDArray[Scalar]) -> NDArray[Scalar]:
    """The outermost pixels."""
    return np.concatenate((values[0], values[-1], values[:, 0], values[:, -1]))
