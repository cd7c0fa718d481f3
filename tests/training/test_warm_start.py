"""Training on from a model: what is taken over, and what is refused."""

from __future__ import annotations

import shutil
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageDraw
from torch import nn

from glyphs.dataset.store import Dataset
from glyphs.errors import BadInput
from glyphs.labels import Label
from training.checkpoint import load_checkpoint
from training.data.module import GlyphData
from training.fit import train
from training.models import create
from training.models.levit import AttentionBias
from training.presets import TINY
from training.warm_start import Start, normalise, take_over

A, B, C = Label(65), Label(66), Label(67)


def _batches(size: int = 32, count: int = 2) -> list[dict[str, torch.Tensor]]:
    torch.manual_seed(3)
    return [
        {"image": torch.randint(0, 256, (16, 1, size, size), dtype=torch.uint8), "metrics": torch.rand(16, 4)}
        for _ in range(count)
    ]


def _model(labels: int = 3, size: int = 32, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    model = create("levit_128s", labels=labels, size=size).eval()
    for parameter in model.parameters():
        with torch.no_grad():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return model


def test_labels_keep_their_rows_wherever_they_stand_now() -> None:
    start, model = _model(labels=3), _model(labels=2, seed=1)
    assert take_over(model, [C, A], Start(start, [A, B, C]), []) == 2
    [batch] = _batches(count=1)
    with torch.no_grad():
        old, new = start(**batch), model(**batch)
    torch.testing.assert_close(new["logits"], old["logits"][:, [2, 0]])
    torch.testing.assert_close(new["embedding"], old["embedding"])


def test_a_named_class_keeps_its_row_where_another_name_shifts_its_number(tmp_path: Path) -> None:
    for name, width in (("bee", 2), ("cat", 4)):
        for part in ("train", "validation", "test"):
            picture = Image.new("L", (32, 32), 255)
            ImageDraw.Draw(picture).line((4, 4, 28, 24), fill=0, width=width)
            (tmp_path / part / name).mkdir(parents=True)
            picture.save(tmp_path / part / name / "0.png")
    config = replace(TINY, size=32, box=28, partner="none")
    known = GlyphData(tmp_path, config).vocabulary
    shutil.copytree(tmp_path / "train" / "bee", tmp_path / "train" / "ant")
    vocabulary = GlyphData(tmp_path, config).vocabulary
    assert vocabulary.labels[:2] == known.labels
    start, model = _model(labels=2), _model(labels=3, seed=1)
    assert take_over(model, vocabulary.classes, Start(start, known.classes), []) == 2
    assert torch.equal(model.classifier.weight[1:], start.classifier.weight)


def test_a_new_label_starts_afresh() -> None:
    start, model = _model(labels=1), _model(labels=2, seed=1)
    fresh = model.classifier.weight[1].clone()
    assert take_over(model, [A, B], Start(start, [A]), []) == 1
    assert torch.equal(model.classifier.weight[1], fresh)
    assert torch.equal(model.classifier.weight[0], start.classifier.weight[0])


def test_attention_biases_are_stretched_to_a_larger_raster() -> None:
    start, model = _model(size=32), _model(size=64, seed=1)
    take_over(model, [A, B, C], Start(start, [A, B, C]), [])
    for old, new in zip(start.modules(), model.modules(), strict=True):
        if isinstance(old, AttentionBias) and old.bias.shape[1] == 4:  # a 2 x 2 grid became 4 x 4
            small, large = old.bias.reshape(-1, 2, 2), new.bias.reshape(-1, 4, 4)
            # Twice as many pixels apart is the same stretch of the picture.
            torch.testing.assert_close(large[:, ::2, ::2], small)
            torch.testing.assert_close(large[:, 1, 0], small[:, :, 0].mean(1))


@pytest.mark.parametrize(
    "start",
    [Start(create("residual_cnn", labels=3, size=32), [A, B, C]), Start(_model(labels=1), [Label(900)])],
)
def test_another_kind_of_model_or_other_labels_are_refused(start: Start) -> None:
    with pytest.raises(BadInput):
        take_over(_model(), [A, B, C], start, [])


def test_normalising_changes_no_answer_and_training_starts_from_it() -> None:
    model = _model()
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            norm.running_mean.zero_()
            norm.running_var.fill_(1.0 - norm.eps)
            nn.init.ones_(norm.weight)
    before = deepcopy(model)
    [batch] = _batches(count=1)
    normalise(model, [batch])
    with torch.no_grad():
        old, new = before(**batch)["logits"], model(**batch)["logits"]
        training = model.train()(**batch)["logits"]
        astray = before.train()(**batch)["logits"]
    torch.testing.assert_close(new, old, atol=1e-4, rtol=1e-4)
    # A batch's own statistics stand in for the running ones: the same here, to what variance is unbiased.
    assert (training - old).abs().max() < 0.1 * (astray - old).abs().max()


def test_a_model_without_statistics_is_taken_over_to_another_raster_size() -> None:
    start, batches = _model(size=32), _batches(size=64)

    def shift(merged: bool) -> float:
        """How far answers move when a batch's own statistics take the place of the running ones."""
        model = _model(size=64, seed=1).train()
        take_over(model, [A, B, C], Start(start, [A, B, C], merged=merged), batches)
        assert model.training
        with torch.no_grad():
            answers = model.eval()(**batches[0])["logits"]
            followed = model.train()(**batches[0])["logits"]
        assert torch.isfinite(answers).all()
        return float((followed - answers).abs().mean())

    assert shift(merged=True) < 0.1 * shift(merged=False)


def test_a_run_starts_from_another(small_dataset: Dataset, tiny_run: Path, tmp_path: Path) -> None:
    trained = load_checkpoint(tiny_run)
    start = Start(trained.model, trained.vocabulary.labels)
    config = replace(TINY, learning_rate=1e-9, warmup=0.0, start=str(tiny_run))
    train(small_dataset.path, tmp_path / "run", config, start=start, progress=False)
    after = load_checkpoint(tmp_path / "run")
    for old, new in zip(trained.model.parameters(), after.model.parameters(), strict=True):
        torch.testing.assert_close(new, old, atol=1e-5, rtol=0)
