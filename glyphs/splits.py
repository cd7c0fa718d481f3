"""Which families train, validate and test: by family, never by glyph, and frozen.

Families that share outlines (a redistribution under another name, a superset, a script added to
a common Latin) form one cluster and stay together. A cluster's split is a stable hash of its
first name; clusters of more than `LARGEST_HELD_OUT` families always train, since holding out
such a system of fonts would empty whole scripts of training data. The outcome for the fonts the
project trains on is frozen in `data/splits.tsv`, which wins over the hash.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import cache
from hashlib import blake2b

from glyphs.tables import read_list

LARGEST_HELD_OUT = 8
SHARED_SHARE = 0.05  # of the smaller family's outlines: what makes two families one cluster
COMMON_SHAPE = 40  # a shape in more families than this is a plain dot or bar and links nothing


class Split(StrEnum):
    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


def hashed_split(name: str) -> Split:
    """A tenth of all names test, a twentieth validate; the same in every process and version."""
    percent = _hash(name) % 100
    if percent < 10:
        return Split.TEST
    return Split.VALIDATION if percent < 15 else Split.TRAIN


def _hash(name: str) -> int:
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big")


@cache
def frozen_splits() -> Mapping[str, Split]:
    """Family name -> split, as frozen in the repository."""
    return {family: Split(split) for family, split in read_list("splits.tsv")}


def clusters(shapes_by_family: Mapping[str, set[int]]) -> list[list[str]]:
    """Families joined by shared outlines, each cluster sorted, clusters in order of first name."""
    families_by_shape: dict[int, list[str]] = defaultdict(list)
    for family, shapes in shapes_by_family.items():
        for shape in shapes:
            families_by_shape[shape].append(family)
    shared: Counter[tuple[str, str]] = Counter()
    for members in families_by_shape.values():
        if 1 < len(members) <= COMMON_SHAPE:
            members = sorted(members)
            shared.update((a, b) for i, a in enumerate(members) for b in members[i + 1 :])

    parent = {family: family for family in shapes_by_family}

    def root(family: str) -> str:
        while parent[family] != family:
            parent[family] = family = parent[parent[family]]
        return family

    for (a, b), count in shared.items():
        if count >= SHARED_SHARE * min(len(shapes_by_family[a]), len(shapes_by_family[b])):
            first, second = sorted((root(a), root(b)))
            parent[second] = first
    grouped: dict[str, list[str]] = defaultdict(list)
    for family in sorted(shapes_by_family):
        grouped[root(family)].append(family)
    return sorted(grouped.values())


def assign(groups: Iterable[list[str]], frozen: Mapping[str, Split] | None = None) -> dict[str, Split]:
    """Family -> split for whole clusters. A frozen member decides for its cluster; where frozen
    members disagree, the cluster trains, so that nothing trained on is ever tested. In a small
    dataset, where the hash may hold nothing out, the clusters of least hash take those places.
    """
    frozen = frozen_splits() if frozen is None else frozen
    assigned: dict[str, Split] = {}
    free: list[list[str]] = []  # clusters that train for no better reason than their hash
    for members in groups:
        known = {frozen[family] for family in members if family in frozen}
        if len(known) == 1:
            split = known.pop()
        elif known or len(members) > LARGEST_HELD_OUT:
            split = Split.TRAIN
        else:
            split = hashed_split(members[0])
            if split is Split.TRAIN:
                free.append(members)
        assigned.update(dict.fromkeys(members, split))
    free.sort(key=lambda members: _hash(members[0]))
    for split in (Split.VALIDATION, Split.TEST):
        if split not in assigned.values() and len(free) > 1:
            assigned.update(dict.fromkeys(free.pop(0), split))
    return assigned
