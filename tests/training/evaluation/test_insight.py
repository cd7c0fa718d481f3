from __future__ import annotations

import numpy as np
import pytest
import torch

from training.evaluation.insight import attention, attention_maps, primitives, primitives_of
from training.models import create
from training.models.levit import AttentionBias

RASTERS = np.zeros((2, 128, 128), np.uint8)
RASTERS[:, 20:100, 50:70] = 255


@pytest.mark.parametrize("name", ["levit_128s", "vit_tiny"])
def test_attention_covers_the_raster_from_zero_to_one(name: str) -> None:
    torch.manual_seed(0)
    model = create(name, labels=3).eval()
    for module in model.modules():
        if isinstance(module, AttentionBias):
            torch.nn.init.normal_(module.bias)
    maps = attention_maps(model, RASTERS)
    assert maps.shape == RASTERS.shape
    assert maps.max(axis=(1, 2)) == pytest.approx(1.0)
    assert maps.min(axis=(1, 2)) == pytest.approx(0.0)


def test_even_attention_is_drawn_as_none() -> None:
    blank = np.zeros((1, 128, 128), np.uint8)
    assert not attention_maps(create("levit_128s", labels=3).eval(), blank).any()


def test_no_hook_is_left_behind() -> None:
    model = create("levit_128s", labels=3).eval()
    attention_maps(model, RASTERS)
    assert not any(module._forward_hooks for module in model.modules())


def test_a_unified_mlp_shows_its_primitives_and_no_attention() -> None:
    model = create("unified_mlp", labels=3).eval()
    found = primitives_of(model, RASTERS)
    assert found is not None
    assert found.shape[0] == 2
    assert primitives(model, RASTERS) is not None
    assert attention(model, RASTERS) is None


def test_a_levit_shows_no_primitives() -> None:
    assert primitives(create("levit_128s", labels=3).eval(), RASTERS) is None
