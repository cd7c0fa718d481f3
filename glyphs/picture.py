"""Reading posted pictures: from the bytes of a file to the raster that fonts are drawn in.

BadPicture
├── PictureTooLarge      more bytes or pixels than the limits allow; carries `limit` and `unit`
├── UnsupportedPicture   not a picture, or a format outside `FORMATS`
├── BrokenPicture        truncated or corrupt
└── BlankPicture         no ink: one colour, fully transparent, or nothing but noise

Here the file becomes one grey channel; `glyphs.ink` finds the ink in it, `glyphs.raster.fit` crops it.
"""

from __future__ import annotations

import contextlib
import io
import math
import re
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from glyphs import bits
from glyphs.errors import BadPicture
from glyphs.ink import BlankPicture, Grey, Levels, find_ink
from glyphs.masks import grown
from glyphs.raster import Raster, RasterSettings, fit

__all__ = [
    "FORMATS", "BlankPicture", "BrokenPicture", "PictureLimits", "PictureTooLarge", "UnsupportedPicture",
    "read_colours", "read_ink", "read_picture",
]  # fmt: skip

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")

_LONGEST = 1024  # px; more says nothing about a glyph drawn in 112


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureLimits:
    """What a posted picture may weigh; its pixels are counted before any is decoded."""

    max_bytes: int = 8 * 2**20
    max_pixels: int = 24_000_000

    def __post_init__(self) -> None:
        if self.max_bytes < 1 or self.max_pixels < 1:
            raise ValueError(
                f"picture limits must be positive: {self.max_bytes} bytes, {self.max_pixels} pixels"
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
    return find_ink(_grey(_decode(data, limits)))


def read_colours(data: bytes, limits: PictureLimits = PictureLimits()) -> NDArray[np.uint8]:
    """The colours of a picture, (H, W, 3) uint8, upright, on white, at most 1,024 px a side.

    Raises:
        BadPicture: in one of the kinds above, but not for being blank.
    """
    image = _decode(data, limits)
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray((image.convert("L") if image.mode == "F" else image).convert("RGB"))


# --- decode -------------------------------------------------------------------------------------


def _decode(data: bytes, limits: PictureLimits) -> Image.Image:
    """A picture of mode L, F, RGB or RGBA, upright, at most `_LONGEST` px a side."""
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
        message = f"The picture claims far more pixels than the limit of {limits.max_pixels:,}."
    except UnidentifiedImageError:
        message = "The data are no picture of a known format, or break off in its header."
        raise UnsupportedPicture(message, f"Send one of {', '.join(FORMATS)}.") from None
    except Exception as error:  # decoders meet hostile bytes: whatever they raise means the same
        detail = str(error).strip().rstrip(".") or type(error).__name__
        raise BrokenPicture(
            f"The picture cannot be decoded: {detail}.", "Save it anew and send it whole."
        ) from None
    raise PictureTooLarge(message, remedy, limit=limits.max_pixels, unit="pixels")


def _hush_pillow() -> None:
    """Keep Pillow from warning about a sender's file: what matters in it becomes an error of ours.

    `warnings.catch_warnings` puts the filters of the whole process back when it leaves, so it is
    not safe between threads; one narrow rule, put in front once and left there, is.
    """
    if list(warnings.filters[:1]) != [("ignore", None, Warning, re.compile(r"PIL\."), 0)]:
        warnings.filterwarnings("ignore", module=r"PIL\.")


def _reduced(image: Image.Image) -> Image.Image:
    """Decode an opened picture, make it small, and only then turn it upright."""
    factor = math.ceil(max(image.size) / _LONGEST)
    image.draft(None, (max(1, image.width // factor), max(1, image.height // factor)))  # JPEG decodes less
    image.load()
    if image.mode[0] in "IF":
        plain = _deep(image)
    elif image.has_transparency_data:
        plain = image.convert("RGBA")
    else:
        mode = "L" if image.mode in ("1", "L") else "RGB"
        plain = image if image.mode == mode else image.convert(mode)
    factor = math.ceil(max(plain.size) / _LONGEST)
    plain = plain.reduce(factor) if factor > 1 else plain
    with contextlib.suppress(Exception):  # a damaged EXIF block costs the turn, not the picture
        ImageOps.exif_transpose(plain, in_place=True)
    return plain


def _deep(image: Image.Image) -> Image.Image:
    """Numbers of 16 bits are brought to 0..255; wider ones, having no agreed white, by their range."""
    values = np.nan_to_num(np.asarray(image).astype(np.float32), posinf=0, neginf=0)
    low, high = (
        (0.0, 65535.0) if image.mode.startswith("I;16") else (float(values.min()), float(values.max()))
    )
    span = high - low
    scale = 255 / span if span > max(1e-30, 1e-6 * max(-low, high)) else 0.0
    plain = Image.fromarray(values * np.float32(scale) - np.float32(low * scale))
    plain.info = image.info
    return plain


# --- grey ---------------------------------------------------------------------------------------


def _grey(image: Image.Image) -> Grey | Levels:
    """One channel, light high; whole numbers where the picture has one such channel."""
    pixels = np.asarray(image)  # (H, W), (H, W, 3) or (H, W, 4)
    if pixels.ndim == 2:
        return pixels
    if pixels.shape[2] == 4:
        pixels, alpha = pixels[..., :3], pixels[..., 3]
        if not alpha.any():
            raise BlankPicture("The picture is fully transparent.", "Send a glyph on a background.")
        if np.ptp(alpha) >= 32:
            return _transparent(pixels, alpha)
    return _project(pixels)


def _transparent(colour: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> Grey | Levels:
    """Grey of a picture that is transparent in parts.

    A glyph on nothing, whatever its colours, is its alpha. Only where several colours fill a
    solid block is the block a plate that carries the glyph, and is continued over the margin.
    """
    opaque = alpha > int(alpha.max()) // 2
    left, top, right, bottom = bits.box(bits.of_mask(opaque), opaque.shape[1])
    block = (right - left) * (bottom - top)
    if np.count_nonzero(opaque) < 0.7 * block or np.ptp(colour[opaque], axis=0).max() <= 40:
        return 255 - alpha
    rim = opaque & grown(np.pad(~opaque, 1, constant_values=True), 1)[1:-1, 1:-1]
    plate = np.median(colour[rim], axis=0).astype(np.float32)
    cover = alpha[..., None] * np.float32(1 / 255)
    return _project(np.rint(plate + (colour - plate) * cover).astype(np.uint8))


def _project(colour: NDArray[np.uint8]) -> Grey | Levels:
    """Project (H, W, 3) colours on the axis along which neighbouring pixels differ most.

    Differences, not the colours themselves: the edges of strokes then outweigh slow changes of
    light, however little of the picture the glyph takes.
    """
    red, green, blue = colour[..., 0], colour[..., 1], colour[..., 2]
    if np.array_equal(red, green) and np.array_equal(green, blue):
        return np.ascontiguousarray(red)
    small = np.asarray(Image.fromarray(colour).reduce(math.ceil(max(red.shape) / 128)), np.float32)
    steps = np.concatenate([np.diff(small, axis=axis).reshape(-1, 3) for axis in (0, 1)])
    axis = np.linalg.eigh(steps.T @ steps)[1][:, -1]
    lightness = float(axis @ np.array((0.299, 0.587, 0.114)))
    axis *= math.copysign(1, lightness) / np.abs(axis).sum()  # light stays light, 255 wide
    grey: Grey = colour.astype(np.float32) @ axis
    return grey
