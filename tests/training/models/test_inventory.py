from __future__ import annotations

import pytest

from glyphs.errors import BadInput
from training.models import MODELS, create
from training.models.inventory import ModelCard, describe, layers


@pytest.mark.parametrize("name", sorted(MODELS.keys() - {"vit_small", "vit_base"}))
def test_a_card_counts_the_parameters_of_the_model(name: str) -> None:
    model = create(name, labels=11, size=64, channels=3)
    card = describe(name, labels=11, size=64, channels=3)
    assert card.name == name
    assert card.parameters == sum(parameter.numel() for parameter in model.parameters())


def test_flops_count_a_multiplication_and_its_addition_as_two() -> None:
    few, many = describe("vit_tiny", labels=100), describe("vit_tiny", labels=200)
    assert many.flops - few.flops == 2 * 192 * 100
    # Per token 12 width^2 weights a block; then queries with keys, and weights with values.
    tokens, width = 64, 192
    blocks = 12 * 2 * (tokens * 12 * width**2 + 2 * tokens**2 * width)
    metrics = (6 * 50 + 4) * 128 + 128 * width  # six values between 49 knots and as they are, four flags
    heads = 2 * (metrics + 2 * width * 2 * width + width * 100 + width * 256 + 256 * 128)
    assert few == ModelCard("vit_tiny", few.parameters, blocks + 2 * tokens * 256 * width + heads)


def test_a_base_size_model_is_counted_without_its_weights() -> None:
    assert describe("vit_base", labels=5000).parameters == pytest.approx(91.8e6, rel=0.01)


@pytest.mark.parametrize("name", ["levit_128s", "unified_mlp", "separable_cnn"])
def test_a_profile_adds_up_to_the_card(name: str) -> None:
    card = describe(name, labels=11, size=64)
    profile = layers(name, labels=11, size=64, batch=2, passes=2)
    assert sum(layer.parameters for layer in profile) == card.parameters
    assert sum(layer.flops for layer in profile) == card.flops
    assert len({layer.name for layer in profile}) == len(profile)
    assert all(layer.milliseconds >= 0 for layer in profile)
    assert profile[-1].name == name


def test_a_profile_tells_shapes_and_the_work_of_attention_itself() -> None:
    profile = {layer.name: layer for layer in layers("vit_tiny", labels=11, size=32, batch=2, passes=1)}
    attention = profile["backbone.blocks.0.attention.1"]
    assert (attention.kind, attention.shape) == ("Attention", (2, 4, 192))
    assert (attention.parameters, attention.flops) == (0, 2 * 2 * 4 * 4 * 192)
    assert profile["backbone.blocks.0.attention.1.attend"].shape == (2, 3, 4, 4)
    assert profile["classifier"].parameters == 192 * 11 + 11


def test_an_unknown_model_has_no_card() -> None:
    with pytest.raises(BadInput, match="resnet"):
        describe("resnet", labels=2)
