from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from glyphs.outline import Outline
from glyphs.raster import RasterSettings, draw, fit
from training.augmentation import augmented, hidden
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


def _augmented(shape: Outline | np.ndarray, how: Augmentation, count: int, seed: int = 0) -> np.ndarray:
    return augmented([shape] * count, SETTINGS, how, np.random.default_rng(seed))


def test_every_draw_is_a_raster_with_ink_even_of_a_hairline() -> None:
    rasters = _augmented(HAIRLINE, Augmentation(), 200)
    assert rasters.shape == (200, 128, 128)
    assert rasters.dtype == np.uint8
    assert rasters.any(axis=(1, 2)).all()


def test_draws_differ_and_the_same_generator_repeats_them() -> None:
    box = Outline(
        np.array([[0, 0], [500, 0], [500, 700], [0, 700]], np.int32), HAIRLINE.tags, HAIRLINE.contours, 1000
    )
    first, again, other = (_augmented(box, Augmentation(), 20, seed) for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert len({raster.tobytes() for raster in first}) == 20


def test_outlines_and_pictures_are_drawn_together_each_in_its_place() -> None:
    ink = _stroke()
    mixed = augmented([HAIRLINE, ink, HAIRLINE, ink], SETTINGS, STILL, np.random.default_rng(0))
    assert np.array_equal(mixed[0], draw(HAIRLINE, SETTINGS))
    assert np.array_equal(mixed[0], mixed[2])
    assert np.abs(mixed[1].astype(int) - fit(ink, SETTINGS)).max() <= 1
    assert np.array_equal(mixed[1], mixed[3])


def test_an_outline_is_bent_smoothly() -> None:
    """Of a bar of many points none moves far from its neighbours, but as a whole it is no longer straight."""
    across = np.arange(0, 1000, 10)
    points = np.stack([np.r_[across, across[::-1]], np.repeat([0, 100], 100)], 1).astype(np.int32)
    bar = Outline(points, np.ones(200, np.uint8), np.array([199], np.int16), 1000)
    differing = 0
    for raster in _augmented(bar, replace(STILL, bend=60), 200):
        ink = raster > 128
        top = ink.argmax(axis=0)[ink.any(axis=0)][8:-8].astype(int)  # within its ends
        assert np.abs(np.diff(top)).max() <= 2
        differing += np.ptp(top) > 2
    assert 50 <= differing < 200  # of half of the outlines


def test_what_is_moved_is_measured_in_the_glyph_s_own_em() -> None:
    """The same letter in two fonts, of 1,000 and 2,000 units, is distorted as far."""
    fine = Outline(HAIRLINE.points * 100, HAIRLINE.tags, HAIRLINE.contours, 100_000)
    coarse = Outline(HAIRLINE.points * 50, HAIRLINE.tags, HAIRLINE.contours, 50_000)
    how = replace(STILL, jitter=60.0, bend=60.0, weight=30.0)
    first, second = (_augmented(shape, how, 20).astype(int) for shape in (fine, coarse))
    assert np.abs(first - second).mean() < 0.1


def _stroke() -> np.ndarray:
    ink = np.zeros((28, 28), np.uint8)
    ink[4:24, 12:16] = 255
    return ink


def test_a_picture_is_bent_moved_and_scaled_as_ink() -> None:
    drawn = _augmented(_stroke(), Augmentation(elastic=0.05, rotation=15), 40)
    assert drawn.shape == (40, 128, 128)
    assert drawn.any(axis=(1, 2)).all()
    heights = [np.ptp(np.flatnonzero((raster > 64).any(axis=1))) + 1 for raster in drawn]
    assert 90 < min(heights) < 112 <= max(heights) + 4
    assert len({raster.tobytes() for raster in drawn}) == len(drawn)


def test_a_colour_picture_is_cropped_and_mirrored() -> None:
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[:, :30, 0] = 255  # red to the left
    plain, turned = (_augmented(picture, Augmentation(mirror=mirror), 3, 1) for mirror in (0.0, 1.0))
    assert plain.shape == (3, 3, 128, 128)
    assert np.array_equal(plain[0, :, :, ::-1], turned[0])


def test_metrics_are_hidden_as_often_as_configured() -> None:
    metrics = np.array([0.5, 0.7, 0.0, 0.6], np.float32)
    many = np.repeat(metrics[None], 4000, axis=0)
    drawn = hidden(many, Augmentation(hide_metrics=0.3), np.random.default_rng(0))
    assert drawn.dtype == np.float32
    assert np.isnan(drawn).all(axis=1).mean() == pytest.approx(0.3, abs=0.03)
    assert np.nanmean(drawn, axis=0) == pytest.approx(metrics, abs=0.02)


def test_metrics_are_scaled_together() -> None:
    metrics = np.array([0.5, 0.7, -0.2, 0.6], np.float32)
    how = replace(STILL, metrics_scale=0.1)
    scaled = hidden(np.repeat(metrics[None], 200, axis=0), how, np.random.default_rng(0)) / metrics
    scaled = scaled[~np.isnan(scaled).all(axis=1)]
    factors = np.nanmean(scaled, axis=1)
    assert np.nanmax(np.abs(scaled - factors[:, None])) < 1e-5
    assert 0.08 < np.log(factors).std() < 0.12
