"""Does training know what is asked? By name, by outline, and by looks.

A family's share of near duplicates is that of its glyphs which some training family draws nearly alike:
rasters of 32 x 32 of the same label whose relative difference, sum |a - b| / sum max(a, b), is below 0.05.
Dots and bars are alike in all fonts; a family that is another under a new name is alike nearly throughout.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.glyphs.asked import Asked
from benchmarks.glyphs.baselines import SMALL
from glyphs.dataset.store import GlyphTable
from glyphs.splits import Split, frozen_splits

NEAR = 0.05  # relative difference of two rasters
FLAGGED = 0.5  # share of a family's glyphs
GLYPHS = 200  # of each family
_CHUNK = 20_000  # training shapes drawn at once

Sums = NDArray[np.int64]


def families_in_two_splits(families: Sequence[tuple[int, str, Split, str | None]]) -> list[list[str]]:
    """Names that differ in case, spaces and punctuation alone, yet lie in different splits of the dataset,
    or of the frozen list.
    """
    splits: dict[str, set[Split]] = defaultdict(set)
    names: dict[str, set[str]] = defaultdict(set)
    for name, split in [*((name, split) for _, name, split, _ in families), *frozen_splits().items()]:
        plain = "".join(c for c in name.casefold() if c.isalnum()) or name
        splits[plain].add(split)
        names[plain].add(name)
    return [sorted(names[plain]) for plain, of in sorted(splits.items()) if len(of) > 1]


def leaks(asked: Asked, progress: Callable[[int, int], None] = lambda *_: None) -> dict[str, Any]:
    """The three checks; `near_duplicates` has a row for each family of the split, highest share first.

    progress: is told how many training shapes are done, and of how many
    """
    source = asked.source
    every = asked.among(source.table(asked.split))
    # Glyphs of excluded families are not trained on, but an outline of theirs must not be asked either.
    train = source.table(Split.TRAIN, excluded=True)
    names = {number: name for number, name, _, _ in source.families()}
    used = np.array([number for number, _, _, excluded in source.families() if excluded is None])
    return {
        "families": len(np.unique(every.family)),
        "families_in_two_splits": families_in_two_splits(source.families()),
        "shared_outlines": int(np.isin(every.shape, train.shape).sum()),
        "near_duplicates": _near_duplicates(
            asked, every.some(GLYPHS, "family"), train.take(np.isin(train.family, used)), names, progress
        ),
    }


def _near_duplicates(
    asked: Asked,
    some: GlyphTable,
    train: GlyphTable,
    names: dict[int, str],
    progress: Callable[[int, int], None],
) -> list[dict[str, Any]]:
    shapes = asked.source.shapes(some.shape.tolist())
    rasters = shapes.draw_all(some.shape, SMALL).reshape(len(some), -1).astype(np.int16)
    rows_of = {int(label): np.flatnonzero(some.label == label) for label in np.unique(some.label)}
    train = train.take(np.isin(train.label, some.label))
    # A shape that several fonts of one family share is looked at once for each of its labels.
    keys = np.unique(np.stack([train.shape, train.label, train.family], axis=1), axis=0)
    kin: dict[int, set[int]] = defaultdict(set)  # asked row -> training families that draw it nearly alike
    for start in range(0, len(keys), _CHUNK):
        part = keys[start : start + _CHUNK]
        drawn, of = np.unique(part[:, 0], return_inverse=True)
        with_ids = asked.source.shapes(drawn.tolist())
        others = with_ids.draw_all(drawn, SMALL).reshape(len(drawn), -1).astype(np.int16)
        for label in np.unique(part[:, 1]):
            of_label = np.flatnonzero(part[:, 1] == label)
            asked_rows = rows_of[int(label)]
            for one, other in near_pairs(rasters[asked_rows], others[of[of_label]]):
                kin[int(asked_rows[one])].add(int(part[of_label[other], 2]))
        progress(start + len(part), len(keys))
    found = []
    for family in np.unique(some.family):
        rows = np.flatnonzero(some.family == family)
        alike = [kin[int(row)] for row in rows if kin.get(int(row))]
        nearest = Counter(other for families in alike for other in families).most_common(1)
        found.append(
            {
                "family": names[int(family)],
                "glyphs": len(rows),
                "share": len(alike) / len(rows),
                "nearest": names[nearest[0][0]] if nearest else None,
                "nearest_share": nearest[0][1] / len(rows) if nearest else 0.0,
                "flagged": len(alike) / len(rows) > FLAGGED,
            }
        )
    return sorted(found, key=lambda row: (-row["share"], row["family"]))


def near_pairs(first: NDArray[np.int16], second: NDArray[np.int16]) -> list[tuple[int, int]]:
    """Rows of (A, P) and (B, P) whose relative difference is below `NEAR`.

    sum max(a, b) is half of sum a + sum b + sum |a - b|, and sum |a - b| is at least the difference of the
    sums: most pairs are told apart by their sums alone.
    """
    one, other = (rows.sum(axis=1, dtype=np.int64) for rows in (first, second))
    least = np.abs(one[:, None] - other)
    a, b = np.nonzero(_relative(least, one[:, None], other) < NEAR)
    near: list[tuple[int, int]] = []
    for start in range(0, len(a), _CHUNK):
        some, others = a[start : start + _CHUNK], b[start : start + _CHUNK]
        difference = np.abs(first[some] - second[others]).sum(axis=1, dtype=np.int64)
        close = _relative(difference, one[some], other[others]) < NEAR
        near += zip(some[close].tolist(), others[close].tolist(), strict=True)
    return near


def _relative(difference: Sums, one: Sums, other: Sums) -> NDArray[np.float64]:
    """Sum |a - b| over sum max(a, b)."""
    out: NDArray[np.float64] = 2 * difference / np.maximum(one + other + difference, 1)
    return out
