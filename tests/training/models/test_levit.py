"""LeViT against another implementation, with the same weights."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from transformers import LevitConfig, LevitModel
from transformers.models.levit.modeling_levit import LevitAttentionSubsample, LevitMLPLayer

from training.models import create
from training.models.levit import VARIANTS, Attention, ConvNorm, LeViT, LeViTVariant, Residual

SIZE = 128


def _published(variant: LeViTVariant) -> LevitModel:
    config = LevitConfig(
        image_size=SIZE,
        num_channels=1,
        hidden_sizes=variant.widths,
        num_attention_heads=variant.heads,
        depths=variant.depths,
        key_dim=(variant.key,) * 3,
    )
    return LevitModel(config).eval()


@torch.no_grad()
def _randomise(model: nn.Module) -> None:
    """Weights and statistics that leave no layer without effect, and keep signals of order one."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.weight.uniform_(0.3, 0.7)
            module.bias.normal_(0, 0.2)
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 1.5)
        elif isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.normal_(module.weight, 0, module.weight[0].numel() ** -0.5)
    for name, parameter in model.named_parameters():
        if name.endswith("attention_biases"):
            parameter.normal_()


def _linear_norm(theirs: nn.Module) -> dict[str, Tensor]:
    return {f"linear.{name}": value for name, value in theirs.linear.state_dict().items()} | {
        f"norm.{name}": value for name, value in theirs.batch_norm.state_dict().items()
    }


def _prefixed(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": value for name, value in state.items()}


def _attention(ours: Attention, theirs: nn.Module) -> dict[str, Tensor]:
    if isinstance(theirs, LevitAttentionSubsample):
        query, key_value = _linear_norm(theirs.queries), _linear_norm(theirs.keys_values)
    else:
        # They keep one matrix: for each head its query's rows, then its key's and its value's.
        query, key_value = {}, {}
        for name, value in _linear_norm(theirs.queries_keys_values).items():
            if name == "norm.num_batches_tracked":
                query[name] = key_value[name] = value
                continue
            heads = value.unflatten(0, (ours.heads, -1))
            query[name], key_value[name] = (
                heads[:, : ours.key].flatten(0, 1),
                heads[:, ours.key :].flatten(0, 1),
            )
    return (
        _prefixed("query", query)
        | _prefixed("key_value", key_value)
        | _prefixed("project", _linear_norm(theirs.projection))
        | {"bias.bias": theirs.attention_biases.data}
    )


def _copy(theirs: LevitModel, ours: LeViT) -> None:
    """Load another implementation's weights, all of them, by the layers' order."""
    stem = [module for module in ours.stem if isinstance(module, ConvNorm)]
    for place, conv_norm in enumerate(stem, 1):
        layer = getattr(theirs.patch_embeddings, f"embedding_layer_{place}")
        conv_norm[0].load_state_dict(layer.convolution.state_dict())
        conv_norm[1].load_state_dict(layer.batch_norm.state_dict())
    layers = [layer for stage in theirs.encoder.stages for layer in stage.layers]
    for mine, layer in zip(ours.stages, layers, strict=True):
        inner = mine.inner if isinstance(mine, Residual) else mine
        other = getattr(layer, "module", layer)
        if isinstance(other, LevitMLPLayer):
            state = _prefixed("0", _linear_norm(other.linear_up)) | _prefixed(
                "2", _linear_norm(other.linear_down)
            )
        else:
            assert isinstance(inner, Attention)
            state = _attention(inner, other)
        inner.load_state_dict(state)


@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_levit_answers_as_another_implementation_before_and_after_folding(name: str) -> None:
    torch.manual_seed(0)
    published = _published(VARIANTS[name])
    _randomise(published)
    model = create(name, labels=2).eval()
    assert isinstance(model.backbone, LeViT)
    _copy(published, model.backbone)
    images = torch.rand(2, 1, SIZE, SIZE)
    with torch.inference_mode():
        expected = published(images).pooler_output
        assert expected.std() > 0.1
        torch.testing.assert_close(model.backbone(images), expected, atol=1e-4, rtol=0)
        model.fold()
        assert not any(isinstance(module, nn.BatchNorm1d) for module in model.modules())
        torch.testing.assert_close(model.backbone(images), expected, atol=1e-4, rtol=0)


def test_levit_128s_is_as_large_as_published() -> None:
    # Without classifier, at 128 x 128, one channel; the paper's 7.8 M are at 224 with 1,000 classes.
    backbone = create("levit_128s", labels=2).backbone
    assert sum(parameter.numel() for parameter in backbone.parameters()) == pytest.approx(7.0e6, rel=0.01)


def test_a_hook_takes_the_attention_weights() -> None:
    backbone = LeViT(VARIANTS["levit_128s"], size=64).eval()
    taken: list[Tensor] = []
    for module in backbone.modules():
        if isinstance(module, Attention):
            module.attend.register_forward_hook(lambda _module, _inputs, weights: taken.append(weights))
    backbone(torch.rand(1, 1, 64, 64))
    assert [tuple(weights.shape[1:]) for weights in taken] == [
        *[(4, 16, 16)] * 2, (8, 4, 16), *[(6, 4, 4)] * 3, (16, 1, 4), *[(8, 1, 1)] * 4,
    ]  # fmt: skip
    assert all(torch.allclose(weights.sum(-1), torch.ones(())) for weights in taken)
