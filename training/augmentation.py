"""Making one sample unlike any other: distortions of the outline, or of a picture's ink.

What pixels suffer in scans and thumbnails comes later, on the device that trains (`training.degradation`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import map_coordinates

from glyphs.errors import BadFont, BadPicture
from glyphs.outline import Outline, Outlines
from glyphs.raster import Distortions, Raster, RasterSettings, draw, draw_all, fill, fit
from training.config import Augmentation
from training.pen import penned


def augmented(
    shapes: Sequence[Outline | Raster], settings: RasterSettings, how: Augmentation, rng: Generator
) -> Raster:
    """Distorted rasters of outlines or of pictures' ink (H, W), (N, S, S).

    Colour pictures (H, W, 3) become (N, 3, S, S), cropped and perhaps mirrored. What distortion leaves no ink
    of, such as a hairline that was thinned, is drawn as its font has it.

    Raises:
        BadFont, BadPicture: there was none before.
    """
    outlined = np.array([isinstance(shape, Outline) for shape in shapes])
    printed = outlined & (rng.random(len(shapes)) >= how.pen)
    colour = any(not isinstance(shape, Outline) and shape.ndim == 3 for shape in shapes)
    out = np.empty((len(shapes), *([3] if colour else []), settings.size, settings.size), np.uint8)
    outlines = [
        shape for shape, own in zip(shapes, printed, strict=True) if own and isinstance(shape, Outline)
    ]
    if outlines:
        out[printed] = _printed(Outlines.of(outlines), settings, how, rng)
    for i in np.flatnonzero(~printed).tolist():
        shape = shapes[i]
        if isinstance(shape, Outline):
            out[i] = _written(shape, settings, how, rng)
        elif shape.ndim == 3:
            out[i] = _photograph(shape, settings, how, rng)
        else:
            out[i] = _ink(shape, settings, how, rng)
    return out


def _printed(outlines: Outlines, settings: RasterSettings, how: Augmentation, rng: Generator) -> Raster:
    rasters = draw_all(outlines, settings, distortions=_distortions(outlines, how, rng), blanks=True)
    for i in np.flatnonzero(~rasters.any(axis=(1, 2))).tolist():
        draw_all(outlines.part(i, i + 1), settings, rasters[i : i + 1])
    return rasters


def _written(outline: Outline, settings: RasterSettings, how: Augmentation, rng: Generator) -> Raster:
    """With a pen, wobbling, at some size; then bent and brought up to size as a picture is."""
    box = round(math.exp(rng.uniform(math.log(28), math.log(settings.box))))
    bent = replace(how, elastic=how.wobble, rotation=2 * how.rotation, slant=2 * how.slant)
    with suppress(BadFont, BadPicture):  # so thin that nothing is left of it
        ink = draw(outline, RasterSettings(size=box + 6, box=box))
        return _ink(penned(ink, rng), settings, bent, rng)
    return draw(outline, settings)


def _ink(ink: Raster, settings: RasterSettings, how: Augmentation, rng: Generator) -> Raster:
    """Bend a picture's ink as a whole, then fit it as every picture is fitted."""
    height, width = ink.shape
    margin = max(height, width) // 4
    tall, wide = height + 2 * margin, width + 2 * margin
    # Where each pixel of the result comes from.
    y, x = np.mgrid[:tall, :wide].astype(np.float32)
    y, x = y - (tall - 1) / 2, x - (wide - 1) / 2
    (a, b), (c, d) = np.linalg.inv(_matrices(how, rng, 1)[0]).astype(np.float32)
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
    try:
        raster = fit(warped, smaller)
    except BadPicture:
        return fit(ink, settings)
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


def hidden(metrics: NDArray[np.float32], how: Augmentation, rng: Generator) -> NDArray[np.float32]:
    """Metrics (N, 4) with a little noise; of some glyphs all unknown, of some a few."""
    count = len(metrics)
    fate = rng.random((count, 1))
    noisy = metrics * (1 + how.metrics_noise * rng.standard_normal((count, 4), np.float32))
    if how.metrics_scale:
        noisy = noisy * np.exp(how.metrics_scale * rng.standard_normal((count, 1), np.float32))
    lost = (fate < how.hide_metrics + min(0.1, how.hide_metrics)) & (rng.random((count, 4)) < 0.5)
    return np.where(lost | (fate < how.hide_metrics), np.float32(np.nan), noisy)


def _distortions(outlines: Outlines, how: Augmentation, rng: Generator) -> Distortions:
    count, owners = len(outlines), outlines.owners()
    moves = np.zeros(outlines.points.shape)
    if how.jitter:
        moves += rng.standard_normal(moves.shape) * _of_half(rng, count, how.jitter)[owners]
    if how.bend:
        moves += _bent(outlines, _of_half(rng, count, how.bend), rng)
    moves *= (outlines.units_per_em / 1000)[owners, None]
    # Thinning takes hairlines apart more easily than widening fills them: half as far.
    weights = rng.uniform(-how.weight / 2, how.weight, count)
    scales = 1 - rng.uniform(0, how.shrink, count) * (rng.random(count) < 0.5)
    return Distortions(
        matrices=_matrices(how, rng, count),
        weights=weights,
        moves=moves,
        scales=scales,
        shifts=rng.uniform(-how.shift, how.shift, (count, 2)) * (scales < 1)[:, None],
    )


def _of_half(rng: Generator, count: int, most: float) -> NDArray[np.float64]:
    """(count, 1) numbers up to `most` for half of the glyphs, 0 for the others."""
    return (rng.uniform(0, most, count) * (rng.random(count) < 0.5))[:, None]


def _bent(outlines: Outlines, most: NDArray[np.float64], rng: Generator) -> NDArray[np.float64]:
    """(P, 2) displacements of points along three waves of about an em in length, `most` (N, 1) at most."""
    count, owners = len(outlines), outlines.owners()
    places = outlines.points / outlines.units_per_em[owners, None]
    frequencies = 2 * math.pi * rng.standard_normal((count, 2, 3))
    phases = rng.uniform(0, 2 * math.pi, (count, 3))
    directions = rng.uniform(-1, 1, (count, 3, 2)) * most[:, :, None]
    angles = np.einsum("pc,pcw->pw", places, frequencies[owners]) + phases[owners]
    bent: NDArray[np.float64] = np.einsum("pw,pwc->pc", np.sin(angles), directions[owners])
    return bent


def _matrices(how: Augmentation, rng: Generator, count: int) -> NDArray[np.float64]:
    """(count, 2, 2) rotation, slant and aspect."""
    angle = np.radians(rng.uniform(-how.rotation, how.rotation, count))
    slant, aspect = rng.uniform(-how.slant, how.slant, count), rng.uniform(-how.aspect, how.aspect, count)
    cosine, sine, aspect = np.cos(angle), np.sin(angle), np.exp(aspect)
    # [[cosine, -sine], [sine, cosine]] @ [[aspect, slant], [0, 1]]
    columns = (cosine * aspect, cosine * slant - sine, sine * aspect, sine * slant + cosine)
    return np.stack(columns, axis=1).reshape(count, 2, 2)
