from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from training.losses import AdjustedCrossEntropy, SupervisedContrastive


def test_even_sampling_leaves_plain_cross_entropy() -> None:
    logits, label = torch.randn(8, 5), torch.arange(8) % 5
    adjusted = AdjustedCrossEntropy(torch.ones(5), smoothing=0.1)(logits, label)
    assert adjusted.item() == pytest.approx(
        F.cross_entropy(logits, label, label_smoothing=0.1).item(), abs=1e-6
    )


def test_logits_that_explain_the_picture_evenly_are_the_optimum_under_uneven_sampling() -> None:
    # Pictures that say nothing: the best bare logits are equal, whatever the sampling.
    sampling = torch.tensor([8.0, 1.0, 1.0])
    loss = AdjustedCrossEntropy(sampling, smoothing=0.0)
    logits = torch.zeros(3, requires_grad=True)
    label = torch.tensor([0] * 8 + [1, 2])
    loss(logits.expand(10, 3), label).backward()
    assert logits.grad is not None
    assert logits.grad.abs().max() < 1e-6


def _unit(rows: list[list[float]]) -> torch.Tensor:
    return F.normalize(torch.tensor(rows), dim=1)


NOTHING_ALIKE = torch.zeros(4, 4, dtype=torch.bool)


def test_contrast_is_lower_where_labels_lie_together() -> None:
    loss, label = SupervisedContrastive(0.1), torch.tensor([0, 0, 1, 1])
    together = _unit([[1, 0.1], [1, 0.0], [0, 1], [0.1, 1]])
    apart = together[[0, 2, 1, 3]]
    assert loss(together, label, NOTHING_ALIKE) < loss(apart, label, NOTHING_ALIKE) - 1


def test_shapes_that_cannot_be_told_apart_are_never_pushed_apart() -> None:
    loss, label = SupervisedContrastive(0.1), torch.tensor([0, 0, 1, 1])
    embedding = torch.randn(4, 8, requires_grad=True)
    alike = torch.zeros(4, 4, dtype=torch.bool)
    alike[:2, 2:] = alike[2:, :2] = True
    value = loss(F.normalize(embedding, dim=1), label, alike)
    # With every negative excused, each anchor has its positive alone: nothing is left to lose.
    assert value.item() == pytest.approx(0.0, abs=1e-6)
    value.backward()
    assert embedding.grad is not None
    assert embedding.grad.abs().max() < 1e-6


def test_a_batch_without_positives_loses_nothing_and_keeps_its_graph() -> None:
    embedding = torch.randn(4, 8, requires_grad=True)
    value = SupervisedContrastive(0.1)(F.normalize(embedding, dim=1), torch.arange(4), NOTHING_ALIKE)
    value.backward()
    assert value.item() == 0.0
    assert embedding.grad is not None
