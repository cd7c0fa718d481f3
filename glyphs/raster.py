"""The one place where pixels are made: an outline, or a picture's ink, becomes a raster.

A raster is `size` x `size` uint8, ink 255 on 0. The box of the ink is scaled so that its longer
side is `box` pixels, and centred. Training, indexing, scoring and serving all draw through
here; the settings travel in the bundle.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import compress, repeat
from typing import Any

import freetype.raw as ft
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from glyphs import bits, foreign
from glyphs.errors import BadFont, BadPicture
from glyphs.outline import Outline, Outlines

Raster = NDArray[np.uint8]

_UNIT = 64  # FreeType's 26.6 fixed point: 64 steps a pixel
_AT_ONCE = 64  # glyphs; their pixels are still in the cache when the next are drawn
INK = 16  # ink darker than this (of 255) counts when a picture's box is measured and its blobs are told apart


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


@dataclass(frozen=True, slots=True)
class Distortions:
    """`Distortion` of N outlines with P points in all.

    matrices (N, 2, 2); weights, scales (N,); moves (P, 2); shifts (N, 2)
    """

    matrices: NDArray[np.float64]
    weights: NDArray[np.float64]
    moves: NDArray[np.float64]
    scales: NDArray[np.float64]
    shifts: NDArray[np.float64]

    def part(self, some: slice, points: slice) -> Distortions:
        """Of some of the outlines, which have these of the points; nothing is copied."""
        return Distortions(
            self.matrices[some], self.weights[some], self.moves[points], self.scales[some], self.shifts[some]
        )


class _Workplace(threading.local):
    """What a thread draws with: FreeType's rasteriser keeps scratch memory in its library, so each has its
    own, and structures for one glyph are filled in again rather than made.
    """

    def __init__(self) -> None:
        library = ft.FT_Library()
        if ft.FT_Init_FreeType(ctypes.byref(library)):
            raise RuntimeError("FreeType could not be initialised")
        self.library = ctypes.cast(library, ctypes.c_void_p).value
        self.shape: Any = foreign.OutlineStructure()
        self.box: Any = ft.FT_BBox()
        self.bitmap: Any = foreign.BitmapStructure(num_grays=256, pixel_mode=ft.FT_PIXEL_MODE_GRAY)
        self.at_shape, self.at_box, self.at_bitmap = map(
            ctypes.addressof, (self.shape, self.box, self.bitmap)
        )


_workplace = _Workplace()
_HOLLOW, _REFUSED = "An outline encloses no area.", "FreeType refuses to draw an outline."


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
        points = _turned(points, distortion.matrix)
    if not len(points):
        raise BadFont(_HOLLOW)
    extent = float((np.maximum.reduce(points) - np.minimum.reduce(points)).max())
    if not extent > 0.0:
        raise BadFont(_HOLLOW)

    # Measured once at 64 times the final resolution: FreeType knows the true extremes of curves,
    # which lie inside the box of their control points, and rounding there costs nothing.
    fine = settings.box * _UNIT * 64 / extent
    points *= fine
    vectors = np.rint(points, out=points).astype(foreign.LONG)
    tags = np.ascontiguousarray(outline.tags)
    contours = np.ascontiguousarray(outline.contours, dtype=np.int16)
    of = _workplace
    shape, box, bitmap = of.shape, of.box, of.bitmap
    shape.n_points, shape.n_contours = len(vectors), len(contours)
    shape.points, shape.tags, shape.contours = map(foreign.address, (vectors, tags, contours))
    if distortion.weight:
        foreign.embolden(of.at_shape, round(distortion.weight / 1000 * outline.units_per_em * fine))
    box.xMin = box.yMin = box.xMax = box.yMax = 0
    foreign.get_box(of.at_shape, of.at_box)
    left, bottom, right, top = box.xMin, box.yMin, box.xMax, box.yMax
    longer = max(right - left, top - bottom)
    if longer <= 0:
        raise BadFont(_HOLLOW)

    placed = np.subtract(vectors, ((left + right) / 2, (bottom + top) / 2), out=points)
    placed *= settings.box * _UNIT * distortion.scale / longer
    placed += [(settings.size / 2 + shift) * _UNIT for shift in distortion.shift]
    vectors[:] = np.rint(placed, out=placed)

    raster = np.zeros((settings.size, settings.size), np.uint8)
    bitmap.rows = bitmap.width = bitmap.pitch = settings.size
    bitmap.buffer = foreign.address(raster)
    if foreign.get_bitmap(of.library, of.at_shape, of.at_bitmap):
        raise BadFont(_REFUSED)
    return raster


def draw_all(
    outlines: Outlines | Sequence[Outline],
    settings: RasterSettings = RasterSettings(),
    out: NDArray[np.uint8] | None = None,
    *,
    distortions: Distortions | None = None,
    blanks: bool = False,
) -> NDArray[np.uint8]:
    """Draw N outlines into rasters, (N, size, size) uint8, each bit for bit as `draw` makes it.

    Several times as fast: per glyph there are two calls of FreeType, and numpy does the rest for many.

    out: where to draw them, such as rows of a model's input; C-contiguous. What was there is overwritten
    distortions: of the outlines
    blanks: whether an outline that encloses no area becomes a blank raster

    Raises:
        BadFont: without `blanks`, an outline encloses no area; what `out` then holds is not to be used.
        ValueError: `out` is not as it should be.
    """
    shape = (len(outlines), settings.size, settings.size)
    if out is None:
        out = np.empty(shape, np.uint8)
    elif out.shape != shape or out.dtype != np.uint8 or not out.flags.c_contiguous:
        raise ValueError(f"rasters go into a C-contiguous array {shape} of uint8")
    point = 0
    for start in range(0, len(outlines), _AT_ONCE):
        end = min(start + _AT_ONCE, len(outlines))
        if isinstance(outlines, Outlines):
            some = outlines.part(start, end)
        else:
            some = Outlines.of(outlines[start:end])
        after = point + len(some.points)
        how = distortions and distortions.part(slice(start, end), slice(point, after))
        _draw_some(some, settings, out[start:end], how, blanks)
        point = after
    return out


def _draw_some(
    outlines: Outlines,
    settings: RasterSettings,
    out: NDArray[np.uint8],
    how: Distortions | None,
    blanks: bool,
) -> None:
    """As `draw`, in the same steps, each for all outlines at once."""
    counts, size = outlines.point_counts, settings.size
    starts, numbers = np.cumsum(counts) - counts, 2 * counts
    points = outlines.points.astype(np.float64)
    if how is not None:
        points = _turned(points + how.moves, how.matrices[outlines.owners()])
    extents, filled = np.zeros(len(counts)), counts > 0
    columns, begins = np.ascontiguousarray(points.T), starts[filled]
    least, most = (extreme.reduceat(columns, begins, axis=1) for extreme in (np.minimum, np.maximum))
    extents[filled] = (most - least).max(axis=0)
    inked = extents > 0.0

    # Broadcasting over two columns is slow: numpy works on flat rows of x, y, x, y and so on.
    fine = settings.box * _UNIT * 64 / np.where(inked, extents, 1.0)
    vectors = np.rint(points.ravel() * np.repeat(fine, numbers)).astype(foreign.LONG)
    tags, contours = np.ascontiguousarray(outlines.tags), np.ascontiguousarray(outlines.contours)
    before = np.cumsum(outlines.contour_counts) - outlines.contour_counts
    shapes = np.zeros(len(counts), foreign.OUTLINE)
    shapes["n_points"], shapes["n_contours"] = counts, outlines.contour_counts
    shapes["points"] = foreign.address(vectors) + 2 * vectors.itemsize * starts
    shapes["tags"] = foreign.address(tags) + starts
    shapes["contours"] = foreign.address(contours) + contours.itemsize * before
    if how is not None:
        strengths = np.rint(how.weights / 1000 * outlines.units_per_em * fine).astype(int)
        list(map(foreign.embolden, foreign.rows(shapes), strengths.tolist()))
    boxes = np.zeros((len(counts), 4), foreign.LONG)  # left, bottom, right, top
    list(map(foreign.get_box, foreign.rows(shapes), foreign.rows(boxes)))
    longer = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    inked &= longer > 0
    if not (blanks or inked.all()):
        raise BadFont(_HOLLOW)

    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    placed = vectors - np.repeat(middle, counts, axis=0).ravel()
    scales = settings.box * _UNIT * (1.0 if how is None else how.scales)
    placed *= np.repeat(scales / np.where(inked, longer, 1), numbers)
    placed += (
        size / 2 * _UNIT if how is None else np.repeat((size / 2 + how.shifts) * _UNIT, counts, 0).ravel()
    )
    vectors[:] = np.rint(placed, out=placed)

    out.fill(0)
    bitmaps = np.zeros(len(counts), foreign.BITMAP)
    bitmaps["rows"] = bitmaps["width"] = bitmaps["pitch"] = size
    bitmaps["num_grays"], bitmaps["pixel_mode"] = 256, ft.FT_PIXEL_MODE_GRAY
    bitmaps["buffer"] = foreign.rows(out)
    drawn = inked.tolist()
    refused = list(
        map(
            foreign.get_bitmap,
            repeat(_workplace.library),
            compress(foreign.rows(shapes), drawn),
            compress(foreign.rows(bitmaps), drawn),
        )
    )
    if any(refused):
        if not blanks:
            raise BadFont(_REFUSED)
        out[np.flatnonzero(inked)[np.flatnonzero(refused)]] = 0


def _turned(points: NDArray[np.float64], matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """(P, 2) points by a matrix, (2, 2), or by one for each, (P, 2, 2)."""
    # Not `@`, whose last bit depends on how many points there are.
    (a, b), (c, d) = np.moveaxis(matrix, (-2, -1), (0, 1))
    x, y = points.T
    return np.stack([a * x + b * y, c * x + d * y], axis=1)


def fit(ink: NDArray[np.uint8], settings: RasterSettings = RasterSettings()) -> Raster:
    """Bring the ink of a picture, (H, W) uint8 with ink bright on 0, to a raster.

    Raises:
        BadPicture: there is no ink.
    """
    mask = bits.of_mask(ink > INK)
    if not mask:
        raise BadPicture("The picture holds no ink.")
    first, above, last, below = bits.box(mask, ink.shape[1])
    # Resampled by itself and pasted: a resampling kernel that saw the empty surroundings would
    # smear the ink beyond its box. The price is a centre that may be half a pixel off.
    crop = Image.fromarray(ink[above:below, first:last])
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
