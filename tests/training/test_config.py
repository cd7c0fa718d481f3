from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glyphs.errors import BadInput
from training.config import TrainConfig, at
from training.presets import PRESETS


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_a_configuration_survives_being_written_down(preset: str) -> None:
    config = PRESETS[preset].config
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_a_preset_states_its_arithmetic(preset: str) -> None:
    of = PRESETS[preset]
    assert of.samples == of.steps * of.config.batch  # none accumulates
    assert of.hours == pytest.approx(of.samples / of.rate / 3600)
    assert 0 < of.gpu_hours < of.hours
    assert of.about
    assert of.expect


def test_an_epoch_ends_with_a_step_of_what_is_left() -> None:
    config = TrainConfig(samples=3 * 10 * 16, epoch_samples=10 * 16, batch=16, accumulate=4)
    assert (config.epochs, config.batches, config.steps) == (3, 30, 3 * 3)


def test_a_run_shorter_than_an_epoch_draws_no_more_than_its_samples() -> None:
    config = TrainConfig(samples=10_000, epoch_samples=250_000, batch=512)
    assert (config.epochs, config.batches) == (1, 19)


@pytest.mark.parametrize(
    "values", [{"colour": 1}, {"losses": {"colour": 1}}, {"losses": 3}, {"model": 3}, {"batch": "many"}]
)
def test_a_field_that_does_not_exist_or_fit_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(BadInput):
        TrainConfig.from_dict(values)


def test_fields_are_set_from_text_however_deep_they_lie() -> None:
    config = TrainConfig().changed(
        {
            "samples": "1e5",
            "model": "unified_mlp",
            "losses.smoothing": "0.2",
            "losses.adjusted": "no",
            "options.tokens": "soft",
            "primitives.alpha": "0:1,0.5:0.3,1:0",
            "channels": "3",
        }
    )
    assert config.samples == 100_000
    assert config.losses.smoothing == 0.2
    assert not config.losses.adjusted
    assert config.options.tokens == "soft"
    assert config.primitives.alpha == ((0.0, 1.0), (0.5, 0.3), (1.0, 0.0))
    assert config.channels == 3


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("colour", "1"),
        ("losses", "1"),
        ("losses.colour", "1"),
        ("model.name", "x"),
        ("samples", "many"),
        ("samples", "1.5"),
        ("losses.adjusted", "perhaps"),
        ("losses.embedding", "magic"),
        ("schedule", "sine"),
        ("channels", "2"),
        ("primitives.alpha", "1"),
        ("primitives.alpha", "1:1,0:0"),
        ("primitives.alpha", "0:1,1:nan"),
        ("learning_rate", "0"),
        ("learning_rate", "nan"),
        ("weight_decay", "inf"),
        ("losses.beta", "1"),
        ("losses.beta", "-0.1"),
        ("losses.temperature", "0"),
        ("losses.scale", "-32"),
        ("distillation.temperature", "0"),
        ("augmentation.noise", "nan"),
    ],
)
def test_what_cannot_be_set_is_refused_in_one_line(key: str, text: str) -> None:
    with pytest.raises(BadInput) as refused:
        TrainConfig().changed({key: text})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "values", [{"devices": 0}, {"accumulate": 0}, {"batch": 0}, {"seed": -1}, {"seed": 2**24}, {"size": 64}]
)
def test_numbers_that_nothing_can_be_done_with_are_refused(values: dict[str, int]) -> None:
    with pytest.raises(BadInput, match=next(iter(values))):
        TrainConfig(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize("values", [{"batch": 3}, {"batch": 6, "devices": 2}])
def test_a_batch_that_is_not_whole_pairs_for_every_device_is_refused(values: dict[str, int]) -> None:
    with pytest.raises(BadInput, match="pairs"):
        TrainConfig(samples=100, epoch_samples=100, **values)  # type: ignore[arg-type]


def test_a_ramp_runs_straight_between_its_points_and_level_beyond() -> None:
    ramp = ((0.2, 1.0), (0.6, 0.0), (0.6, 5.0), (1.0, 5.0))
    assert [at(ramp, done) for done in (0.0, 0.2, 0.4, 0.6, 1.0)] == pytest.approx([1, 1, 0.5, 5, 5])
    assert at(ramp, 0.5999) == pytest.approx(0.0, abs=1e-3)


@given(st.floats(0, 1), st.lists(st.floats(-9, 9), min_size=1, max_size=5))
def test_a_ramp_never_leaves_the_range_of_its_values(done: float, values: list[float]) -> None:
    ramp = tuple((i / max(1, len(values) - 1), value) for i, value in enumerate(values))
    assert min(values) - 1e-9 <= at(ramp, done) <= max(values) + 1e-9
