"""Reading posted pictures: from the bytes of a file to the raster that fonts are drawn in.

BadPicture
├── PictureTooLarge      more bytes or pixels than the limits allow; carries `limit` and `unit`
├── UnsupportedPicture   not a picture, or a format outside `FORMATS`
├── BrokenPicture        truncated or corrupt
└── BlankPicture         no ink: one colour, fully transparent, or nothing but noise

The steps, each a function below, in order:

decode     bytes -> pixels: limits from the header, upright by EXIF, at most 1,024 px
grey       colour and alpha -> one channel, the one in which neighbours differ most
flatten    uneven light is subtracted; an even background is left untouched
split      a threshold half way up the edges, and which side of it is the ink
stretch    background -> 0, stroke -> 255
quieten    what the empty background does by itself (noise, JPEG ringing) becomes 0
despeckle  crumbs far from the glyph and far smaller than any dot become 0

A clean picture passes flatten, quieten and despeckle unchanged: black on white comes out as
255 - grey exactly.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from glyphs.errors import BadPicture
from glyphs.raster import Raster, RasterSettings, fit

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")

_LONGEST = 1024  # px; more says nothing about a glyph drawn in 112
_SKETCH = 256  # px; enough to measure light, noise and levels
_LEAST_CONTRAST = 6.0  # of 255, between background and stroke; below it a picture is blank
_LEAST_SIGNAL = 4.0  # contrast over the noise's standard deviation; below it a picture is blank
_HIGHEST_FLOOR = 90.0  # of 255; noise above it is left in rather than strokes taken out
_SEEN = 16  # of 255; fainter ink does not count where blobs are told apart (nor in `fit`)
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

Grey = NDArray[np.float32]  # (H, W), light is high, 0 to 255 (a colour axis may start below 0)
Mask = NDArray[np.bool_]  # (H, W)


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureLimits:
    """What a posted picture may weigh; the pixels are counted before any is decoded."""

    max_bytes: int = 8 * 2**20
    max_pixels: int = 24_000_000

    def __post_init__(self) -> None:
        if self.max_bytes < 1 or self.max_pixels < 1:
            raise ValueError(
                f"picture limits must be positive, not {self.max_bytes} bytes, {self.max_pixels} pixels"
            )


class PictureTooLarge(BadPicture):
    """More bytes or pixels than the limits allow."""

    def __init__(self, message: str, remedy: str = "", *, limit: int = 0, unit: str = "") -> None:
        super().__init__(message, remedy)
        self.limit, self.unit = limit, unit


class UnsupportedPicture(BadPicture):
    """Not a picture, or a format that is not read."""


class BrokenPicture(BadPicture):
    """A truncated or corrupt picture."""


class BlankPicture(BadPicture):
    """A picture without ink."""

    def __init__(
        self, message: str, remedy: str = "Send a picture of one glyph that stands out clearly."
    ) -> None:
        super().__init__(message, remedy)


def read_picture(
    data: bytes, settings: RasterSettings = RasterSettings(), limits: PictureLimits = PictureLimits()
) -> Raster:
    """Bring a picture's bytes to the raster of its glyph, (size, size) uint8, ink 255 on 0.

    Raises:
        BadPicture: in one of the kinds above; never anything else.
    """
    return fit(read_ink(data, limits), settings)


def read_ink(data: bytes, limits: PictureLimits = PictureLimits()) -> NDArray[np.uint8]:
    """The ink of a picture, (H, W) uint8, ink 255 on 0, not yet cropped, at most 1,024 px a side.

    Raises:
        BadPicture: in one of the kinds above; never anything else.
    """
    grey, noise = _flatten(_grey(_decode(data, limits)))
    threshold = _threshold(grey, noise)
    dark = grey < threshold
    is_ink = dark if _dark_is_ink(dark) else ~dark
    return _despeckle(_quieten(_stretch(grey, is_ink, noise), is_ink))


# --- decode -----------------------------------------------------------------------------------


def _decode(data: bytes, limits: PictureLimits) -> Image.Image:
    """A picture of mode L, F, RGB or RGBA, upright, its longer side at most `_LONGEST`."""
    remedy = "Crop the picture to its glyph, or scale it down."
    if len(data) > limits.max_bytes:
        message = f"The picture has {len(data):,} bytes; the limit is {limits.max_bytes:,}."
        raise PictureTooLarge(message, remedy, limit=limits.max_bytes, unit="bytes")
    _hush_pillow()
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            width, height = image.size
            if width * height <= limits.max_pixels:
                return _reduced(image)
        message = f"The picture has {width:,} x {height:,} pixels; the limit is {limits.max_pixels:,}."
    except Image.DecompressionBombError:
        message = f"The picture claims to have far more pixels than the limit of {limits.max_pixels:,}."
    except UnidentifiedImageError:
        message = "The data are not a picture of a known format, or break off in its header."
        raise UnsupportedPicture(message, f"Send one of {', '.join(FORMATS)}.") from None
    except Exception as error:  # decoders meet hostile bytes: whatever they raise means the same
        detail = str(error).strip().rstrip(".") or type(error).__name__
        raise BrokenPicture(
            f"The picture cannot be decoded: {detail}.", "Save it anew and send it whole."
        ) from None
    raise PictureTooLarge(message, remedy, limit=limits.max_pixels, unit="pixels")


def _hush_pillow() -> None:
    """Keep Pillow from warning about a sender's file: what matters there becomes an error of ours.

    `warnings.catch_warnings` puts the whole process's filters back when it leaves and so is not
    safe between threads; one narrow rule that is set once and stays is.
    """
    if warnings.filters[:1] != [("ignore", None, Warning, re.compile(r"PIL\."), 0)]:
        warnings.filterwarnings("ignore", module=r"PIL\.")


def _reduced(image: Image.Image) -> Image.Image:
    """Decode an opened picture, make it small, and only then turn it."""
    factor = math.ceil(max(image.size) / _LONGEST)
    image.draft(None, (max(1, image.width // factor), max(1, image.height // factor)))  # JPEG alone knows how
    image.load()
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # a damaged EXIF block costs the picture its orientation, not its pixels
        orientation = None
    if image.mode[0] in "IF":
        plain = _deep(image)
    elif image.has_transparency_data:
        plain = image.convert("RGBA")
    else:
        plain = image.convert("L" if image.mode in ("1", "L") else "RGB")
    factor = math.ceil(max(plain.size) / _LONGEST)
    plain = plain.reduce(factor) if factor > 1 else plain
    return plain.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else plain


def _deep(image: Image.Image) -> Image.Image:
    """16 bits are brought to 0..255 with their fractions; wider numbers have no agreed white."""
    values = np.nan_to_num(np.asarray(image).astype(np.float64))
    low, high = (0.0, 65535.0) if image.mode.startswith("I;16") else (values.min(), values.max())
    return Image.fromarray(((values - low) * (255.0 / max(high - low, 1e-30))).astype(np.float32))


# --- grey -------------------------------------------------------------------------------------


def _grey(image: Image.Image) -> Grey:
    """One channel, light high."""
    if image.mode in ("L", "F"):
        return np.asarray(image).astype(np.float32)
    pixels = np.asarray(image)  # (H, W, 3 or 4) uint8
    if image.mode == "RGBA":
        colour, alpha = pixels[..., :3], pixels[..., 3]
        if not alpha.any():
            raise BlankPicture("The picture is fully transparent.")
        if np.ptp(alpha) >= 32:
            return _transparent(colour, alpha)
        pixels = colour
    return _project(pixels)


def _transparent(colour: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> Grey:
    """Grey of a picture that is transparent in parts.

    A glyph on nothing, whatever its colours, is its alpha. Only where several colours fill a
    solid block is the block a plate that carries the glyph; the plate is then continued over
    the transparent margin.
    """
    opaque = alpha > int(alpha.max()) // 2
    low, high = np.percentile(_thinned(colour[opaque], 4096), (5, 95), axis=0)
    rows, columns = np.flatnonzero(opaque.any(axis=1)), np.flatnonzero(opaque.any(axis=0))
    block = (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1)
    if (high - low).max() <= 40 or np.count_nonzero(opaque) < 0.7 * block:
        return 255 - alpha.astype(np.float32)
    rim = opaque & _grown(~np.pad(opaque, 1), 1)[1:-1, 1:-1]
    plate = np.median(colour[rim], axis=0)
    cover = alpha[..., None] * np.float32(1 / 255)
    return _project((plate + (colour - plate) * cover).astype(np.uint8))


def _project(colour: NDArray[np.uint8]) -> Grey:
    """Project (H, W, 3) colours on the axis along which neighbouring pixels differ most.

    Differences, not the colours themselves: edges of strokes then outweigh slow changes of
    light, however small the glyph is in its picture.
    """
    red, green, blue = colour[..., 0], colour[..., 1], colour[..., 2]
    if np.array_equal(red, green) and np.array_equal(green, blue):
        return red.astype(np.float32)
    small = np.asarray(Image.fromarray(colour).reduce(math.ceil(max(red.shape) / 128)), np.float32)
    steps = np.concatenate([np.diff(small, axis=axis).reshape(-1, 3) for axis in (0, 1)])
    axis = np.linalg.eigh(steps.T @ steps)[1][:, -1]
    axis /= np.abs(axis).sum()
    lightness = axis @ (0.299, 0.587, 0.114)
    result: Grey = colour.astype(np.float32) @ (axis if lightness >= 0 else -axis).astype(np.float32)
    return result


# --- flatten ----------------------------------------------------------------------------------


def _flatten(grey: Grey) -> tuple[Grey, float]:
    """Subtract uneven light, and tell the noise (its standard deviation in a sketch of the picture).

    The light is a surface of second order, so it cannot follow a stroke, fitted to the margin
    first and then to all that agrees with the margin.
    """
    sketch = _sketch(grey, _SKETCH)
    noise = _noise(sketch)
    if min(sketch.shape) < 16:
        return grey, noise
    dark = sketch < _threshold(sketch, noise)
    margin = _margin(sketch)
    margin_dark = _margin(dark)
    margin = margin[margin_dark == (margin_dark.mean() > 0.5)]
    low, high = np.quantile(margin, (0.1, 0.9))
    contrast = abs(sketch[dark].mean() - sketch[~dark].mean())
    if high - low <= 0.06 * contrast + 3.5 * noise:
        return grey, noise
    cells = _sketch(grey, 32)
    basis = _basis(cells.shape)
    at_margin = np.zeros(cells.shape, bool)
    at_margin[[0, -1]] = at_margin[:, [0, -1]] = True
    weight = at_margin.astype(np.float64)
    for turn in range(12):
        scaled = basis * weight[..., None]
        surface = basis @ np.linalg.lstsq(scaled.reshape(-1, 6), (cells * weight).ravel(), rcond=None)[0]
        error = np.abs(cells - surface)
        spread = max(1.0, 3 * float(np.median(error[at_margin])))
        weight = 1 / (1 + (error / spread) ** 2) * (at_margin if turn < 4 else 1)
    coefficients = np.linalg.lstsq(scaled.reshape(-1, 6), (cells * weight).ravel(), rcond=None)[0]
    flat: Grey = (grey - _basis(grey.shape) @ coefficients).astype(np.float32)
    return flat, noise


def _basis(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """1, x, y, x², xy, y² at every pixel of a picture of this shape, (H, W, 6)."""
    y, x = (((np.arange(side) + 0.5) / side * 2 - 1) for side in shape)
    x, y = np.broadcast_arrays(x[None, :], y[:, None])
    return np.stack([np.ones(shape), x, y, x * x, x * y, y * y], axis=-1)


def _noise(sketch: Grey) -> float:
    """Standard deviation of the noise: the lower quartile of second differences.

    Strokes leave more than a quarter of a clean picture's second differences at exactly 0, and
    light that changes slowly leaves them near 0.
    """
    if min(sketch.shape) < 16:
        return 0.0  # too few pixels to tell noise from antialiasing
    second = np.concatenate([np.abs(np.diff(sketch, 2, axis=axis)).ravel() for axis in (0, 1)])
    return float(np.quantile(second, 0.25)) / (0.3186 * math.sqrt(6))


# --- split ------------------------------------------------------------------------------------


def _threshold(grey: Grey, noise: float) -> float:
    """The level half way between background and stroke: the mean level of the edges.

    Unlike a histogram's threshold it does not mind how small or large the ink's share is.

    Raises:
        BlankPicture: there are no edges, or no more than noise makes.
    """
    sketch = _sketch(grey, _SKETCH)
    steps = [np.diff(sketch, axis=axis).ravel() for axis in (0, 1)]
    middles = [(sketch[1:] + sketch[:-1]).ravel() / 2, (sketch[:, 1:] + sketch[:, :-1]).ravel() / 2]
    step, middle = np.abs(np.concatenate(steps)), np.concatenate(middles)
    is_edge = step > max(4 * noise, 0.2 * float(step.max(initial=0.0)))
    if is_edge.any():
        threshold = float(np.average(middle[is_edge], weights=step[is_edge]))
        dark = sketch < threshold
        if dark.any() and not dark.all():
            contrast = float(np.median(sketch[~dark]) - np.median(sketch[dark]))
            if contrast >= max(_LEAST_CONTRAST, _LEAST_SIGNAL * noise):
                return threshold
    raise BlankPicture("The picture shows no glyph.")


def _dark_is_ink(dark: Mask) -> bool:
    """Whether the dark side of the threshold is the ink, judged by the margin.

    A margin of one kind is the background. A margin of both kinds means that the glyph touches
    its crop; then dark ink on light, the usual case, needs less evidence than the other.
    """
    sides = np.array([side.mean() for side in (dark[0], dark[-1], dark[:, 0], dark[:, -1])])
    margin_dark = float(_margin(dark).mean())
    if margin_dark <= 0.5:
        return True
    light_touches = int(np.count_nonzero(sides < 0.95))
    if light_touches == 0:
        return False
    if light_touches < 4:  # dark fills whole sides: a dark H cut close, or a light glyph cut off
        return float(dark.mean()) < 0.75
    corners = dark[[0, 0, -1, -1], [0, -1, 0, -1]]
    return (
        int(corners.sum()) < 2 and margin_dark < 0.65
    )  # cut close all round; round letters free the corners


# --- stretch, quieten, despeckle --------------------------------------------------------------


def _stretch(grey: Grey, is_ink: Mask, noise: float) -> Grey:
    """Background -> 0 and stroke -> 255, values below and above kept for `_quieten`."""
    few, few_ink = _strided(grey), _strided(is_ink)
    if few_ink.all() or not few_ink.any():
        few, few_ink = grey, is_ink
    background = float(np.median(few[~few_ink]))
    distance = np.abs(few[few_ink] - background)
    stroke = float(np.quantile(distance, 0.5 if noise else 0.95))
    sign = 1.0 if few[few_ink].mean() > background else -1.0
    result: Grey = (grey - np.float32(background)) * np.float32(sign * 255 / stroke)
    return result


def _quieten(ink: Grey, is_ink: Mask) -> NDArray[np.uint8]:
    """Zero what is no stronger than the background near the glyph does by itself, clip to uint8.

    Measured from 3 to 9 px off the strokes: there a clean picture is exactly 0, and JPEG rings.
    """
    band = _grown(is_ink, 9) & ~_grown(is_ink, 2)
    if np.count_nonzero(band) >= 32:
        smooth = _smoothed(ink)
        floor = min(2 * float(np.quantile(np.abs(smooth[band]), 0.98)), _HIGHEST_FLOOR)
        if floor > 0.5:
            ink = np.where(_grown(is_ink, 1) | (smooth > floor), ink, 0)
    return np.rint(np.clip(ink, 0, 255)).astype(np.uint8)


def _despeckle(ink: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Drop blobs that are far smaller than any dot, or faint, beside the largest one.

    The dot of an i is at least 1 % of its stem's area even in a hairline font.
    """
    starts, stops, labels = _blobs(ink > _SEEN)
    if not labels.any():
        return ink
    stride = ink.shape[1] + 2
    count = int(labels.max()) + 1
    area = np.bincount(labels, stops - starts, count)
    peak = np.zeros(count, np.uint8)
    np.maximum.at(peak, labels, np.maximum.reduceat(np.pad(ink, ((0, 0), (1, 1))).ravel(), starts))
    small = area < area.max() * np.where(peak < 128, 0.03, 0.003)
    if not small.any():
        return ink
    drop = small[labels]
    change = np.zeros(ink.shape[0] * stride, np.int8)
    change[starts[drop]] += 1
    change[stops[drop]] -= 1
    gone = np.cumsum(change, dtype=np.int8).reshape(-1, stride)[:, 1:-1].astype(bool)
    return np.where(gone, np.uint8(0), ink)


def _blobs(mask: Mask) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Connected blobs (8 neighbours) as runs along the rows: start, stop and blob number of each.

    Positions count through a copy of the mask with one empty column on either side. Runs touch
    where they overlap one row apart; touching runs take the smallest number among them until
    nothing changes.
    """
    stride = mask.shape[1] + 2
    flat = np.pad(mask, ((0, 0), (1, 1))).ravel()
    ends = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts, stops = ends[0::2], ends[1::2]
    first = np.searchsorted(stops, starts + stride, "left")
    last = np.searchsorted(starts, stops + stride, "right")
    touching = last - first
    above = np.repeat(np.arange(len(starts)), touching)
    below = (
        np.arange(len(above))
        - np.repeat(np.cumsum(touching) - touching, touching)
        + np.repeat(first, touching)
    )
    labels = np.arange(len(starts))
    while True:
        smallest = np.minimum(labels[above], labels[below])
        joined = labels.copy()
        np.minimum.at(joined, labels[above], smallest)
        np.minimum.at(joined, labels[below], smallest)
        joined = joined[joined]
        if np.array_equal(joined, labels):
            return starts, stops, np.unique(labels, return_inverse=True)[1]
        labels = joined


# --- measuring --------------------------------------------------------------------------------


def _sketch(grey: Grey, longest: int) -> Grey:
    """A copy reduced by averaging to at most `longest` px a side."""
    factor = math.ceil(max(grey.shape) / longest)
    return np.asarray(Image.fromarray(grey).reduce(factor)) if factor > 1 else grey


def _strided(values):
    step = math.ceil(max(values.shape) / _SKETCH)
    return values[::step, ::step]


def _thinned(values, most):
    return values[:: math.ceil(len(values) / most)]


def _margin(values):
    """The outermost pixels, one deep."""
    return np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])


def _grown(mask: Mask, by: int) -> Mask:
    """The mask and all within `by` pixels of it, along rows and columns."""
    reach = 0
    while reach < by:
        step = min(2 * reach + 1, by - reach)
        wide = mask.copy()
        wide[step:] |= mask[:-step]
        wide[:-step] |= mask[step:]
        mask = wide.copy()
        mask[:, step:] |= wide[:, :-step]
        mask[:, :-step] |= wide[:, step:]
        reach += step
    return mask


def _smoothed(values: Grey) -> Grey:
    """Mean of 3 x 3."""
    wide = np.pad(values, 1, mode="edge")
    rows = wide[:-2] + wide[1:-1] + wide[2:]
    result: Grey = (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) / np.float32(9)
    return result
