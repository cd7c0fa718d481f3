from __future__ import annotations

import pytest
import torch

from glyphs.errors import BadInput
from training.models import MODELS, Recogniser, create

LABELS = 7


@pytest.fixture(params=sorted(MODELS))
def model(request: pytest.FixtureRequest) -> Recogniser:
    torch.manual_seed(0)
    return create(request.param, labels=LABELS)


def _example(batch: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    image = torch.randint(0, 256, (batch, 1, 128, 128), dtype=torch.uint8, generator=generator)
    return image, torch.rand(batch, 4, generator=generator)


def test_answers_have_their_shapes_and_embeddings_length_one(model: Recogniser) -> None:
    answers = model.eval()(*_example())
    assert answers["logits"].shape == (3, LABELS)
    assert answers["embedding"].shape == (3, 128)
    assert torch.allclose(answers["embedding"].norm(dim=1), torch.ones(3), atol=1e-5)


@pytest.mark.parametrize("head", ["logits", "embedding"])
def test_either_head_alone_trains_the_backbone(model: Recogniser, head: str) -> None:
    answers = model.train()(*_example())
    answers[head].square().sum().backward() if head == "logits" else answers[head][:, 0].sum().backward()
    gradients = [parameter.grad for parameter in model.backbone.parameters()]
    reached = [gradient is not None and bool(gradient.abs().sum() > 0) for gradient in gradients]
    # A residual branch that starts at zero passes no gradient into itself before the first step.
    assert sum(reached) > len(reached) / 4
    stem = next(model.backbone.parameters())
    assert stem.grad is not None
    assert stem.grad.abs().sum() > 0


def test_unknown_metrics_are_masked_one_by_one(model: Recogniser) -> None:
    image, metrics = _example()
    model.eval()
    hidden = metrics.clone()
    hidden[:, 1] = torch.nan
    other = hidden.clone()
    other[:, 0] += 0.5
    known, unknown, changed = (model(image, m)["logits"] for m in (metrics, hidden, other))
    assert torch.isfinite(unknown).all()
    assert not torch.allclose(known, unknown)
    assert not torch.allclose(unknown, changed)


def test_folding_normalisations_changes_no_answer(model: Recogniser) -> None:
    image, metrics = _example(8)
    model.train()(image, metrics)  # gives the running statistics something to say
    model.eval()
    before = model(image, metrics)
    model.fold()
    after = model(image, metrics)
    assert torch.allclose(before["logits"], after["logits"], atol=1e-4)
    assert torch.allclose(before["embedding"], after["embedding"], atol=1e-5)


def test_levit_128s_is_as_large_as_published() -> None:
    # Without classifier, at 128 x 128, one channel; the paper's 7.8 M are at 224 with 1,000 classes.
    backbone = create("levit_128s", labels=2).backbone
    assert sum(parameter.numel() for parameter in backbone.parameters()) == pytest.approx(7.0e6, rel=0.01)


def test_an_unknown_model_is_refused_by_name() -> None:
    with pytest.raises(BadInput, match="levit_128s"):
        create("resnet", labels=2)
