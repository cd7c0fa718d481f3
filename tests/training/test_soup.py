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
from glyphs.labels import Label
from training.checkpoint import Trained, load_checkpoint
from training.models import create
from training.soup import soup
from training.warm_start import Start


@pytest.fixture(scope="module")
def trained(tiny_run: Path) -> Trained:
    return load_checkpoint(tiny_run)


def test_weights_are_the_mean_and_models_stay_as_they_were(trained: Trained, small_dataset: Dataset) -> None:
    other = Start(deepcopy(trained.model), trained.vocabulary.labels, samples=trained.samples + 64)
    with torch.no_grad():
        for parameter in other.model.parameters():
            parameter += 1.0
    before = deepcopy(trained.model.state_dict())
    mean = soup(trained, [other], small_dataset.path)
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
    right, mended = (
        soup(model, [Start(model.model, model.vocabulary.labels)], small_dataset.path)
        for model in (trained, spoilt)
    )
    size = trained.config.size
    rasters = np.random.default_rng(0).integers(0, 256, (4, size, size), dtype=np.uint8)
    metrics = np.full((4, 4), 0.5, np.float32)
    wanted = right.predict(rasters, metrics)[0]
    np.testing.assert_allclose(mended.predict(rasters, metrics)[0], wanted, atol=1e-5)
    assert not np.allclose(spoilt.predict(rasters, metrics)[0], wanted, atol=1e-2)


def test_labels_that_only_the_first_knows_keep_its_rows(trained: Trained, small_dataset: Dataset) -> None:
    labels, config = trained.vocabulary.labels, trained.config
    fewer = create(config.model, labels=len(labels) - 2, size=config.size, options=config.options)
    mean = soup(trained, [Start(fewer.eval(), labels[2:])], small_dataset.path)
    ours, theirs = (model.classifier.weight.detach() for model in (trained.model, fewer))
    found = mean.model.classifier.weight.detach()
    torch.testing.assert_close(found[:2], ours[:2])
    torch.testing.assert_close(found[2:], (ours[2:] + theirs) / 2)


def test_models_of_other_kinds_or_labels_are_refused(trained: Trained, small_dataset: Dataset) -> None:
    labels, size = trained.vocabulary.labels, trained.config.size
    for kind, side in (("vit_tiny", size), ("levit_128s", 2 * size)):
        other = create(kind, labels=len(labels), size=side).eval()
        with pytest.raises(BadInput, match="averaged"):
            soup(trained, [Start(other, labels)], small_dataset.path)
    strange = Start(trained.model, [Label(number) for number in range(0x4E00, 0x4E00 + len(labels))])
    with pytest.raises(BadInput, match="none of the labels"):
        soup(trained, [strange], small_dataset.path)
