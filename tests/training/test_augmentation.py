from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import label

from glyphs.errors import BadPicture
from glyphs.outline import Outline
from glyphs.raster import RasterSettings, fit
from training.augmentation import augmented, degraded, hidden
from training.config import Augmentation

SETTINGS = RasterSettings()
STILL = Augmentation(
    rotation=0, slant=0, aspect=0, weight=0, jitter=0, elastic=0, shrink=0, shift=0, degrade=0,
    hide_metrics=0, metrics_noise=0,
)  # fmt: skip
HAIRLINE = Outline(
    np.array([[0, 0], [2, 0], [2, 900], [0, 900]], np.int32),
    np.ones(4, np.uint8),
    np.array([3], np.int16),
    1000,
)


def test_every_draw_is_a_raster_with_ink_even_of_a_hairline() -> None:
    for seed in range(200):
        raster = augmented(HAIRLINE, SETTINGS, Augmentation(), np.random.default_rng(seed))
        assert raster.shape == (128, 128)
        assert raster.dtype == np.uint8
        assert raster.any()


def test_draws_differ_and_the_same_generator_repeats_them() -> None:
    box = Outline(
        np.array([[0, 0], [500, 0], [500, 700], [0, 700]], np.int32), HAIRLINE.tags, HAIRLINE.contours, 1000
    )
    first, again, other = (
        augmented(box, SETTINGS, Augmentation(), np.random.default_rng(seed)) for seed in (3, 3, 4)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_an_outline_is_bent_smoothly() -> None:
    """Of a bar of many points none moves far from its neighbours, but as a whole it is no longer straight."""
    across = np.arange(0, 1000, 10)
    points = np.stack([np.r_[across, across[::-1]], np.repeat([0, 100], 100)], 1).astype(np.int32)
    bar = Outline(points, np.ones(200, np.uint8), np.array([199], np.int16), 1000)
    still = replace(STILL, bend=60)
    differing = 0
    for seed in range(20):
        raster = augmented(bar, SETTINGS, still, np.random.default_rng(seed))
        ink = raster > 128
        top = ink.argmax(axis=0)[ink.any(axis=0)][8:-8].astype(int)  # within its ends
        assert np.abs(np.diff(top)).max() <= 2
        differing += np.ptp(top) > 2
    assert 5 <= differing < 20  # of half of the outlines


def _stroke() -> np.ndarray:
    ink = np.zeros((28, 28), np.uint8)
    ink[4:24, 12:16] = 255
    return ink


@pytest.mark.parametrize("degrade", [0.0, 1.0])
def test_a_picture_is_bent_moved_and_scaled_as_ink(degrade: float) -> None:
    how = Augmentation(degrade=degrade, elastic=0.05, rotation=15)
    drawn = [augmented(_stroke(), SETTINGS, how, np.random.default_rng(seed)) for seed in range(40)]
    assert all(raster.shape == (128, 128) and raster.dtype == np.uint8 and raster.any() for raster in drawn)
    heights = [np.ptp(np.flatnonzero((raster > 64).any(axis=1))) + 1 for raster in drawn]
    assert 90 < min(heights) < 112 <= max(heights) + 4
    assert len({raster.tobytes() for raster in drawn}) == len(drawn)


def test_without_distortion_a_picture_is_fitted_as_when_it_is_posted() -> None:
    raster = augmented(_stroke(), SETTINGS, STILL, np.random.default_rng(0))
    assert np.abs(raster.astype(int) - fit(_stroke(), SETTINGS)).max() <= 1


def test_a_colour_picture_is_cropped_and_mirrored() -> None:
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[:, :30, 0] = 255  # red to the left
    plain = augmented(picture, SETTINGS, Augmentation(mirror=0.0), np.random.default_rng(1))
    turned = augmented(picture, SETTINGS, Augmentation(mirror=1.0), np.random.default_rng(1))
    assert plain.shape == (3, 128, 128)
    assert np.array_equal(plain[:, :, ::-1], turned)


def test_erasing_blanks_a_part_and_never_all() -> None:
    how = Augmentation(rotation=0, slant=0, aspect=0, elastic=0, shrink=0, shift=0, degrade=0, erase=1.0)
    whole = fit(_stroke(), SETTINGS).astype(int).sum()
    left = [
        augmented(_stroke(), SETTINGS, how, np.random.default_rng(seed)).astype(int).sum()
        for seed in range(50)
    ]
    assert 0 < min(left) < whole
    assert max(left) <= whole * 1.01


def test_degrading_nothing_is_refused() -> None:
    with pytest.raises(BadPicture):
        degraded(np.zeros((20, 20), np.uint8), SETTINGS, Augmentation(), np.random.default_rng(0))


def test_specks_fall_on_ink_and_paper_now_and_then() -> None:
    def pieces(specks: float) -> list[int]:
        how = Augmentation(specks=specks, noise=2)
        return [
            label(degraded(_stroke(), SETTINGS, how, np.random.default_rng(seed)) > 100)[1]
            for seed in range(60)
        ]

    clean, specked = pieces(0.0), pieces(0.1)
    assert max(clean) < 10
    assert 5 < sum(count >= 10 for count in specked) < 40


def test_metrics_are_hidden_as_often_as_configured() -> None:
    metrics = np.array([0.5, 0.7, 0.0, 0.6], np.float32)
    rng = np.random.default_rng(0)
    drawn = np.stack([hidden(metrics, Augmentation(hide_metrics=0.3), rng) for _ in range(4000)])
    assert np.isnan(drawn).all(axis=1).mean() == pytest.approx(0.3, abs=0.03)
    assert np.nanmean(drawn, axis=0) == pytest.approx(metrics, abs=0.02)


def test_metrics_are_scaled_together() -> None:
    metrics = np.array([0.5, 0.7, -0.2, 0.6], np.float32)
    how = replace(STILL, metrics_scale=0.1)
    factors = []
    for seed in range(200):
        scaled = hidden(metrics, how, np.random.default_rng(seed)) / metrics
        known = scaled[~np.isnan(scaled)]
        assert known == pytest.approx(known[:1].repeat(len(known)), rel=1e-5)
        factors += known[:1].tolist()
    assert 0.08 < np.log(factors).std() < 0.12
