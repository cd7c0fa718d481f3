"""A printed glyph as a hand would write it: its strokes' middle lines, drawn again with a pen.

Type designers change a stroke's width, add serifs and close every join; a pen has one width, wobbles
and lifts. Thinning is Zhang and Suen, "A Fast Parallel Algorithm for Thinning Digital Patterns",
CACM 1984; nearness to the line is Felzenszwalb and Huttenlocher's exact distance transform, and what is
within the pen's radius is ink.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import convolve, distance_transform_edt
from skimage.morphology import skeletonize

from glyphs.raster import Raster

# Radius of the pen as a share of the glyph's longer side: from a fine liner to a felt-tip pen.
_RADIUS = (0.018, 0.08)
# A shape whose ink is on average wider than this share of it is an area, which no pen would draw as a line.
_WIDEST = 0.2
_LIFTS = 0.3  # of the drawings have a join that was left open
_NEIGHBOURS = np.ones((3, 3), np.uint8)


def penned(ink: Raster, rng: Generator) -> Raster:
    """The ink (H, W) of a glyph, redrawn along its middle lines on paper (H + 2m, W + 2m), uint8.

    m is room for the pen, which may be wider than the strokes were. Areas, dots among them, come
    back as they are.
    """
    line = skeletonize(ink > 127)
    length, longest = int(line.sum()), max(ink.shape)
    if not length or ink.sum(dtype=np.int64) / 255 > _WIDEST * longest * length:
        return ink
    radius = longest * np.exp(rng.uniform(*np.log(_RADIUS)))
    if rng.random() < _LIFTS:
        line = _lifted(line, radius, rng)
    margin = round(radius * 1.5) + 1
    line = np.pad(line, margin)
    far = distance_transform_edt(~line)
    # Pressure changes slowly: a coarse grid of radii, enlarged.
    coarse = (radius * rng.uniform(0.75, 1.25, (3, 3))).astype(np.float32)
    radii = np.asarray(Image.fromarray(coarse).resize(line.shape[::-1], Image.Resampling.BICUBIC))
    # Half a pixel of soft edge; a line finer than the grid would break where it is bent.
    covered: Raster = (255 * np.clip(np.maximum(radii, 0.9) + 0.5 - far, 0, 1)).astype(np.uint8)
    return covered


def _lifted(line: NDArray[np.bool_], radius: float, rng: Generator) -> NDArray[np.bool_]:
    """With the line gone around one of the places where it forks, if it has any."""
    forks = np.argwhere(line & (convolve(line.view(np.uint8), _NEIGHBOURS, mode="constant") > 3))
    if not len(forks):
        return line
    y, x = forks[rng.integers(len(forks))]
    rows, columns = np.ogrid[: line.shape[0], : line.shape[1]]
    # The pen's own roundness closes a gap of its radius on either side again.
    gap = radius + rng.uniform(1.0, 0.04 * max(line.shape) + 1.0)
    # Only to one side: the other strokes still meet there.
    away = rng.uniform(0, 2 * np.pi)
    y, x = y + gap * np.sin(away), x + gap * np.cos(away)
    left = line & (np.hypot(rows - y, columns - x) > gap)
    return left if left.any() else line
