"""Making one sample unlike any other: distortions of the outline, degradation of the pixels.

Clean outlines alone do not prepare a model for screenshots, scans and thumbnails, so half of
the samples are drawn small, blurred, speckled or compressed, and brought back to size by the
very function that serving uses for posted pictures (`glyphs.raster.fit`).
"""

from __future__ import annotations

import io
import math
from contextlib import suppress
from dataclasses import replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy.ndimage import map_coordinates

from glyphs.errors import BadPicture
from glyphs.outline import Outline
from glyphs.raster import Distortion, Raster, RasterSettings, draw, fill, fit
from training.config import Augmentation
from training.pen import penned


def augmented(shape: Outline | Raster, settings: RasterSettings, how: Augmentation, rng: Generator) -> Raster:
    """A distorted and perhaps degraded raster, (S, S), of an outline or of a picture's ink (H, W).

    A colour picture (H, W, 3) becomes (3, S, S), cropped and perhaps mirrored.

    Raises:
        BadFont, BadPicture: distortion left no ink.
    """
    if not isinstance(shape, Outline):
        raster = (
            _photograph(shape, settings, how, rng) if shape.ndim == 3 else _ink(shape, settings, how, rng)
        )
    else:
        drawn = _written if how.pen and rng.random() < how.pen else _outline
        raster = drawn(shape, settings, how, rng)
    return _erased(raster, rng) if how.erase and rng.random() < how.erase else raster


def _written(outline: Outline, settings: RasterSettings, how: Augmentation, rng: Generator) -> Raster:
    """With a pen, wobbling, at some size; then bent and brought up to size as a picture is."""
    box = round(math.exp(rng.uniform(math.log(28), math.log(settings.box))))
    ink = draw(outline, RasterSettings(size=box + 6, box=box))
    bent = replace(how, elastic=how.wobble, rotation=2 * how.rotation, slant=2 * how.slant)
    return _ink(penned(ink, rng), settings, bent, rng)


def _outline(outline: Outline, settings: RasterSettings, how: Augmentation, rng: Generator) -> Raster:
    distortion = _distortion(outline, how, rng)
    if rng.random() < how.degrade:
        # Even on a logarithmic scale: as many samples between 14 and 28 pixels as between 28 and 56.
        box = round(math.exp(rng.uniform(math.log(how.smallest), math.log(settings.box))))
        small = RasterSettings(size=box + 6, box=box)
        subpixel = (rng.uniform(-0.5, 0.5), rng.uniform(-0.5, 0.5))
        ink = draw(outline, small, replace(distortion, scale=1.0, shift=subpixel))
        with suppress(BadPicture):  # so thin, so small, that nothing is left of it
            return degraded(ink, settings, how, rng)
    raster = draw(outline, settings, distortion)
    # A hairline thinned to nothing stays as its font drew it.
    return raster if raster.any() else draw(outline, settings)


def _ink(ink: Raster, settings: RasterSettings, how: Augmentation, rng: Generator) -> Raster:
    """Bend a picture's ink as a whole, then fit it as every picture is fitted."""
    height, width = ink.shape
    margin = max(height, width) // 4
    tall, wide = height + 2 * margin, width + 2 * margin
    # Where each pixel of the result comes from.
    y, x = np.mgrid[:tall, :wide].astype(np.float32)
    y, x = y - (tall - 1) / 2, x - (wide - 1) / 2
    (a, b), (c, d) = np.linalg.inv(_matrix(how, rng)).astype(np.float32)
    x, y = a * x + b * y + (width - 1) / 2, c * x + d * y + (height - 1) / 2
    if how.elastic:
        # Simard et al., "Best Practices for Convolutional Neural Networks", ICDAR 2003; the smooth
        # field is a coarse grid of random vectors, enlarged.
        field = rng.standard_normal((2, 5, 5), np.float32) * rng.uniform(0, how.elastic) * height
        bent = [Image.fromarray(part).resize((wide, tall), Image.Resampling.BICUBIC) for part in field]
        y, x = y + np.asarray(bent[0]), x + np.asarray(bent[1])
    warped = map_coordinates(ink, [y, x], np.uint8, order=1)
    box = round(settings.box * (1 - rng.uniform(0, how.shrink))) if rng.random() < 0.5 else settings.box
    smaller = RasterSettings(settings.size, box)
    raster = degraded(warped, smaller, how, rng) if rng.random() < how.degrade else fit(warped, smaller)
    room = min(how.shift, (settings.size - box) / 2)
    down, right = np.rint(rng.uniform(-room, room, 2)).astype(int)
    return np.roll(raster, (down, right), (0, 1))


def _photograph(picture: Raster, settings: RasterSettings, how: Augmentation, rng: Generator) -> Raster:
    """A random part of a colour picture, of any place and a little of any shape."""
    height, width = picture.shape[:2]
    side = min(height, width) * math.sqrt(rng.uniform(how.crop, 1.0))
    stretch = math.exp(rng.uniform(-how.aspect, how.aspect) / 2)
    across, down = min(side * stretch, width), min(side / stretch, height)
    left, top = rng.uniform(0, width - across), rng.uniform(0, height - down)
    pixels = fill(picture, settings.size, (left, top, left + across, top + down))
    return np.ascontiguousarray(pixels[:, :, ::-1]) if rng.random() < how.mirror else pixels


def _erased(raster: Raster, rng: Generator) -> Raster:
    """With a rectangle of up to a fifth of the area blank, and not all of the ink."""
    size = raster.shape[-1]
    height, width = (int(n) for n in rng.integers(size // 8, round(size * 0.45), 2))
    top, left = int(rng.integers(size - height)), int(rng.integers(size - width))
    erased = raster.copy()
    erased[..., top : top + height, left : left + width] = 0
    return erased if erased.any() else raster


def degraded(ink: NDArray[np.uint8], settings: RasterSettings, how: Augmentation, rng: Generator) -> Raster:
    """Blur, noise, compression and thresholding of a small picture's ink, then back to a raster.

    Raises:
        BadPicture: no ink survives.
    """
    picture = Image.fromarray(ink)
    if rng.random() < 0.4:
        picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, how.blur)))
    if rng.random() < 0.3:
        packed = io.BytesIO()
        picture.save(packed, "JPEG", quality=int(rng.integers(30, 95)))
        picture = Image.open(packed)
    pixels = np.asarray(picture)
    if rng.random() < 0.25:
        level = rng.integers(128 - how.threshold, 128 + how.threshold)
        pixels = np.where(pixels > level, np.uint8(255), np.uint8(0))
    if how.specks and rng.random() < 0.25:
        # Before fitting: specks beside a glyph are taken for its ink, and it comes out smaller.
        chance = rng.random(pixels.shape) < rng.uniform(0, how.specks)
        pixels = np.where(chance, rng.integers(0, 2, pixels.shape, np.uint8) * np.uint8(255), pixels)
    raster = fit(pixels, settings)
    if rng.random() < 0.25:
        noise = rng.standard_normal(raster.shape, np.float32) * rng.uniform(2, how.noise)
        raster = np.clip(raster + noise, 0, 255).astype(np.uint8)
    return raster


def hidden(metrics: NDArray[np.float32], how: Augmentation, rng: Generator) -> NDArray[np.float32]:
    """Metrics (4,) with a little noise, or all unknown, or some."""
    fate = rng.random()
    if fate < how.hide_metrics:
        return np.full(4, np.nan, np.float32)
    noisy = metrics * (1 + how.metrics_noise * rng.standard_normal(4, np.float32))
    if how.metrics_scale:
        noisy = noisy * np.float32(math.exp(how.metrics_scale * rng.standard_normal()))
    if fate < how.hide_metrics + 0.1:
        noisy[rng.random(4) < 0.5] = np.nan
    return noisy


def _distortion(outline: Outline, how: Augmentation, rng: Generator) -> Distortion:
    matrix = _matrix(how, rng)
    jitter = None
    if how.jitter and rng.random() < 0.5:
        sigma = rng.uniform(0, how.jitter) / 1000 * outline.units_per_em
        jitter = rng.standard_normal(outline.points.shape) * sigma
    if how.bend and rng.random() < 0.5:
        bent = _bent(outline, rng.uniform(0, how.bend) / 1000, rng)
        jitter = bent if jitter is None else jitter + bent
    # Thinning takes hairlines apart more easily than widening fills them: half as far.
    weight = rng.uniform(-how.weight / 2, how.weight)
    scale = 1 - rng.uniform(0, how.shrink) if rng.random() < 0.5 else 1.0
    shift = (
        (rng.uniform(-how.shift, how.shift), rng.uniform(-how.shift, how.shift))
        if scale < 1.0
        else (0.0, 0.0)
    )
    return Distortion(matrix, weight, jitter, scale, shift)


def _bent(outline: Outline, most: float, rng: Generator) -> NDArray[np.float64]:
    """(P, 2) displacements of points along three waves of about an em in length, at most `most` em each."""
    frequencies = 2 * math.pi * rng.standard_normal((2, 3))
    angles = outline.points / outline.units_per_em @ frequencies + rng.uniform(0, 2 * math.pi, 3)
    directions = rng.uniform(-1, 1, (3, 2)) * most * outline.units_per_em
    bent: NDArray[np.float64] = np.sin(angles) @ directions
    return bent


def _matrix(how: Augmentation, rng: Generator) -> NDArray[np.float64]:
    """(2, 2) rotation, slant and aspect."""
    angle = math.radians(rng.uniform(-how.rotation, how.rotation))
    slant, aspect = rng.uniform(-how.slant, how.slant), math.exp(rng.uniform(-how.aspect, how.aspect))
    cosine, sine = math.cos(angle), math.sin(angle)
    matrix: NDArray[np.float64] = np.array([[cosine, -sine], [sine, cosine]]) @ [[aspect, slant], [0.0, 1.0]]
    return matrix
