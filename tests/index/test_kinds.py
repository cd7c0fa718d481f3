from __future__ import annotations

import numpy as np
import pytest

from glyphs.errors import BadIndex
from index.kinds import LARGEST_FLAT, RECALL, Kind, asked_before, exact, held_out, recall


def test_auto_goes_by_number_and_the_others_do_not() -> None:
    assert [Kind.AUTO.of(count) for count in (0, LARGEST_FLAT, LARGEST_FLAT + 1)] == ["flat", "flat", "ivf"]
    assert Kind.FLAT.of(10**7) is Kind.FLAT
    assert Kind.IVF.of(1) is Kind.IVF


def test_whole_families_are_held_out() -> None:
    families = [f"Family {row % 97}" for row in range(5000)]
    withheld, asking = held_out(families)
    assert 250 <= len(withheld) <= 500
    assert set(asking) <= set(withheld)
    outside = {families[row] for row in set(range(5000)).difference(withheld)}
    assert not outside.intersection(families[row] for row in withheld)
    again, _ = held_out(families)
    assert np.array_equal(withheld, again)


def test_of_a_single_family_any_tenth_is_held_out() -> None:
    withheld, asking = held_out(["Amiri"] * 50)
    assert len(withheld) == len(asking) == 5


def test_too_few_leave_nobody_to_ask() -> None:
    withheld, asking = held_out(["Amiri", "Bodoni"])
    assert len(withheld) == len(asking) == 0


def test_one_of_equals_counts_as_well_as_another() -> None:
    embeddings = np.eye(4, dtype=np.float32)[[0, 0, 1, 2]]
    query = np.eye(1, 4, dtype=np.float32)
    truth, _ = exact(query, embeddings, 1)
    assert recall(query, embeddings, truth, np.array([[0]])) == 1
    assert recall(query, embeddings, truth, np.array([[1]])) == 1
    assert recall(query, embeddings, truth, np.array([[2]])) == 0
    assert recall(query, embeddings, truth, np.array([[-1]])) == 0


def test_exact_search_sorts_and_gives_no_more_than_there_are() -> None:
    rows = np.random.default_rng(0).standard_normal((7, 5)).astype(np.float32)
    similarities, numbers = exact(rows[:2], rows, 10)
    assert np.array_equal(numbers, np.argsort(-(rows[:2] @ rows.T), axis=1))
    assert (np.diff(similarities) <= 0).all()
    assert exact(rows[:2], rows[:0], 3)[0].shape == (2, 0)
    assert exact(rows[:0], rows, 3)[0].shape == (0, 3)


def test_what_was_asked_is_read_from_the_manifest() -> None:
    assert asked_before({}) == (Kind.AUTO, RECALL)
    assert asked_before({"asked": "ivf", "asked_recall": 0.95, "later": 1}) == (Kind.IVF, 0.95)
    with pytest.raises(BadIndex):
        asked_before({"asked": "tree"})
