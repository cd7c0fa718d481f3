"""What scans, screenshots and thumbnails do to pixels, for a whole batch on the device that trains.

Clean drawings alone do not prepare a model for posted pictures, so a share of the samples is drawn small,
blurred, compressed, thresholded, speckled or noisy, and brought back to size as `glyphs.raster.fit` brings
posted pictures. Resampling along one side is a product with a matrix of weights, so that drawing small,
blurring and enlarging are six small matrix products a glyph, on a GPU as on a CPU.

Shape legend: B batch, S side of a raster, M side of the small pictures (room for the largest), n samples that
are degraded.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from glyphs.raster import INK, RasterSettings
from training.config import Augmentation

_MARGIN = 3  # pixels of paper around a small picture
_BLOCK = 8  # JPEG's
# ITU-T T.81 (JPEG), table K.1: the steps of luminance at quality 50.
_STEPS = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)


@torch.no_grad()
def degraded(image: Tensor, settings: RasterSettings, how: Augmentation, seed: int) -> Tensor:
    """(B, 1, S, S) uint8, a share `how.degrade` of it degraded, a share `how.erase` with a blank rectangle.

    What degrading leaves no ink of stays as it was. A function of its arguments alone, on one kind of device.
    """
    rng = torch.Generator(image.device).manual_seed(seed)
    out = image.clone()
    chosen = _some(len(image), how.degrade, rng)
    if len(chosen):
        with torch.autocast(image.device.type, enabled=False):  # places between pixels are no bfloat16
            out[chosen, 0] = _degraded(image[chosen, 0], settings, how, rng)
    chosen = _some(len(image), how.erase, rng)
    if len(chosen):
        out[chosen] = _erased(out[chosen], rng)
    return out


def _degraded(raster: Tensor, settings: RasterSettings, how: Augmentation, rng: torch.Generator) -> Tensor:
    """(n, S, S) uint8 -> the same."""
    count = len(raster)
    # Even on a logarithmic scale: as many samples between 14 and 28 pixels as between 28 and 56.
    low, high = math.log(min(how.smallest, settings.box)), math.log(settings.box)
    side = torch.exp(_uniform(rng, low, high, count))
    small = drawn_small(raster.float(), side, settings, how, rng)

    chosen = _some(count, 0.3, rng)
    small[chosen] = compressed(small[chosen], _uniform(rng, 30, 95, len(chosen)).floor())
    chosen = _some(count, 0.25, rng)
    level = _uniform(rng, 128 - how.threshold, 128 + how.threshold, len(chosen)).floor()
    small[chosen] = torch.where(small[chosen] > level[:, None, None], 255.0, 0.0)
    chosen = _some(count, 0.25 if how.specks else 0.0, rng)
    if len(chosen):
        small[chosen] = _specked(small[chosen], how.specks, rng)
    # Each picture ends a little beyond its glyph; what JPEG and specks did further out is not part of it.
    place = torch.arange(small.shape[1], device=raster.device) - (small.shape[1] - 1) / 2
    within = place.abs() <= side[:, None] / 2 + _MARGIN
    small *= within[:, :, None] & within[:, None, :]

    fitted, inked = fitted_all(small.round_(), settings)
    chosen = _some(count, 0.25, rng)
    noise = torch.randn((len(chosen), *fitted.shape[1:]), generator=rng, device=raster.device)
    fitted[chosen] += noise * _uniform(rng, min(2, how.noise), how.noise, len(chosen))[:, None, None]
    return torch.where(inked[:, None, None], fitted.clamp_(0, 255).to(torch.uint8), raster)


def drawn_small(
    raster: Tensor, side: Tensor, settings: RasterSettings, how: Augmentation, rng: torch.Generator
) -> Tensor:
    """(n, S, S) -> (n, M, M), the box `side` (n,) pixels large, anywhere between pixels, perhaps blurred."""
    count, device = len(raster), raster.device
    room = -(-(settings.box + 2 * _MARGIN) // _BLOCK) * _BLOCK
    ways = []
    for _ in range(2):
        # What a pixel covers of each pixel of the raster: exactly what area means.
        scale, phase = side / settings.box, _uniform(rng, -0.5, 0.5, count)
        edge = torch.arange(room + 1, device=device) - room / 2 - phase[:, None]
        edge = edge / scale[:, None] + settings.size / 2
        until = (edge[:, :, None] - torch.arange(settings.size, device=device)).clamp_(0, 1)
        ways.append((until[:, 1:] - until[:, :-1]).mul_(scale[:, None, None]))
    chosen = _some(count, 0.4, rng)
    if len(chosen):
        sigma = _uniform(rng, 0.2, max(how.blur, 0.2), len(chosen))[:, None, None]
        pixel = torch.arange(room, device=device)
        bell = torch.exp(-0.5 * ((pixel[:, None] - pixel) / sigma) ** 2)
        # What lies beyond the picture is paper, so that sums are those of a row in the middle.
        bell /= bell[:, room // 2].sum(1)[:, None, None]
        for way in ways:
            way[chosen] = bell @ way[chosen]
    return ways[0] @ raster @ ways[1].mT


def _specked(pictures: Tensor, most: float, rng: torch.Generator) -> Tensor:
    """(n, M, M) with ink on paper and paper on ink, a share of the pixels up to `most`.

    Before fitting: specks beside a glyph are taken for its ink, and it comes out smaller.
    """
    share = _uniform(rng, 0, most, len(pictures))[:, None, None]
    fate = _uniform(rng, 0, 1, *pictures.shape)
    return torch.where(fate < share, torch.where(fate < share / 2, 0.0, 255.0), pictures)


def compressed(pictures: Tensor, quality: Tensor) -> Tensor:
    """(n, M, M) after JPEG at each quality (n,), as libjpeg scales its table; M is a multiple of 8."""
    device, blocks = pictures.device, pictures.shape[1] // _BLOCK
    n = torch.arange(_BLOCK, device=device)
    wave = torch.cos((2 * n + 1) * n[:, None] * math.pi / (2 * _BLOCK)) * math.sqrt(2 / _BLOCK)
    wave[0] /= math.sqrt(2)
    every = torch.kron(torch.eye(blocks, device=device), wave)
    percent = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality).floor()[:, None, None]
    steps = ((torch.tensor(_STEPS, device=device) * percent + 50) / 100).floor().clamp(1, 255)
    steps = steps.repeat(1, blocks, blocks)
    waves = every @ (pictures - 128) @ every.T
    back = every.T @ ((waves / steps).round() * steps) @ every
    return (back + 128).clamp(0, 255)


def fitted_all(pictures: Tensor, settings: RasterSettings) -> tuple[Tensor, Tensor]:
    """What `glyphs.raster.fit` makes of the ink of N pictures (N, M, M), 0..255.

    Returns: rasters (N, S, S), float; which pictures have ink, without which they are to be left alone.
    """
    ink = pictures > INK
    sides = []
    for axis in (2, 1):
        occupied = ink.any(axis).byte()
        sides.append((occupied.argmax(1), occupied.shape[1] - occupied.flip(1).argmax(1)))
    longer = torch.maximum(*(after - first for first, after in sides))
    rows, columns = (_enlarging(*side, longer, pictures.shape[1], settings) for side in sides)
    # Across first, and to whole numbers, as Pillow does.
    rasters = rows @ (pictures @ columns.mT).clamp_(0, 255).round_()
    return rasters.clamp_(0, 255).round_(), ink.flatten(1).any(1)


def _enlarging(first: Tensor, after: Tensor, longer: Tensor, room: int, settings: RasterSettings) -> Tensor:
    """(N, S, room) weights that bring pixels `first` to `after` - 1 into the box that `longer` fills."""
    device, length = first.device, after - first
    fitted = (length * settings.box / longer).round().clamp_min(1)
    start = (settings.size - fitted).div(2, rounding_mode="floor")
    place = torch.arange(settings.size, device=device) - start[:, None]
    ratio = (length / fitted)[:, None]
    where = (place + 0.5) * ratio + first[:, None] - 0.5
    # Pillow shrinks with a wider kernel, and blur and specks may make a picture larger than the box, by
    # less than half: six pixels are within reach.
    near = where[:, :, None].floor() + torch.arange(-2, 4, device=device)
    weight = _cubic((where[:, :, None] - near) / ratio.clamp_min(1)[:, :, None])
    weight *= (near >= first[:, None, None]) & (near < after[:, None, None])
    weight /= weight.sum(2, keepdim=True)
    weight *= ((place >= 0) & (place < fitted[:, None]))[:, :, None]
    # Outside the picture sums are of nothing.
    weight = weight.nan_to_num_(0.0, 0.0, 0.0)
    empty = torch.zeros(len(first), settings.size, room, device=device)
    return empty.scatter_add_(2, near.clamp_(0, room - 1).long(), weight)


def _cubic(x: Tensor) -> Tensor:
    """Keys, "Cubic Convolution Interpolation", 1981, with a = -0.5: Pillow's BICUBIC."""
    x = x.abs()
    near, far = (1.5 * x - 2.5) * x**2 + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x < 1, near, torch.where(x < 2, far, 0.0))


def _erased(image: Tensor, rng: torch.Generator) -> Tensor:
    """With a rectangle of up to a fifth of the area blank, and not all of the ink."""
    count, size = len(image), image.shape[-1]
    mask = torch.ones(count, size, size, dtype=torch.bool, device=image.device)
    place = torch.arange(size, device=image.device)
    for axis in (1, 2):
        length = _uniform(rng, size // 8, round(size * 0.45), count).floor()
        start = (_uniform(rng, 0, 1, count) * (size - length)).floor()
        within = (place >= start[:, None]) & (place < (start + length)[:, None])
        mask = mask & within.unsqueeze(3 - axis)
    erased = image.masked_fill(mask[:, None], 0)
    return torch.where((erased > 0).flatten(1).any(1)[:, None, None, None], erased, image)


def _some(count: int, share: float, rng: torch.Generator) -> Tensor:
    """Which of `count` are among the `share` that something happens to."""
    return (_uniform(rng, 0, 1, count) < share).nonzero()[:, 0] if share else torch.empty(0, dtype=torch.long)


def _uniform(rng: torch.Generator, low: float, high: float, *shape: int) -> Tensor:
    return torch.rand(shape, generator=rng, device=rng.device) * (high - low) + low
