"""What every part of a run works with."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

from benchmarks.serving.load import Generator

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much is measured.

    pictures: that are asked, round and round
    seconds: of a round; trial: of a round while settings are chosen
    repeats: of every round
    overload: seconds of overload
    requests: after which memory is looked at for the last time
    swaps: of the model under load
    references: in the index that is searched
    """

    pictures: int = 256
    seconds: float = 5.0
    trial: float = 2.0
    repeats: int = 5
    overload: float = 60.0
    requests: int = 100_000
    swaps: int = 20
    references: int = 50_000

    @property
    def warm_up(self) -> float:
        """Seconds that a server is asked before it is measured."""
        return min(1.0, self.seconds / 2)


QUICK = Extent(pictures=64, seconds=1.0, trial=0.5, repeats=2, overload=5.0, requests=2_000, swaps=4)


@dataclass(frozen=True, slots=True)
class Workshop:
    """The generator of loads, a folder for logs, bundles and environments, and how much is measured."""

    generator: Generator
    folder: Path
    extent: Extent

    def log(self, name: str) -> Path:
        """Where a server's own words go."""
        return self.folder / "logs" / f"{name}.log"


def alone(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Have something done in a fresh process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *args, **kwargs).result()
