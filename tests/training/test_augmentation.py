from __future__ import annotations

import numpy as np
import pytest

from glyphs.errors import BadPicture
from glyphs.outline import Outline
from glyphs.raster import RasterSettings
from training.augmentation import augmented, degraded, hidden
from training.config import Augmentation

SETTINGS = RasterSettings()
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


def test_degrading_nothing_is_refused() -> None:
    with pytest.raises(BadPicture):
        degraded(np.zeros((20, 20), np.uint8), SETTINGS, Augmentation(), np.random.default_rng(0))


def test_metrics_are_hidden_as_often_as_configured() -> None:
    metrics = np.array([0.5, 0.7, 0.0, 0.6], np.float32)
    rng = np.random.default_rng(0)
    drawn = np.stack([hidden(metrics, Augmentation(hide_metrics=0.3), rng) for _ in range(4000)])
    assert np.isnan(drawn).all(axis=1).mean() == pytest.approx(0.3, abs=0.03)
    assert np.nanmean(drawn, axis=0) == pytest.approx(metrics, abs=0.02)
