from __future__ import annotations

import numpy as np
import pytest
import torch

from glyphs.errors import BadInput
from glyphs.labels import Label
from glyphs.raster import RasterSettings
from training.data import Batch, Class
from training.models import create
from training.teacher import Lessons, Teacher

A, B, C = (Label(ord(letter)) for letter in "ABC")
SETTINGS = RasterSettings(32, 28)


def _teacher(labels: tuple[Class, ...]) -> Teacher:
    """Answers the place of a label as its logit."""
    return Teacher.of_function(
        lambda rasters, _: np.tile(np.arange(len(labels), dtype=np.float32), (len(rasters), 1)),
        labels,
        SETTINGS,
    )


def test_lessons_come_in_the_students_order_and_say_what_is_not_known() -> None:
    batch: Batch = {
        "image": torch.zeros(2, 1, 32, 32, dtype=torch.uint8),
        "metrics": torch.zeros(2, 4),
        "label": torch.tensor([0, 1]),
        "shape": torch.zeros(2, dtype=torch.int64),
    }
    logits, known = Lessons(_teacher((C, A)), (A, B, C), SETTINGS)(batch)
    assert logits[0].tolist() == [1.0, -torch.inf, 0.0]
    assert known.tolist() == [True, False]
    logits, _ = Lessons(_teacher(("bee", "cat")), ("ant", "bee", "cat"), SETTINGS)(batch)
    assert logits[0].tolist() == [-torch.inf, 0.0, 1.0]


def test_a_teacher_of_other_rasters_or_other_labels_is_refused() -> None:
    with pytest.raises(BadInput, match="size and box"):
        Lessons(_teacher((A, B)), (A, B), RasterSettings(64, 60))
    with pytest.raises(BadInput, match="none of the labels"):
        Lessons(_teacher((A, B)), (C,), SETTINGS)


def test_a_teacher_sees_rasters_of_its_own_size() -> None:
    seen: list[np.ndarray] = []

    def answer(rasters: np.ndarray, _: np.ndarray) -> np.ndarray:
        seen.append(rasters)
        return np.zeros((len(rasters), 2), np.float32)

    image = torch.zeros(1, 1, 16, 16, dtype=torch.uint8)
    image[0, 0, 4:12, 6:10] = 255
    batch: Batch = {
        "image": image,
        "metrics": torch.zeros(1, 4),
        "label": torch.tensor([0]),
        "shape": torch.zeros(1, dtype=torch.int64),
    }
    Lessons(Teacher.of_function(answer, (A, B), SETTINGS), (A, B), RasterSettings(16, 14))(batch)
    (raster,) = seen
    assert raster.shape == (1, 32, 32)
    assert raster.dtype == np.uint8
    assert (raster[0, 10:22, 14:18] == 255).all()
    assert not raster[0, :7].any()
    assert not raster[0, :, 22:].any()


def test_a_model_teaches_without_learning() -> None:
    model = create("residual_cnn", labels=2, size=32)
    batch: Batch = {
        "image": torch.randint(0, 256, (3, 1, 32, 32), dtype=torch.uint8),
        "metrics": torch.rand(3, 4),
        "label": torch.tensor([0, 1, 0]),
        "shape": torch.zeros(3, dtype=torch.int64),
    }
    before = {name: value.clone() for name, value in model.state_dict().items()}
    logits, _ = Lessons(Teacher.of_model(model, (A, B), SETTINGS), (B, A), SETTINGS)(batch)
    assert not logits.requires_grad
    torch.testing.assert_close(logits.flip(1), model(batch["image"], batch["metrics"])["logits"])
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
