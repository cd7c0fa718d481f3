from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from glyphs.errors import BadInput
from training.models import ModelOptions, create
from training.models.vit import VARIANTS, Attention, DropPath, ViT


@pytest.mark.parametrize(
    ("name", "parameters"), [("vit_tiny", 5.3e6), ("vit_small", 21.3e6), ("vit_base", 85e6)]
)
def test_vits_are_as_large_as_published(name: str, parameters: float) -> None:
    with torch.device("meta"):
        backbone = ViT(VARIANTS[name])
    assert sum(p.numel() for p in backbone.parameters()) == pytest.approx(parameters, rel=0.02)


def test_attention_agrees_with_torchs_own() -> None:
    torch.manual_seed(0)
    ours = Attention(48, 3)
    theirs = torch.nn.MultiheadAttention(48, 3, batch_first=True)
    theirs.in_proj_weight.data.copy_(ours.query_key_value.weight)
    theirs.in_proj_bias.data.copy_(ours.query_key_value.bias)
    theirs.out_proj.load_state_dict(ours.project.state_dict())
    x_BNC = torch.randn(2, 5, 48)
    taken: list[Tensor] = []
    ours.attend.register_forward_hook(lambda _module, _inputs, weights: taken.append(weights))
    expected, weights = theirs(x_BNC, x_BNC, x_BNC, average_attn_weights=False)
    torch.testing.assert_close(ours(x_BNC), expected)
    torch.testing.assert_close(taken[0], weights)


def test_dropping_leaves_out_whole_images_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    dropped = DropPath(0.25).train()(torch.ones(4096, 2, 3))
    kept = dropped[:, 0, 0]
    assert torch.equal(dropped, kept[:, None, None].expand(-1, 2, 3))
    assert sorted(set(kept.tolist())) == pytest.approx([0, 4 / 3])
    assert kept.mean().item() == pytest.approx(1, abs=4 * math.sqrt(1 / 3 / 4096))
    assert torch.equal(DropPath(0.25).eval()(dropped), dropped)


def test_dropping_grows_linearly_with_depth_to_the_option() -> None:
    model = create("vit_tiny", labels=2, size=32, options=ModelOptions(drop_path=0.22))
    rates = [module.rate for module in model.modules() if isinstance(module, DropPath)]
    assert rates == pytest.approx([0.02 * block for block in range(12) for _ in range(2)])


def test_a_drop_path_of_all_images_is_refused() -> None:
    with pytest.raises(BadInput, match="drop_path"):
        create("vit_tiny", labels=2, options=ModelOptions(drop_path=1.0))
