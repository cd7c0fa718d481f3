"""The kinds of index, and which one a number of references asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glyphs.errors import BadIndex

RECALL = 0.99  # asked of a kind that does not look at everything, where nothing else is asked
NEIGHBOURS = 10  # for which recall is measured
HELD_OUT = 1_000  # embeddings that recall is measured with
# Up to here a look at everything takes about as long as the rest of a request or less
# (docs/PERFORMANCE.md); it is exact, builds at once and has nothing to tune.
LARGEST_FLAT = 100_000
_TIE = 1e-6  # of similarities: what rounding alone may change


# What is being done, how many references are done, and how many there are.
Tell = Callable[[str, int, int], None]


def quiet(doing: str, done: int, total: int) -> None:
    """Tells nobody."""


class Kind(StrEnum):
    """How embeddings are kept and searched."""

    AUTO = "auto"  # by how many there are
    FLAT = "flat"  # index.flat: float16, every one is looked at
    IVF = "ivf"  # index.inverted: lists around centroids, a few of which are looked at; two layers of codes

    def of(self, count: int) -> Kind:
        """The kind itself; for AUTO the one that `count` references ask for."""
        if self is not Kind.AUTO:
            return self
        return Kind.FLAT if count <= LARGEST_FLAT else Kind.IVF


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What was asked of an index, and what came of it: the manifest's entry `index`.

    asked: the kind asked for, perhaps AUTO; kind: the one that was made
    asked_recall: the least recall that parameters were chosen for
    recall: share of the 10 nearest that are found, over `queries` embeddings of families that were not in the
        index when it was measured; None where there were too few to measure
    parameters: of the search, by name
    bytes_per_reference: of the files, and of what is added in memory when they are loaded; pictures and
        names not counted
    """

    asked: Kind
    kind: Kind
    references: int
    asked_recall: float
    recall: float | None
    queries: int
    parameters: Mapping[str, int]
    bytes_per_reference: float

    def described(self) -> dict[str, Any]:
        return asdict(self)


def asked_before(described: Mapping[str, Any]) -> tuple[Kind, float]:
    """The kind and recall that a manifest's entry says were asked; of none, the defaults.

    Raises:
        BadIndex: the entry says something else.
    """
    try:
        return Kind(described.get("asked", Kind.AUTO)), float(described.get("asked_recall", RECALL))
    except (TypeError, ValueError) as error:
        raise BadIndex(
            f"The manifest's entry on the index is broken: {error}.", "Name --type and --recall."
        ) from None


def held_out(families: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """What recall is measured with, as of families that the index does not know.

    families: of each reference
    Returns:
        The rows of whole families, drawn at random, that make up to a tenth of all; and among them up to
        HELD_OUT rows to ask for, each family as likely as any other, for of large ones much is alike. Both
        ascending. Of references that are all of few families, any tenth.
    """
    numbers: dict[str, int] = {}
    family = np.array([numbers.setdefault(name, len(numbers)) for name in families], np.int64)
    rng = np.random.default_rng(0)
    sizes = np.bincount(family, minlength=len(numbers))
    most, taken = len(family) // 10, 0
    chosen = np.zeros(len(numbers), bool)
    for number in rng.permutation(len(numbers)):
        if taken + sizes[number] <= most:
            chosen[number] = True
            taken += sizes[number]
    rows = np.flatnonzero(chosen[family]) if taken >= most // 2 else rng.permutation(len(family))[:most]
    if not len(rows):
        return rows, rows
    weights = 1 / sizes[family[rows]]
    asked = rng.choice(rows, min(HELD_OUT, len(rows)), replace=False, p=weights / weights.sum())
    return np.sort(rows), np.sort(asked)


def nearest(similar: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The k greatest of each row of (N, R), greatest first: (N, k) values and columns; k is cut to R."""
    k = min(k, similar.shape[1])
    near = np.argpartition(-similar, k - 1, axis=1)[:, :k] if k else np.empty((len(similar), 0), np.int64)
    values = np.take_along_axis(similar, near, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    return np.take_along_axis(values, order, axis=1), np.take_along_axis(near, order, axis=1)


def exact(
    queries: NDArray[np.float32], embeddings: NDArray[np.float32], k: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The k nearest rows of (R, E) embeddings to each of (N, E) queries: (N, k) inner products and rows."""
    step = max(1, 50_000_000 // max(1, len(embeddings)))  # 200 MB of similarities at once
    parts = [
        nearest(queries[start : start + step] @ embeddings.T, k)
        for start in range(0, max(1, len(queries)), step)
    ]
    return np.concatenate([values for values, _ in parts]), np.concatenate([rows for _, rows in parts])


def recall(
    queries: NDArray[np.float32],
    embeddings: NDArray[np.float32],
    truth: NDArray[np.float32],
    found: NDArray[np.int64],
) -> float:
    """Share of the nearest that are found.

    A row counts as one of the nearest if it is at least as similar as the last of them: of glyphs that are
    drawn alike in many fonts, any will do (the recall of Aumüller et al., "ANN-Benchmarks", 2020, whose
    allowance for rounding is a thousandth; here it is a millionth).

    truth: (N, k) the similarities of the k nearest
    found: (N, k) rows of the embeddings, (R, E), that a search gave for the queries, (N, E); -1 for none
    """
    rows = embeddings[found]  # of -1 the last, not counted below
    similar = np.einsum("nke,ne->nk", rows, queries)
    return float(((similar >= truth[:, -1:] - _TIE) & (found >= 0)).mean())
