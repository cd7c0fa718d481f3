from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from export.to_onnx import to_onnx
from glyphs.errors import BadInput
from training.models import MODELS, Recogniser, create

LABELS = 7
# One of each kind, for most tests: the others are the same code, only wider.
KINDS = sorted(MODELS.keys() - {"levit_256", "vit_small", "vit_base"})


def _created(name: str, size: int = 64, channels: int = 1) -> Recogniser:
    torch.manual_seed(0)
    return create(name, labels=LABELS, size=size, channels=channels)


@pytest.fixture(params=KINDS)
def model(request: pytest.FixtureRequest) -> Recogniser:
    return _created(request.param)


def _example(batch: int = 3, size: int = 64, channels: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    image = torch.randint(0, 256, (batch, channels, size, size), dtype=torch.uint8, generator=generator)
    return image, torch.rand(batch, 4, generator=generator)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_answers_have_their_shapes_and_embeddings_length_one(name: str) -> None:
    answers = _created(name).eval()(*_example())
    assert answers["logits"].shape == (3, LABELS)
    assert answers["embedding"].shape == (3, 128)
    assert torch.allclose(answers["embedding"].norm(dim=1), torch.ones(3), atol=1e-5)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("size", [32, 96, 128])
def test_models_take_rasters_of_many_sizes(name: str, size: int) -> None:
    answers = _created(name, size).eval()(*_example(2, size))
    assert answers["logits"].shape == (2, LABELS)
    assert torch.isfinite(answers["logits"]).all()


@pytest.mark.parametrize("name", KINDS)
def test_a_colour_model_answers_colour_and_takes_grey_as_three_equal_channels(name: str) -> None:
    model = _created(name, 32, channels=3).eval()
    colour, metrics = _example(2, 32, channels=3)
    assert model(colour, metrics)["logits"].shape == (2, LABELS)
    grey = colour[:, :1]
    torch.testing.assert_close(
        model(grey, metrics)["logits"], model(grey.repeat(1, 3, 1, 1), metrics)["logits"]
    )


@pytest.mark.parametrize("head", ["logits", "embedding"])
def test_either_head_alone_trains_the_whole_backbone(model: Recogniser, head: str) -> None:
    with torch.no_grad():
        for parameter in model.backbone.parameters():
            # Residual branches start at zero, and pass no gradient into themselves until they moved.
            parameter += 0.01 * torch.randn_like(parameter)
    model.train()(*_example())[head][:, 0].sum().backward()
    unreached = {name for name, p in model.backbone.named_parameters() if p.grad is None}
    assert not unreached
    stem = next(p for p in model.backbone.parameters() if p.ndim == 4)
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


def test_folding_changes_no_answer(model: Recogniser) -> None:
    image, metrics = _example(8)
    model.train()(image, metrics)  # gives the running statistics something to say
    model.eval()
    before = model(image, metrics)
    model.fold()
    after = model(image, metrics)
    assert torch.allclose(before["logits"], after["logits"], atol=1e-4)
    assert torch.allclose(before["embedding"], after["embedding"], atol=1e-5)


def test_primitives_are_answered_by_the_model_that_has_them() -> None:
    assert _created("unified_mlp").eval()(*_example())["primitives"].shape == (3, 64, 2, 32)
    assert "primitives" not in _created("residual_cnn").eval()(*_example())


@pytest.mark.parametrize("name", ["residual_cnn", "vit_tiny"])
def test_onnx_answers_as_torch_does_for_any_batch(name: str, tmp_path: Path) -> None:
    model = _created(name)
    model.train()(*_example(8))
    model.eval()
    to_onnx(model, tmp_path / "model.onnx", size=64)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    for batch in (1, 2, 5):
        image, metrics = _example(batch)
        with torch.inference_mode():
            expected = model(image, metrics)
        logits, embedding = session.run(
            ["logits", "embedding"], {"image": image.numpy(), "metrics": metrics.numpy()}
        )
        np.testing.assert_allclose(logits, expected["logits"], atol=1e-4)
        np.testing.assert_allclose(embedding, expected["embedding"], atol=1e-4)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_size_that_a_model_cannot_take_is_refused_with_a_remedy(name: str) -> None:
    with pytest.raises(BadInput, match=r"divisible by (8|16)\.") as refused:
        create(name, labels=2, size=100)
    assert "100 pixels" in refused.value.message


def test_two_channels_are_refused() -> None:
    with pytest.raises(BadInput, match="2 channels"):
        create("levit_128s", labels=2, channels=2)


def test_an_unknown_model_is_refused_by_name() -> None:
    with pytest.raises(BadInput, match="levit_128s"):
        create("resnet", labels=2)
