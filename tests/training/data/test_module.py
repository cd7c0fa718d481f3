from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from glyphs.dataset.store import Dataset
from glyphs.errors import BadDataset, BadInput
from glyphs.splits import Split
from training.config import TrainConfig
from training.data.module import GlyphData
from training.data.samples import Numbers
from training.presets import TINY


def _labels(config: TrainConfig, dataset: Dataset, count: int = 300) -> np.ndarray:
    samples = GlyphData(dataset.path, config).samples()
    return samples.places[samples.rows(range(count))]


def test_a_batch_is_a_function_of_its_numbers(small_dataset: Dataset) -> None:
    once, again = (GlyphData(small_dataset.path, TINY).samples() for _ in range(2))
    for numbers in (range(8), range(64, 80)):
        first, second = once.__getitems__(numbers), again.__getitems__(numbers)
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
    samples = GlyphData(small_dataset.path, TINY).samples()
    rows = samples.rows(range(400)).reshape(-1, 2).tolist()
    families, labels = samples.table.family, samples.places
    assert all(labels[a] == labels[b] for a, b in rows)
    several = [(a, b) for a, b in rows if len(np.unique(families[labels == labels[a]])) > 1]
    assert several
    assert all(families[a] != families[b] for a, b in several)


def test_a_label_shows_favoured_families_more_often(small_dataset: Dataset, tmp_path: Path) -> None:
    named = [name for _, name, split, _ in small_dataset.families() if split is Split.TRAIN][:1]
    (tmp_path / "mine.txt").write_text(f"# mine\n{named[0]}\tand what else is told of it\n")
    plain = GlyphData(small_dataset.path, TINY)
    favouring = GlyphData(
        small_dataset.path, replace(TINY, favoured=str(tmp_path / "mine.txt"), favoured_share=0.8)
    )
    (favoured,) = favouring.favoured
    shares = []
    for data in (plain, favouring):
        samples = data.samples()
        rows = samples.rows(range(2000))
        having = np.unique(samples.places[samples.table.family == favoured])
        shown = samples.table.family[rows][np.isin(samples.places[rows], having)]
        shares.append((shown == favoured).mean())
        families, labels = samples.table.family, samples.places
        pairs = rows.reshape(-1, 2).tolist()
        assert all(
            families[a] != families[b] for a, b in pairs if len(np.unique(families[labels == labels[a]])) > 1
        )
    assert shares[1] > 1.3 * shares[0]  # one of each pair at most, the only favoured family that there is


@pytest.mark.parametrize("text", ["Nobody Sans\n", "# none\n", None])
def test_favoured_families_must_be_there(small_dataset: Dataset, tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "mine.txt").write_text(text)
    with pytest.raises(BadInput):
        GlyphData(small_dataset.path, replace(TINY, favoured=str(tmp_path / "mine.txt")))


def test_partners_of_one_group_have_other_labels_of_it(small_dataset: Dataset) -> None:
    data = GlyphData(small_dataset.path, replace(TINY, partner="group"))
    samples = data.samples()
    labels = samples.places[samples.rows(range(400))].reshape(-1, 2)
    assert (data.group[labels[:, 0]] == data.group[labels[:, 1]]).all()
    assert (labels[:, 0] != labels[:, 1]).mean() > 0.5


def test_without_partners_samples_are_drawn_on_their_own(small_dataset: Dataset) -> None:
    labels = _labels(replace(TINY, partner="none"), small_dataset).reshape(-1, 2)
    assert (labels[:, 0] != labels[:, 1]).mean() > 0.5


def test_balance_zero_draws_every_label_alike_and_one_as_families_have_it(small_dataset: Dataset) -> None:
    families = np.array(GlyphData(small_dataset.path, TINY).vocabulary.families)
    often = families == families.max()
    even, natural = (
        np.isin(_labels(replace(TINY, balance=balance), small_dataset, 2000), np.flatnonzero(often)).mean()
        for balance in (0.0, 1.0)
    )
    assert even == pytest.approx(often.mean(), abs=0.05)
    assert natural == pytest.approx(families[often].sum() / families.sum(), abs=0.05)


def test_no_held_out_family_is_drawn(small_dataset: Dataset) -> None:
    data = GlyphData(small_dataset.path, TINY)
    held_out = {identifier for identifier, _, split, _ in small_dataset.families() if split != "train"}
    assert held_out
    assert not held_out & set(data.training.table.family.tolist())
    assert set(data.validation.table.family.tolist()) <= held_out


def test_the_vocabulary_counts_training_families_only(small_dataset: Dataset) -> None:
    vocabulary = GlyphData(small_dataset.path, TINY).vocabulary
    training = [
        name for _, name, split, excluded in small_dataset.families() if split == "train" and not excluded
    ]
    assert max(vocabulary.families) <= len(training)
    assert list(vocabulary.labels) == sorted(vocabulary.labels)


def test_labels_with_few_glyphs_are_left_out_and_a_limit_thins_the_rest(small_dataset: Dataset) -> None:
    data = GlyphData(small_dataset.path, TINY)
    rare = data.counts < 2
    assert rare.any()
    without = GlyphData(small_dataset.path, replace(TINY, min_count=2))
    assert len(without.vocabulary.labels) == (~rare).sum()
    thin = GlyphData(small_dataset.path, replace(TINY, limit=50))
    assert len(thin.training) == thin.counts.sum() == 50
    for partner in ("label", "group"):
        drawn = _labels(replace(TINY, limit=50, partner=partner), small_dataset)  # type: ignore[arg-type]
        assert set(drawn.tolist()) <= set(np.flatnonzero(thin.counts).tolist())


def test_a_vocabulary_that_nothing_fills_is_refused(small_dataset: Dataset) -> None:
    with pytest.raises(BadDataset, match="min_count"):
        GlyphData(small_dataset.path, replace(TINY, min_count=1000))


def test_devices_share_out_every_batch_in_whole_pairs() -> None:
    config = TrainConfig(batch=8, samples=32, epoch_samples=16)
    alone = Numbers(config)
    alone.set_epoch(1)
    parts = [Numbers(config, rank, 2) for rank in (0, 1)]
    for part in parts:
        part.set_epoch(1)
    shared = np.stack([np.array([*part]).reshape(-1, 4) for part in parts], axis=1)
    assert [*alone] == shared.ravel().tolist() == list(range(16, 32))
    assert all(len(part) == 8 for part in parts)
