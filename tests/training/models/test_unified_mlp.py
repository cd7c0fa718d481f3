from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch.nn import functional as F

from glyphs.errors import BadInput
from training.models.options import ModelOptions
from training.models.unified_mlp import TOKENS, TokenMixing, UnifiedMLP
from training.primitives import CHOICES


def _blots(count: int, size: int, seed: int = 0) -> torch.Tensor:
    """Pictures of large random blots, (count, 1, size, size) in 0..1."""
    coarse = torch.rand(count, 1, 4, 4, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(coarse, size=size, mode="bilinear").gt(0.5).float()


@pytest.mark.parametrize(("size", "cells"), [(24, 9), (32, 16), (64, 64), (128, 256)])
def test_every_cell_of_eight_pixels_gets_a_primitive(size: int, cells: int) -> None:
    model = UnifiedMLP(3, size)
    pooled, primitives = model(torch.rand(2, 3, size, size))
    assert pooled.shape == (2, model.features)
    assert primitives.shape == (2, cells, 2, CHOICES)


def test_a_raster_that_cannot_be_cut_into_cells_is_refused() -> None:
    with pytest.raises(BadInput, match="divisible by 8"):
        UnifiedMLP(1, 100)


@pytest.mark.parametrize("options", [ModelOptions(tokens="crisp"), ModelOptions(positions="polar")])
def test_unknown_options_are_refused(options: ModelOptions) -> None:
    with pytest.raises(BadInput, match="Choose one of"):
        UnifiedMLP(1, 32, options)


def test_it_has_at_most_three_million_parameters() -> None:
    assert sum(parameter.numel() for parameter in UnifiedMLP(3, 128).parameters()) <= 3_000_000


@pytest.mark.parametrize("tokens", TOKENS)
def test_each_kind_of_tokens_trains_embedding_and_stem(tokens: str) -> None:
    torch.manual_seed(0)
    model, images = UnifiedMLP(1, 32, ModelOptions(tokens=tokens)), _blots(16, 32)
    classifier = torch.nn.Linear(model.features, 16)
    optimizer = torch.optim.AdamW([*model.parameters(), *classifier.parameters()], lr=2e-3)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = F.cross_entropy(classifier(model(images)[0]), torch.arange(16))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]
    for parameter in (model.primitives.embedding, model.primitives.head.weight, model.stem[0][0].weight):
        assert parameter.grad is not None
        assert parameter.grad.abs().sum() > 0


def test_the_embedding_alone_teaches_the_choice_behind_it() -> None:
    model = UnifiedMLP(1, 32)
    torch.nn.init.zeros_(model.primitives.detail)
    model(_blots(4, 32))[0][:, 0].sum().backward()
    assert model.primitives.head.weight.grad is not None
    assert model.primitives.head.weight.grad.abs().sum() > 0
    assert next(model.stem.parameters()).grad.abs().sum() > 0  # type: ignore[union-attr]


@pytest.mark.parametrize(("tokens", "hard"), [("straight_through", True), ("gumbel", True), ("soft", False)])
def test_only_the_best_choice_counts_in_evaluation_unless_tokens_are_soft(tokens: str, hard: bool) -> None:
    torch.manual_seed(0)
    part = UnifiedMLP(1, 32, ModelOptions(tokens=tokens)).primitives.eval()
    cells = torch.randn(2, 16, part.head.in_features)
    before, logits = part(cells, 1.0)
    with torch.no_grad():  # surer of itself, but of the same choices
        part.head.weight *= 3
        part.head.bias *= 3
    after, surer = part(cells, 1.0)
    assert torch.equal(surer.argmax(-1), logits.argmax(-1))
    assert torch.equal(before, after) == hard


def test_straight_through_tokens_are_hard_in_training_too() -> None:
    torch.manual_seed(0)
    part = UnifiedMLP(1, 32).primitives
    cells = torch.randn(2, 16, part.head.in_features)
    assert torch.allclose(part.train()(cells, 1.0)[0], part.eval()(cells, 1.0)[0], atol=1e-5)


def test_gumbel_is_sharper_the_colder_it_is() -> None:
    part = UnifiedMLP(1, 32, ModelOptions(tokens="gumbel")).primitives.train()
    logits = torch.zeros(8, 16, 2, CHOICES)
    best = [part._choose(logits, temperature).amax(-1).mean().item() for temperature in (0.1, 1.0, 10.0)]
    assert best == sorted(best, reverse=True)
    assert best[0] > 0.8
    assert best[2] < 0.1


def test_the_temperature_of_the_model_reaches_its_tokens() -> None:
    model = UnifiedMLP(1, 32, ModelOptions(tokens="gumbel")).train()
    pooled = []
    for temperature in (0.1, 10.0):
        model.temperature = temperature
        torch.manual_seed(0)
        pooled.append(model(_blots(4, 32))[0])
    assert not torch.allclose(*pooled, atol=1e-3)


def test_explaining_names_the_best_pair_of_choices() -> None:
    model, images = UnifiedMLP(1, 64).eval(), _blots(3, 64)
    explained = model.explain(images)
    best = model(images)[1].argmax(-1)
    assert explained.shape == (3, 8, 8)
    assert explained.dtype == torch.int64
    assert torch.equal(explained.flatten(1), 32 * best[..., 0] + best[..., 1])


def test_positions_are_trained_only_when_learned() -> None:
    for positions, learned in (("learned", True), ("fixed", False)):
        model = UnifiedMLP(1, 32, ModelOptions(positions=positions))
        assert ("positions" in dict(model.named_parameters())) == learned


def test_the_relative_bias_depends_on_the_offset_between_cells_alone() -> None:
    grid = 3
    mixing = TokenMixing(grid, units=2, relative=True)
    assert mixing.relative_bias is not None
    torch.nn.init.zeros_(mixing.spread.weight)
    torch.nn.init.normal_(mixing.relative_bias)
    weight = mixing._weight().view(2, grid, grid, grid, grid)
    for unit, i, j, k, m in np.ndindex(2, grid, grid, grid, grid):
        expected = mixing.relative_bias[unit, k - i + grid - 1, m - j + grid - 1]
        assert weight[unit, i, j, k, m] == expected


def test_folding_the_relative_bias_changes_no_answer() -> None:
    mixing = TokenMixing(4, units=2, relative=True).eval()
    torch.nn.init.normal_(mixing.relative_bias)  # type: ignore[arg-type]
    tokens = torch.randn(2, 16, 8)
    before = mixing(tokens)
    mixing.fold()
    assert torch.allclose(mixing(tokens), before, atol=1e-6)
    assert mixing.relative_bias is None


def test_without_relative_bias_there_are_no_offsets() -> None:
    model = UnifiedMLP(1, 32, ModelOptions(relative_bias=False))
    assert not [name for name, _ in model.named_parameters() if "relative" in name]


def test_the_exported_model_answers_as_torch_does(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, file = UnifiedMLP(1, 64), tmp_path / "unified.onnx"
    model.train()(_blots(8, 64))  # gives the running statistics something to say
    torch.onnx.export(
        model.eval(), (_blots(2, 64),), file, dynamo=True, opset_version=18, external_data=False,
        input_names=["image"], output_names=["pooled", "primitives"], verbose=False,
        dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=64)},),
    )  # fmt: skip
    session = onnxruntime.InferenceSession(file)
    for batch in (1, 3):
        images = _blots(batch, 64, seed=1)
        with torch.no_grad():
            expected = model(images)
        for answer, right in zip(session.run(None, {"image": images.numpy()}), expected, strict=True):
            np.testing.assert_allclose(answer, right.numpy(), atol=1e-4)
