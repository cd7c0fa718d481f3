from __future__ import annotations

import numpy as np
import pytest

from glyphs.dataset.store import Dataset
from glyphs.errors import BadDataset
from glyphs.labels import Label
from glyphs.raster import RasterSettings
from index.build import IndexBuilder, choose_references

LABELS = [Label(ord(letter)) for letter in "ABC"]


def test_each_label_gets_references_of_different_training_families(small_dataset: Dataset) -> None:
    table = choose_references(small_dataset, LABELS, per_label=2)
    training = {identifier for identifier, _, split, _ in small_dataset.families() if split == "train"}
    assert set(table.family.tolist()) <= training
    for label in np.unique(table.label):
        families = table.family[table.label == label]
        assert 1 <= len(families) <= 2
        assert len(set(families.tolist())) == len(families)


def test_the_choice_is_the_same_every_time(small_dataset: Dataset) -> None:
    first, again = (choose_references(small_dataset, LABELS, per_label=1) for _ in range(2))
    assert np.array_equal(first.shape, again.shape)


def test_the_built_index_finds_a_reference_by_its_own_embedding(small_dataset: Dataset) -> None:
    builder = IndexBuilder(small_dataset, LABELS, per_label=2, settings=RasterSettings())

    def embed(rasters: np.ndarray, _: np.ndarray) -> np.ndarray:
        small = rasters.reshape(len(rasters), 16, 8, 16, 8).mean(axis=(2, 4)).reshape(len(rasters), -1)
        return (small / np.linalg.norm(small, axis=1, keepdims=True)).astype(np.float32)

    assert list(builder.run(embed))[-1] == len(builder)
    assert builder.index is not None
    query = embed(builder._shapes.draw(int(builder._table.shape[0]))[None], builder._table.metrics[:1])
    assert builder.index.search(query, 1)[0][0].reference.label == builder.index.references[0].label


def test_labels_that_no_font_has_cannot_be_indexed(small_dataset: Dataset) -> None:
    with pytest.raises(BadDataset):
        IndexBuilder(small_dataset, [Label(0x1F600)], per_label=1, settings=RasterSettings())
