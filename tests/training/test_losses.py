from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from training.config import Losses
from training.losses import ArcFace, Classification, SupervisedContrastive, class_weights, distillation

COUNTS = np.array([800, 100, 100])


def _loss(counts: np.ndarray = COUNTS, **how: object) -> Classification:
    return Classification(Losses(**how), counts.astype(float), counts)  # type: ignore[arg-type]


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.2])
def test_even_sampling_leaves_plain_cross_entropy(smoothing: float) -> None:
    logits, label = torch.randn(8, 5), torch.arange(8) % 5
    ours = _loss(np.full(5, 10), smoothing=smoothing)(logits, label)
    theirs = F.cross_entropy(logits, label, label_smoothing=smoothing, reduction="none")
    assert ours.numpy() == pytest.approx(theirs.numpy(), abs=1e-5)


@pytest.mark.parametrize("kind", ["cross_entropy", "balanced_bce"])
def test_logits_that_explain_the_picture_evenly_are_the_optimum_under_uneven_sampling(kind: str) -> None:
    # Pictures that say nothing: the best bare logits are equal, whatever the sampling.
    logits = torch.zeros(3, requires_grad=True)
    label = torch.tensor([0] * 8 + [1, 2])
    _loss(classification=kind, smoothing=0.0)(logits.expand(10, 3), label).mean().backward()
    assert logits.grad is not None
    assert logits.grad.abs().max() < 1e-6


def test_without_adjustment_the_logits_carry_the_prior() -> None:
    logits = torch.log(torch.tensor([0.8, 0.1, 0.1])).requires_grad_()
    label = torch.tensor([0] * 8 + [1, 2])
    _loss(adjusted=False, smoothing=0.0)(logits.expand(10, 3), label).mean().backward()
    assert logits.grad is not None
    assert logits.grad.abs().max() < 1e-6


@pytest.mark.parametrize("kind", ["none", "inverse", "square_root", "effective"])
def test_class_weights_weigh_a_glyph_one_on_average_and_rare_classes_no_less(kind: str) -> None:
    weights = class_weights(Losses(class_weights=kind), COUNTS)  # type: ignore[arg-type]
    assert (weights * COUNTS).sum() / COUNTS.sum() == pytest.approx(1.0)
    assert weights[1] >= weights[0]


def test_inverse_weights_make_every_class_count_the_same_and_a_root_half_way() -> None:
    inverse = class_weights(Losses(class_weights="inverse"), COUNTS)
    root = class_weights(Losses(class_weights="square_root"), COUNTS)
    assert inverse[1] / inverse[0] == pytest.approx(8.0)
    assert root[1] / root[0] == pytest.approx(8.0**0.5)


def test_effective_numbers_lie_between_no_weights_and_inverse_ones() -> None:
    few = class_weights(Losses(class_weights="effective", beta=0.9999), COUNTS)
    many = class_weights(Losses(class_weights="effective", beta=0.9), COUNTS)
    assert few[1] / few[0] == pytest.approx(8.0, rel=0.05)
    assert many[1] / many[0] == pytest.approx(1.0, rel=0.05)


def _eye(labels: Tensor) -> Tensor:
    return labels[:, None] == labels[None]


def test_contrast_is_less_for_tight_groups_than_for_mixed_ones() -> None:
    loss = SupervisedContrastive(0.07)
    tight = F.normalize(torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]]), dim=1)
    same = _eye(torch.tensor([0, 0, 1, 1]))
    assert loss(tight, same, same) < loss(tight[[0, 2, 1, 3]], same, same)


def test_contrast_is_khoslas_formula_where_nothing_is_alike() -> None:
    embedding = F.normalize(torch.randn(6, 4), dim=1)
    labels = torch.tensor([0, 0, 1, 1, 1, 2])
    scores = (embedding @ embedding.T / 0.1).double()
    expected = []
    for i in range(5):  # the last has no positive
        others = [j for j in range(6) if j != i]
        total = torch.logsumexp(scores[i, others], 0)
        expected.append(-np.mean([float(scores[i, j] - total) for j in others if labels[j] == labels[i]]))
    ours = SupervisedContrastive(0.1)(embedding, _eye(labels), _eye(labels))
    assert float(ours) == pytest.approx(np.mean(expected), rel=1e-4)


def test_pairs_that_look_the_same_are_neither_pulled_nor_pushed() -> None:
    embedding = F.normalize(torch.randn(4, 8), dim=1).requires_grad_()
    labels = torch.tensor([0, 0, 1, 2])
    alike = _eye(labels)
    alike[2, :] = alike[:, 2] = True
    SupervisedContrastive(0.07)(embedding, _eye(labels), alike).backward()
    assert embedding.grad is not None
    assert embedding.grad[2].abs().max() == 0
    assert embedding.grad[0].abs().max() > 0


def test_a_batch_without_positives_costs_nothing_and_has_a_gradient() -> None:
    embedding = F.normalize(torch.randn(3, 8), dim=1).requires_grad_()
    nothing = torch.zeros(3, 3, dtype=torch.bool)
    loss = SupervisedContrastive(0.07)(embedding, nothing, nothing)
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert embedding.grad is not None


def test_a_margin_of_zero_is_cosine_softmax_and_a_margin_costs_more() -> None:
    embedding, label = F.normalize(torch.randn(5, 8), dim=1), torch.arange(5) % 3
    nothing = torch.zeros(5, 3, dtype=torch.bool)
    plain, strict = ArcFace(3, 8, 0.0, 16.0), ArcFace(3, 8, 0.5, 16.0)
    strict.load_state_dict(plain.state_dict())
    cosine = embedding @ F.normalize(plain.centres, dim=1).T
    assert plain(embedding, label, nothing).item() == pytest.approx(
        F.cross_entropy(16 * cosine, label).item(), abs=1e-4
    )
    assert strict(embedding, label, nothing) > plain(embedding, label, nothing)


def test_an_embedding_at_its_centre_has_a_gradient_in_mixed_precision() -> None:
    loss = ArcFace(3, 128, 0.3, 32.0)
    embedding = loss.centres.detach().clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        apart = loss(embedding, torch.arange(3), torch.zeros(3, 3, dtype=torch.bool))
    apart.backward()
    for parameter in (embedding, loss.centres):
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()


def test_the_margin_never_pushes_from_a_centre_that_looks_the_same() -> None:
    loss = ArcFace(3, 8, 0.3, 16.0)
    alike = torch.tensor([[False, True, False]])
    loss(F.normalize(torch.randn(1, 8), dim=1), torch.tensor([0]), alike).backward()
    assert loss.centres.grad is not None
    assert loss.centres.grad[1].abs().max() == 0
    assert loss.centres.grad[2].abs().max() > 0


def test_a_student_that_answers_as_its_teacher_learns_nothing() -> None:
    teacher = torch.randn(4, 6)
    assert distillation(teacher + 3.0, teacher, 3.0).abs().max() < 1e-5
    assert distillation(torch.randn(4, 6), teacher, 3.0).min() > 0


def test_labels_that_the_teacher_does_not_know_are_left_to_the_student() -> None:
    teacher = torch.randn(4, 6)
    teacher[:, 5] = -torch.inf
    student = torch.randn(4, 6, requires_grad=True)
    distillation(student, teacher, 2.0).sum().backward()
    assert student.grad is not None
    assert student.grad.isfinite().all()
    assert student.grad[:, 5].abs().max() == 0
