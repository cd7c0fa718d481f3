"""Figures of one load, and what several repeats of it say together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.serving.load import Outcome

Figures = dict[str, Any]
_PERCENTILES = (50, 90, 99)


def percentiles(values: Sequence[float]) -> Figures:
    """p50, p90 and p99; None of nothing."""
    if not len(values):
        return {f"p{rank}": None for rank in _PERCENTILES}
    found = np.percentile(values, _PERCENTILES)
    return {f"p{rank}": float(value) for rank, value in zip(_PERCENTILES, found, strict=True)}


def summary(outcome: Outcome, glyphs: int = 1, wrong: int = 0) -> Figures:
    """An outcome in numbers; times in milliseconds.

    glyphs: of each request; rates are of glyphs
    wrong: answers of the sample that do not say what they should
    """
    return {
        "rate": glyphs * len(outcome.accepted) / outcome.seconds,
        "requests": outcome.asked,
        "accepted": len(outcome.accepted),
        **percentiles(outcome.accepted),
        "refused": len(outcome.refused),
        "refusal": percentiles(outcome.refused),
        "failed": dict(outcome.failed),
        "departed": outcome.departed,
        "checked": len(outcome.sample),
        "wrong": wrong,
        "lateness": percentiles(outcome.lateness),
        "generator": outcome.busy,
        "seconds": outcome.seconds,
    }


def count_wrong(
    outcome: Outcome, read: Callable[[bytes], Sequence[str]], expected: Sequence[Sequence[str]]
) -> int:
    """How many answers of the sample do not name the labels expected of their requests."""

    def right(number: int, body: bytes) -> bool:
        try:
            return list(read(body)) == list(expected[number])
        except (ValueError, LookupError, TypeError):
            return False

    return sum(not right(number, body) for number, body in outcome.sample)


def spread(values: Sequence[float]) -> Figures:
    """Median and quartiles of repeats."""
    low, median, high = np.percentile(values, (25, 50, 75))
    return {"median": float(median), "low": float(low), "high": float(high)}
