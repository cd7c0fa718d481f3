from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glyphs import repertoires as module
from glyphs.dataset.store import Dataset
from glyphs.errors import BadDataset
from glyphs.labels import Label
from glyphs.repertoires import LEVELS, Repertoires, coverage, fit, repertoires, to_tsv
from glyphs.tables import rows_of

LATIN, GREEK = [Label(ord(letter)) for letter in "abcd"], [Label(ord(letter)) for letter in "αβγδ"]


def test_families_that_have_the_same_labels_are_of_one_kind() -> None:
    latin, greek = np.array([1] * 4 + [0] * 4, bool), np.array([0] * 4 + [1] * 4, bool)
    found = fit([*LATIN, *GREEK], np.array([latin] * 30 + [greek] * 10), kinds=8)
    assert found.families.sum() == pytest.approx(40, abs=0.1)
    assert (np.diff(found.families) <= 0).all()
    of_latin, of_greek = found.chances[:, :4], found.chances[:, 4:]
    for kind in range(len(found.families)):
        is_latin = of_latin[kind].mean() > 0.5
        one, other = (of_latin, of_greek) if is_latin else (of_greek, of_latin)
        assert one[kind].min() > 0.9
        assert other[kind].max() < 0.2


def test_a_single_family_is_a_kind_all_the_same() -> None:
    found = fit(LATIN, np.ones((1, 4), bool))
    assert found.families.tolist() == [1]
    assert (found.chances > 0.9).all()


def test_labels_that_few_families_have_are_not_counted(
    small_dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FEWEST_FAMILIES", 2)
    labels, has = coverage(small_dataset)
    assert labels == sorted(labels)
    assert has.shape[1] == len(labels)
    assert (has.sum(axis=0) >= 2).all()
    assert Label(ord("a")) in labels


def test_families_without_a_label_in_common_are_refused(small_dataset: Dataset) -> None:
    with pytest.raises(BadDataset, match="have a label in common"):
        coverage(small_dataset)


@given(st.lists(st.lists(st.integers(0, LEVELS), min_size=3, max_size=3), min_size=1, max_size=6))
def test_what_is_written_is_read_again(steps: list[list[int]]) -> None:
    chances = np.array(steps, np.float32).T / LEVELS
    labels = tuple(Label(0x41 + number) for number in range(len(steps)))
    (_, weights), *rows = rows_of(to_tsv(Repertoires(np.array([9, 4, 1.5], np.float32), labels, chances)))
    assert weights == "9.0 4.0 1.5"
    kept = [number for number, row in enumerate(steps) if any(row)]
    assert [row[0] for row in rows] == [str(labels[number]) for number in kept]
    assert [[int(digit, 16) for digit in row[1]] for row in rows] == [steps[number] for number in kept]


def test_the_frozen_table_knows_what_goes_together() -> None:
    known = repertoires()
    letters = known.of([Label(ord(letter)) for letter in "aжक"])
    latin, cyrillic, devanagari = letters.chances.T
    assert letters.chances.shape == (len(known.families), 3)
    kinds = cyrillic > 0.9  # fonts with Cyrillic letters have Latin ones, too, as a rule
    assert kinds.any()
    assert np.average(latin[kinds], weights=known.families[kinds]) > 0.9
    assert np.average(devanagari, weights=known.families) < 0.2
    assert ((known.chances >= 0) & (known.chances <= 1)).all()


def test_an_unheard_of_label_has_no_chance() -> None:
    unheard = repertoires().of([Label(0x10FFFF), Label(ord("a"))])
    assert not unheard.chances[:, 0].any()
    assert unheard.chances[:, 1].any()
