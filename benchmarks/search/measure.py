"""Recall and rates of contestants, in turns, on one thread.

Rates are by the processor time of the searching thread: on a machine that does other things, too, the wall
clock measures those. Contestants take turns in every round, and ratios are taken within a round.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from benchmarks.search.contestants import EXACT, Contestant
from index.inverted import InvertedVectors
from index.kinds import NEIGHBOURS, recall
from index.lookup import Allowed

BATCHES = (1, 32)
_LEAST_SECONDS = 0.1  # of one timing


def measured(
    contestants: Sequence[Contestant],
    base: NDArray[np.float32],
    queries: NDArray[np.float32],
    truth: NDArray[np.float32],
    rounds: int,
) -> list[dict[str, Any]]:
    """A row for each setting of each contestant; the first contestant must be exact search.

    truth: (N, 10) similarities of the nearest to each query
    """
    faiss.omp_set_num_threads(1)
    each = [(contestant, setting) for contestant in contestants for setting in contestant.settings]
    times = {(number, batch): [] for number in range(len(each)) for batch in BATCHES}  # type: ignore[var-annotated]
    for turn in range(rounds):
        for batch in BATCHES:
            for number, (contestant, setting) in enumerate(each):
                start = turn * 61 % (len(queries) - batch)
                times[number, batch].append(_seconds(contestant, setting, queries[start:], batch))
    rows = []
    for number, (contestant, setting) in enumerate(each):
        _, found = contestant.search(queries, NEIGHBOURS, setting)
        row: dict[str, Any] = {
            "name": contestant.name, "setting": contestant.setting, "value": setting,
            "chosen": setting == contestant.chosen, "recall": recall(queries, base, truth, found),
            "bytes": contestant.bytes_per_vector, "build_seconds": contestant.build_seconds,
        }  # fmt: skip
        for batch in BATCHES:
            ours = times[number, batch]
            row[f"rate_{batch}"] = 1 / median(ours)
            row[f"ratio_{batch}"] = median(
                peer / own for peer, own in zip(times[0, batch], ours, strict=True)
            )
        rows.append(row)
    assert rows[0]["name"] == EXACT
    return rows


def _seconds(contestant: Contestant, setting: int, queries: NDArray[np.float32], batch: int) -> float:
    """Processor seconds a query, over whole batches for at least a while."""
    contestant.search(queries[:batch], NEIGHBOURS, setting)
    done, began = 0, time.thread_time()
    while (spent := time.thread_time() - began) < _LEAST_SECONDS or not done:
        start = done % max(1, len(queries) - batch)
        contestant.search(queries[start : start + batch], NEIGHBOURS, setting)
        done += batch
    return spent / done


def filtered(
    vectors: InvertedVectors,
    base: NDArray[np.float32],
    queries: NDArray[np.float32],
    filters: Sequence[tuple[str, NDArray[np.bool_]]],
) -> list[dict[str, Any]]:
    """What filters cost: a look at just the rows they leave, and a search in lists, one query at a time."""
    faiss.omp_set_num_threads(1)
    plain = _each(partial(vectors.search, k=NEIGHBOURS), queries)
    rows = []
    for name, mask in filters:
        allowed = Allowed.of(mask)
        left = np.flatnonzero(mask)
        similar = queries @ base[left].T
        truth = -np.sort(-similar, axis=1)[:, :NEIGHBOURS]
        vectors.search(queries[:1], NEIGHBOURS, allowed)  # counts what each list has, once a filter
        found = np.concatenate(
            [vectors.search(queries[row : row + 1], NEIGHBOURS, allowed)[1] for row in range(len(queries))]
        )
        rows.append({
            "filter": name, "rows": len(left),
            "just_these": _each(partial(vectors.similar, rows=left), queries) / plain,
            "in_lists": _each(partial(vectors.search, k=NEIGHBOURS, allowed=allowed), queries) / plain,
            "recall_in_lists": recall(queries, base, truth, found[:, : truth.shape[1]]),
        })  # fmt: skip
    return rows


def _each(work: Callable[[NDArray[np.float32]], object], queries: NDArray[np.float32]) -> float:
    """Median processor seconds of a query alone."""
    times = []
    for row in range(len(queries)):
        began = time.thread_time()
        work(queries[row : row + 1])
        times.append(time.thread_time() - began)
    return median(times)
