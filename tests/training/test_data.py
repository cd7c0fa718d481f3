from __future__ import annotations

import numpy as np
import torch

from glyphs.dataset.store import Dataset
from training.config import TINY
from training.data import GlyphData


def test_a_sample_is_a_function_of_its_number(small_dataset: Dataset) -> None:
    once, again = (GlyphData(small_dataset.path, TINY)._training for _ in range(2))
    for number in (0, 1, 77):
        first, second = once[number], again[number]
        assert torch.equal(first["image"], second["image"])
        assert torch.equal(first["label"], second["label"])
        assert torch.allclose(first["metrics"], second["metrics"], equal_nan=True)


def test_the_next_epoch_draws_other_pixels(small_dataset: Dataset) -> None:
    data = GlyphData(small_dataset.path, TINY)
    loader = data.train_dataloader()
    epochs = []
    for epoch in (0, 1):
        loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
        epochs.append(torch.cat([batch["image"] for batch in loader]))
    assert epochs[0].shape == epochs[1].shape
    assert not torch.equal(epochs[0], epochs[1])


def test_samples_come_in_pairs_of_one_label_and_mostly_two_families(small_dataset: Dataset) -> None:
    samples = GlyphData(small_dataset.path, TINY)._training
    rows = [(samples.row(2 * k), samples.row(2 * k + 1)) for k in range(200)]
    families, labels = samples._table.family, samples._places
    assert all(labels[a] == labels[b] for a, b in rows)
    several = [(a, b) for a, b in rows if len(np.unique(families[labels == labels[a]])) > 1]
    assert several
    assert all(families[a] != families[b] for a, b in several)


def test_no_held_out_family_is_drawn(small_dataset: Dataset) -> None:
    data = GlyphData(small_dataset.path, TINY)
    held_out = {identifier for identifier, _, split, _ in small_dataset.families() if split != "train"}
    assert held_out
    assert not held_out & set(data._training._table.family.tolist())
    assert set(data._validation._table.family.tolist()) <= held_out


def test_the_vocabulary_counts_training_families_only(small_dataset: Dataset) -> None:
    vocabulary = GlyphData(small_dataset.path, TINY).vocabulary
    training = [
        name for _, name, split, excluded in small_dataset.families() if split == "train" and not excluded
    ]
    assert max(vocabulary.families) <= len(training)
    assert list(vocabulary.labels) == sorted(vocabulary.labels)
