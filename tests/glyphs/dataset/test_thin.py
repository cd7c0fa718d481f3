"""A smaller dataset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from glyphs.dataset.store import Dataset
from glyphs.dataset.thin import thin
from glyphs.errors import BadDataset
from glyphs.labels import Form, Label
from glyphs.splits import Split


@pytest.fixture
def thinned(small_dataset: Dataset, tmp_path: Path) -> Dataset:
    thin(small_dataset, tmp_path / "thin.db", families=2, styles=1, validation=50)
    return Dataset.open(tmp_path / "thin.db")


def _labels(dataset: Dataset, split: Split) -> set[tuple[str, int]]:
    table, labels = dataset.table(split), dataset.labels()
    return {(str(labels[int(x)]), int(f)) for x, f in zip(table.label, table.family, strict=True)}


def test_it_holds_one_glyph_of_each_common_label_in_each_training_family(
    small_dataset: Dataset, thinned: Dataset
) -> None:
    whole, kept = _labels(small_dataset, Split.TRAIN), _labels(thinned, Split.TRAIN)
    families = {label: {f for other, f in whole if other == label} for label, _ in whole}
    assert kept == {(label, family) for label, family in whole if len(families[label]) >= 2}
    assert len(thinned.table(Split.TRAIN)) == len(kept)


def test_only_labels_that_are_asked_for_are_kept(small_dataset: Dataset, tmp_path: Path) -> None:
    asked = [Label(ord("A")), Label(0x639, Form.INIT), Label(0x10FFFD)]
    thin(small_dataset, tmp_path / "thin.db", families=1, labels=asked, validation=1000)
    with Dataset.open(tmp_path / "thin.db") as thinned:
        for split in (Split.TRAIN, Split.VALIDATION):
            whole = _labels(small_dataset, split)
            assert _labels(thinned, split) == {(x, f) for x, f in whole if x in map(str, asked)}
    with pytest.raises(BadDataset, match="None of those labels"):
        thin(small_dataset, tmp_path / "none.db", families=1, labels=asked[2:])


def test_test_families_stay_behind(small_dataset: Dataset, thinned: Dataset) -> None:
    assert len(small_dataset.table(Split.TEST))
    assert not len(thinned.table(Split.TEST))
    assert 0 < len(thinned.table(Split.VALIDATION)) <= 50
    assert thinned.families() == small_dataset.families()


def test_its_glyphs_are_those_of_the_whole(small_dataset: Dataset, thinned: Dataset) -> None:
    whole, table = small_dataset.table(), thinned.table()
    place = {key: row for row, key in enumerate(zip(whole.font.tolist(), whole.label.tolist(), strict=True))}
    rows = [place[key] for key in zip(table.font.tolist(), table.label.tolist(), strict=True)]
    assert np.array_equal(whole.metrics[rows], table.metrics, equal_nan=True)
    shapes = [table.shape[0], table.shape[-1]]
    assert list(thinned.shape_data(shapes)) == list(small_dataset.shape_data(shapes))
    assert thinned.digest == thinned.content_digest() != small_dataset.digest


def test_what_cannot_be_written_is_refused(small_dataset: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "thin.db"
    with pytest.raises(BadDataset, match="training families"):
        thin(small_dataset, out, families=10_000)
    assert not out.exists()
    out.write_text("precious")
    with pytest.raises(BadDataset, match="there already"):
        thin(small_dataset, out, families=1)
    assert out.read_text() == "precious"
