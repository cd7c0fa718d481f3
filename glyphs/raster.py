"""The one place where pixels are made: an outline, or a picture's ink, becomes a raster.

A raster is `size` x `size` uint8, ink 255 on 0. The box of the ink is scaled so that its longer
side is `box` pixels, and centred. Training, indexing, scoring and serving all draw through
here; the settings travel in the bundle.
"""

from __future__ import annotations

import ctypes
import threading
from dataclasses import asdict, dataclass
from typing import Any

import freetype.raw as ft
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from glyphs.errors import BadFont, BadPicture
from glyphs.outline import Outline

Raster = NDArray[np.uint8]

_LONG = np.dtype(f"i{ctypes.sizeof(ctypes.c_long)}")
_UNIT = 64  # FreeType's 26.6 fixed point: 64 steps a pixel
_EMPTY_EDGE = 16  # ink darker than this (of 255) counts when a picture's box is measured


@dataclass(frozen=True, slots=True)
class RasterSettings:
    """How rasters are made. Two bundles with equal settings can share rasters."""

    size: int = 128
    box: int = 112

    def __post_init__(self) -> None:
        if not 8 <= self.box <= self.size <= 1024:
            raise ValueError(
                f"raster box {self.box} and size {self.size} must satisfy 8 <= box <= size <= 1024"
            )

    def to_dict(self) -> dict[str, Any]:
        """For a bundle's manifest."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Distortion:
    """How a drawing departs from its font; training draws one at random for every sample.

    matrix:  (2, 2) applied to the points before the box is measured (rotation, slant, aspect)
    weight:  stroke widening in thousandths of the em; negative thins
    jitter:  (P, 2) displacement of each point, font units, or None
    scale:   of the box, 1 fills `RasterSettings.box`
    shift:   of the centre, pixels, x to the right and y up
    """

    matrix: NDArray[np.float64] | None = None
    weight: float = 0.0
    jitter: NDArray[np.float64] | None = None
    scale: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)


UNDISTORTED = Distortion()


class _ThreadState(threading.local):
    """FreeType's rasteriser keeps scratch memory in its library, so each thread has its own."""

    def __init__(self) -> None:
        self.library = ft.FT_Library()
        if ft.FT_Init_FreeType(ctypes.byref(self.library)):
            raise RuntimeError("FreeType could not be initialised")


_state = _ThreadState()


def draw(
    outline: Outline,
    settings: RasterSettings = RasterSettings(),
    distortion: Distortion = UNDISTORTED,
) -> Raster:
    """Draw an outline into a raster, (size, size) uint8, antialiased, ink 255 on 0.

    Raises:
        BadFont: the outline encloses no area (a mark of a broken font).
    """
    points = outline.points.astype(np.float64)
    if distortion.jitter is not None:
        points = points + distortion.jitter
    if distortion.matrix is not None:
        points = points @ distortion.matrix.T
    extent = float(np.ptp(points, axis=0).max()) if len(points) else 0.0
    if not extent > 0.0:
        raise BadFont("An outline encloses no area.")

    # Measured once at 64 times the final resolution: FreeType knows the true extremes of curves,
    # which lie inside the box of their control points, and rounding there costs nothing.
    fine = settings.box * _UNIT * 64 / extent
    vectors = np.rint(points * fine).astype(_LONG)
    tags = np.ascontiguousarray(outline.tags)
    contours = np.ascontiguousarray(outline.contours, dtype=np.int16)
    shape = ft.FT_Outline()
    shape.n_points, shape.n_contours = len(vectors), len(contours)
    shape.points = ctypes.cast(vectors.ctypes.data, type(shape.points))
    shape.tags = ctypes.cast(tags.ctypes.data, type(shape.tags))
    shape.contours = ctypes.cast(contours.ctypes.data, type(shape.contours))
    if distortion.weight:
        strength = round(distortion.weight / 1000 * outline.units_per_em * fine)
        ft.FT_Outline_Embolden(ctypes.byref(shape), ctypes.c_long(strength))
    box = ft.FT_BBox()
    ft.FT_Outline_Get_BBox(ctypes.byref(shape), ctypes.byref(box))
    longer = max(box.xMax - box.xMin, box.yMax - box.yMin)
    if longer <= 0:
        raise BadFont("An outline encloses no area.")

    scale = settings.box * _UNIT * distortion.scale / longer
    middle = np.array([box.xMin + box.xMax, box.yMin + box.yMax]) / 2
    centre = (settings.size / 2 + np.array(distortion.shift)) * _UNIT
    vectors[:] = np.rint((vectors - middle) * scale + centre)

    raster = np.zeros((settings.size, settings.size), np.uint8)
    bitmap = ft.FT_Bitmap()
    bitmap.rows = bitmap.width = bitmap.pitch = settings.size
    bitmap.buffer = ctypes.cast(raster.ctypes.data, type(bitmap.buffer))
    bitmap.num_grays, bitmap.pixel_mode = 256, ft.FT_PIXEL_MODE_GRAY
    if ft.FT_Outline_Get_Bitmap(_state.library, ctypes.byref(shape), ctypes.byref(bitmap)):
        raise BadFont("FreeType refuses to draw an outline.")
    return raster


def fit(ink: NDArray[np.uint8], settings: RasterSettings = RasterSettings()) -> Raster:
    """Bring the ink of a picture, (H, W) uint8 with ink bright on 0, to a raster.

    Raises:
        BadPicture: there is no ink.
    """
    mask = ink > _EMPTY_EDGE
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        raise BadPicture("The picture holds no ink.")
    # Resampled by itself and pasted: a resampling kernel that saw the empty surroundings would
    # smear the ink beyond its box. The price is a centre that may be half a pixel off.
    crop = Image.fromarray(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    scale = settings.box / max(crop.size)
    width, height = (max(1, round(side * scale)) for side in crop.size)
    raster = np.zeros((settings.size, settings.size), np.uint8)
    top, left = (settings.size - height) // 2, (settings.size - width) // 2
    raster[top : top + height, left : left + width] = np.asarray(
        crop.resize((width, height), Image.Resampling.BICUBIC)
    )
    return raster


def fill(
    picture: NDArray[np.uint8], size: int, box: tuple[float, float, float, float] | None = None
) -> NDArray[np.uint8]:
    """Bring a colour picture, (H, W, 3), to (3, size, size): its largest centred square.

    box: (left, top, right, bottom) in pixels of the picture, to take that part instead.
    """
    height, width = picture.shape[:2]
    side = min(height, width)
    left, top = (width - side) / 2, (height - side) / 2
    square = Image.fromarray(picture).resize(
        (size, size), Image.Resampling.BILINEAR, box=box or (left, top, left + side, top + side)
    )
    return np.ascontiguousarray(np.asarray(square).transpose(2, 0, 1))
