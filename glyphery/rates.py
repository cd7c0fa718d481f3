"""Measuring how fast things are, side by side: rounds follow one another, and medians are told.

Each round runs everything for a while, so that whatever else the machine does falls on all alike, and
ratios of one run mean more than its numbers.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import truediv


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Something to measure.

    group, name: what it is; bundle: which one it is about, or empty; threads: that it uses
    unit: of its rate, which is `items` a second over how long `run` takes
    """

    group: str
    name: str
    unit: str
    items: float
    run: Callable[[], object]
    threads: int = 1
    bundle: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How fast something is: the median of its rounds, with the slowest and the fastest.

    share: of what the machine can do at most, where that is known
    beside: how many times as fast it is as the same of the first bundle, the median of the rounds' ratios
    """

    group: str
    name: str
    unit: str
    threads: int
    bundle: str
    median: float
    low: float
    high: float
    share: float | None = None
    beside: float | None = None


def measure(
    works: Sequence[Work], seconds: float, rounds: int, tell: Callable[[int], object] = lambda done: None
) -> list[Rate]:
    """The rates of some work, in its order but for what is the same of several bundles, which comes together.

    seconds: that each work is run, once a round at least; tell: of how many rounds are done
    """
    order = list(dict.fromkeys(map(_kind, works)))
    works = sorted(works, key=lambda work: order.index(_kind(work)))
    repeats = []
    for work in works:
        work.run()  # what is made only once is made now
        once = _took(work, 1)
        repeats.append(max(1, round(seconds / rounds / max(once, 1e-9))))
    found: list[list[float]] = [[] for _ in works]
    for number in range(rounds):
        tell(number)
        for work, times, rates in zip(works, repeats, found, strict=True):
            rates.append(work.items * times / _took(work, times))
    tell(rounds)
    firsts: dict[tuple[str, str, int], list[float]] = {}
    for work, rates in zip(works, found, strict=True):
        firsts.setdefault(_kind(work), rates)
    return [
        Rate(
            group=work.group, name=work.name, unit=work.unit, threads=work.threads, bundle=work.bundle,
            median=statistics.median(rates), low=min(rates), high=max(rates),
            beside=None if rates is first else statistics.median(map(truediv, rates, first)),
        )
        for work, rates in zip(works, found, strict=True)
        for first in [firsts[_kind(work)]]
    ]  # fmt: skip


def _kind(work: Work) -> tuple[str, str, int]:
    """What works on several bundles have in common where they do the same."""
    return work.group, work.name, work.threads


def _took(work: Work, times: int) -> float:
    start = time.perf_counter()
    for _ in range(times):
        work.run()
    return max(time.perf_counter() - start, 1e-9)
