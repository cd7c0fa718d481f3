from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import gaussian_filter, label
from torch import Tensor

from glyphs.raster import RasterSettings, fit
from training.config import Augmentation
from training.degradation import compressed, degraded, drawn_small, fitted_all

SETTINGS = RasterSettings(64, 56)
ALWAYS = Augmentation(degrade=1.0)


def _strokes(count: int = 1) -> Tensor:
    """A ring and a bar in the middle, as large as the box."""
    y, x = np.mgrid[:64, :64] - 31.5
    ring = np.abs(np.hypot(x, y) - 24) < 4
    picture = np.where(ring | (np.abs(x) < 3) & (np.abs(y) < 20), 255, 0).astype(np.uint8)
    return torch.from_numpy(np.repeat(picture[None, None], count, axis=0))


def test_as_many_are_degraded_as_configured_and_the_rest_stay() -> None:
    image = _strokes(400)
    for share, most in ((0.0, 0), (0.3, 160), (1.0, 400)):
        worse = degraded(image, SETTINGS, Augmentation(degrade=share), 1)
        assert worse.shape == image.shape
        assert worse.dtype == torch.uint8
        changed = int((worse != image).flatten(1).any(1).sum())
        assert share * 300 <= changed <= most
    assert torch.equal(image, _strokes(400))  # which is left as it was


def test_a_seed_repeats_itself_and_another_differs() -> None:
    first, again, other = (degraded(_strokes(8), SETTINGS, ALWAYS, seed) for seed in (5, 5, 6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_what_is_degraded_still_shows_what_it_shows() -> None:
    image = _strokes(300)
    worse = degraded(image, SETTINGS, ALWAYS, 0).float()
    assert worse.flatten(1).amax(1).min() > 60
    likeness = torch.corrcoef(torch.cat([image[:1], worse]).flatten(1).float())[0, 1:]
    assert (likeness > 0.6).float().mean() > 0.9
    assert likeness.median() > 0.8


def test_without_noise_paper_far_from_ink_stays_clean() -> None:
    image = torch.zeros(200, 1, 64, 64, dtype=torch.uint8)
    image[..., 4:60, 29:35] = 255
    for noise, clean in ((0.0, True), (16.0, False)):
        worse = degraded(image, SETTINGS, replace(ALWAYS, noise=noise), 0)
        assert (worse != image).any()
        assert bool((worse[..., :8] == 0).all()) is clean


def test_paper_alone_stays_paper() -> None:
    blank = torch.zeros(20, 1, 64, 64, dtype=torch.uint8)
    assert torch.equal(degraded(blank, SETTINGS, replace(ALWAYS, specks=0.0), 0), blank)


@given(
    side=st.tuples(st.integers(1, 50), st.integers(1, 50)).filter(lambda sides: max(sides) >= 10),
    place=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    seed=st.integers(0, 1000),
)
def test_a_small_picture_is_fitted_as_a_posted_one(
    side: tuple[int, int], place: tuple[float, float], seed: int
) -> None:
    ink = gaussian_filter(np.random.default_rng(seed).random(side), 1)
    picture = np.zeros((64, 64), np.uint8)
    top, left = (int(share * (64 - length)) for share, length in zip(place, side, strict=True))
    picture[top : top + side[0], left : left + side[1]] = 255 * (ink >= np.median(ink))
    ours, inked = fitted_all(torch.from_numpy(picture)[None].float(), SETTINGS)
    assert inked.all()
    difference = np.abs(ours[0].numpy() - fit(picture, SETTINGS))
    # Half of a pixel may be rounded to either side of a column's edge.
    assert (difference <= 1).mean() > 0.9


def test_fitting_says_where_there_is_no_ink() -> None:
    rasters, inked = fitted_all(torch.stack([torch.zeros(64, 64), _strokes()[0, 0].float()]), SETTINGS)
    assert inked.tolist() == [False, True]
    assert not rasters[0].any()


@pytest.mark.parametrize("quality", [30, 50, 75, 94])
def test_compression_is_that_of_jpeg(quality: int) -> None:
    rng = np.random.default_rng(0)
    picture = np.clip(gaussian_filter(rng.random((64, 64)), 1.5) * 900 - 300, 0, 255).astype(np.uint8)
    packed = io.BytesIO()
    Image.fromarray(picture).save(packed, "JPEG", quality=quality)
    theirs = np.asarray(Image.open(packed)).astype(float)
    ours = compressed(torch.from_numpy(picture)[None].float(), torch.tensor([float(quality)]))[0].numpy()
    lost = np.abs(theirs - picture).mean()
    assert lost > 0.5
    assert np.abs(ours - theirs).mean() < 0.5 * lost


@pytest.mark.parametrize("side", [14.0, 27.3, 56.0])
def test_drawing_small_keeps_the_ink_and_its_size(side: float) -> None:
    rng = torch.Generator().manual_seed(0)
    raster = _strokes(30)[:, 0].float()
    small = drawn_small(raster, torch.full((30,), side), SETTINGS, Augmentation(blur=1.0), rng)
    scale = side / SETTINGS.box
    assert small.sum((1, 2)) == pytest.approx(raster.sum((1, 2)) * scale**2, rel=1e-3)
    place = torch.arange(small.shape[1]).float()
    rows = small.sum(2) / small.sum((1, 2))[:, None]
    middles = (rows * place).sum(1)
    assert (middles - (small.shape[1] - 1) / 2).abs().max() <= 0.51  # where it lies between pixels
    assert middles.std() > 0.1


def test_specks_fall_on_ink_and_paper_now_and_then() -> None:
    def pieces(specks: float) -> list[int]:
        worse = degraded(_strokes(120), SETTINGS, replace(ALWAYS, specks=specks, noise=2), 0)
        return [label(raster > 100)[1] for raster in worse[:, 0].numpy()]

    clean, specked = pieces(0.0), pieces(0.1)
    assert sum(count >= 15 for count in clean) < 6
    assert 10 < sum(count >= 15 for count in specked) < 60


def test_erasing_blanks_a_part_and_never_all() -> None:
    image = _strokes(100)
    left = degraded(image, SETTINGS, Augmentation(degrade=0.0, erase=1.0), 0).flatten(1).float().sum(1)
    whole = image[0].sum()
    assert 0 < left.min() < 0.9 * whole
    assert left.max() <= whole
    assert (left < whole).float().mean() > 0.8
