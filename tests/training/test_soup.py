"""The mean of models' weights."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from glyphs.dataset.store import Dataset
from glyphs.errors import BadInput
from training.checkpoint import Trained, load_checkpoint
from training.models import create
from training.soup import soup


@pytest.fixture(scope="module")
def trained(tiny_run: Path) -> Trained:
    return load_checkpoint(tiny_run)


def test_weights_are_the_mean_and_models_stay_as_they_were(trained: Trained, small_dataset: Dataset) -> None:
    other = replace(trained, model=deepcopy(trained.model), samples=trained.samples + 64)
    with torch.no_grad():
        for parameter in other.model.parameters():
            parameter += 1.0
    before = deepcopy(trained.model.state_dict())
    mean = soup([trained, other], small_dataset.path)
    assert (mean.averaged, mean.samples) == (2, other.samples)
    for found, weight in zip(mean.model.parameters(), trained.model.parameters(), strict=True):
        torch.testing.assert_close(found, weight + 0.5)
    assert all(torch.equal(tensor, before[name]) for name, tensor in trained.model.state_dict().items())
    assert not mean.model.training


def test_normalisations_get_statistics_of_training_glyphs(trained: Trained, small_dataset: Dataset) -> None:
    """Whatever statistics the models had, their mean answers as one with the right statistics does."""
    spoilt = replace(trained, model=deepcopy(trained.model))
    for name, buffer in spoilt.model.named_buffers():
        if name.endswith("running_var"):
            buffer.mul_(100.0)
    right, mended = (soup([model, model], small_dataset.path) for model in (trained, spoilt))
    size = trained.config.size
    rasters = np.random.default_rng(0).integers(0, 256, (4, size, size), dtype=np.uint8)
    metrics = np.full((4, 4), 0.5, np.float32)
    wanted = right.predict(rasters, metrics)[0]
    np.testing.assert_allclose(mended.predict(rasters, metrics)[0], wanted, atol=1e-5)
    assert not np.allclose(spoilt.predict(rasters, metrics)[0], wanted, atol=1e-2)


def test_models_of_other_kinds_or_labels_are_refused(trained: Trained, small_dataset: Dataset) -> None:
    labels = trained.vocabulary.labels
    fewer = replace(trained, vocabulary=replace(trained.vocabulary, labels=labels[1:]))
    larger = replace(trained, config=replace(trained.config, size=64, box=56))
    kind = replace(trained, config=replace(trained.config, model="vit_tiny"))
    shape = replace(trained, model=create("levit_128s", labels=len(labels) + 1, size=128))
    for other in (fewer, larger, kind, shape):
        with pytest.raises(BadInput, match="averaged"):
            soup([trained, other], small_dataset.path)
