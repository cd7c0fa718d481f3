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

from glyphs.errors import BadPicture
from glyphs.outline import Outline
from glyphs.raster import Distortion, Raster, RasterSettings, draw, fit
from training.config import Augmentation


def augmented(outline: Outline, settings: RasterSettings, how: Augmentation, rng: Generator) -> Raster:
    """A distorted and perhaps degraded raster of an outline."""
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
        pixels = np.where(pixels > rng.integers(90, 166), np.uint8(255), np.uint8(0))
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
    if fate < how.hide_metrics + 0.1:
        noisy[rng.random(4) < 0.5] = np.nan
    return noisy


def _distortion(outline: Outline, how: Augmentation, rng: Generator) -> Distortion:
    angle = math.radians(rng.uniform(-how.rotation, how.rotation))
    slant, aspect = rng.uniform(-how.slant, how.slant), math.exp(rng.uniform(-how.aspect, how.aspect))
    cosine, sine = math.cos(angle), math.sin(angle)
    matrix = np.array([[cosine, -sine], [sine, cosine]]) @ np.array([[aspect, slant], [0.0, 1.0]])
    jitter = None
    if how.jitter and rng.random() < 0.5:
        sigma = rng.uniform(0, how.jitter) / 1000 * outline.units_per_em
        jitter = rng.standard_normal(outline.points.shape) * sigma
    # Thinning takes hairlines apart more easily than widening fills them: half as far.
    weight = rng.uniform(-how.weight / 2, how.weight)
    scale = 1 - rng.uniform(0, how.shrink) if rng.random() < 0.5 else 1.0
    shift = (
        (rng.uniform(-how.shift, how.shift), rng.uniform(-how.shift, how.shift))
        if scale < 1.0
        else (0.0, 0.0)
    )
    return Distortion(matrix, weight, jitter, scale, shift)
