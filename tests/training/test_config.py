from __future__ import annotations

import pytest

from glyphs.errors import BadInput
from training.config import PRESETS, TrainConfig


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_a_configuration_survives_being_written_down(preset: str) -> None:
    config = PRESETS[preset]
    assert TrainConfig.from_dict(config.to_dict()) == config


def test_an_unknown_field_is_refused_by_name() -> None:
    with pytest.raises(BadInput, match="colour"):
        TrainConfig.from_dict({"colour": 1})


def test_an_odd_batch_has_no_pairs() -> None:
    with pytest.raises(BadInput, match="odd"):
        TrainConfig(batch=3)
