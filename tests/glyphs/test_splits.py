"""Which families train, validate and test."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glyphs.splits import (
    COMMON_SHAPE,
    LARGEST_HELD_OUT,
    Split,
    assign,
    clusters,
    frozen_splits,
    hashed_split,
)

SHAPES = st.dictionaries(
    st.text(min_size=1, max_size=6), st.sets(st.integers(0, 40), min_size=1), max_size=12
)


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("Amiri", Split.TRAIN),
        ("DejaVu Sans", Split.TEST),
        ("Noto Sans", Split.VALIDATION),
        ("Glyphery Test Sans", Split.TRAIN),
        ("Glyphery Test Mono", Split.VALIDATION),
        ("Glyphery Test Didone", Split.TEST),
        ("Glyphery Test Maghribi", Split.TEST),
    ],
)
def test_a_name_falls_into_the_same_split_for_ever(name: str, split: Split) -> None:
    assert hashed_split(name) == split


def test_a_tenth_of_names_tests_and_a_twentieth_validates() -> None:
    counts = Counter(hashed_split(f"Family {number}") for number in range(10_000))
    assert counts[Split.TEST] == pytest.approx(1000, rel=0.1)
    assert counts[Split.VALIDATION] == pytest.approx(500, rel=0.1)


def test_families_that_share_outlines_stay_together() -> None:
    groups = clusters({
        "Foo": set(range(100)),
        "Foo Redistributed": {*range(50), *range(1000, 1050)},
        "Bar": set(range(200, 300)),
        "Bar with Arabic": {*range(200, 210), *range(2000, 2100)},
        "Alone": set(range(3000, 3100)),
    })  # fmt: skip
    assert groups == [["Alone"], ["Bar", "Bar with Arabic"], ["Foo", "Foo Redistributed"]]


def test_sharing_goes_from_family_to_family() -> None:
    groups = clusters({"A": set(range(20)), "B": set(range(10, 30)), "C": set(range(25, 45))})
    assert groups == [["A", "B", "C"]]


def test_a_few_shared_outlines_do_not_join_large_families() -> None:
    assert clusters({"A": set(range(100)), "B": {0, 1, *range(100, 200)}}) == [["A"], ["B"]]


def test_a_shape_that_everybody_draws_joins_nobody() -> None:
    families = {f"Family {number:02}": {0, number + 1} for number in range(COMMON_SHAPE + 1)}
    assert clusters(families) == [[family] for family in families]
    families.popitem()
    assert clusters(families) == [list(families)]


@given(SHAPES)
def test_clusters_partition_families(shapes: dict[str, set[int]]) -> None:
    groups = clusters(shapes)
    assert sorted(family for group in groups for family in group) == sorted(shapes)
    assert all(group == sorted(group) for group in groups)
    assert groups == sorted(groups)


@given(SHAPES, st.randoms())
def test_clusters_do_not_depend_on_the_order_of_families(shapes: dict[str, set[int]], random: Random) -> None:
    names = list(shapes)
    random.shuffle(names)
    assert clusters({name: shapes[name] for name in names}) == clusters(shapes)


@given(SHAPES, st.dictionaries(st.text(min_size=1, max_size=6), st.sampled_from(Split), max_size=6))
def test_a_cluster_is_never_divided(shapes: dict[str, set[int]], frozen: dict[str, Split]) -> None:
    groups = clusters(shapes)
    splits = assign(groups, frozen)
    assert splits.keys() == shapes.keys()
    assert all(len({splits[family] for family in group}) == 1 for group in groups)


def test_a_lone_family_goes_where_its_name_says() -> None:
    assert assign([["Glyphery Test Didone"]], {}) == {"Glyphery Test Didone": Split.TEST}


def test_a_cluster_goes_where_its_first_name_says() -> None:
    pair = ["Glyphery Test Didone", "Glyphery Test Sans"]
    assert assign([pair], {}) == dict.fromkeys(pair, Split.TEST)


def test_a_large_cluster_trains() -> None:
    group = ["Glyphery Test Didone", *(f"Other {number}" for number in range(LARGEST_HELD_OUT))]
    assert set(assign([group], {}).values()) == {Split.TRAIN}
    assert set(assign([group[:-1]], {}).values()) == {Split.TEST}


def test_what_is_frozen_wins_over_the_hash() -> None:
    frozen = {"Glyphery Test Didone": Split.VALIDATION}
    assert assign([["Glyphery Test Didone"]], frozen) == frozen
    joined = assign([["A Newcomer", "Glyphery Test Didone"]], frozen)
    assert joined["A Newcomer"] == Split.VALIDATION


def test_a_cluster_whose_frozen_members_disagree_trains() -> None:
    frozen = {"A": Split.TEST, "B": Split.VALIDATION}
    assert set(assign([["A", "B", "C"]], frozen).values()) == {Split.TRAIN}


def test_the_frozen_list_can_be_read() -> None:
    assert set(frozen_splits().values()) <= set(Split)
    assert assign([[family] for family in frozen_splits()]) == dict(frozen_splits())
