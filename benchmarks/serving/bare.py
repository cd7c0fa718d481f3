"""The same work without a server: ONNX Runtime in a process of its own, as fast as it will go.

Inference alone on rasters that are there already, and with the reading of the pictures before it; each
at the batch size and with the arrangement of threads that were best in a trial.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.serving.peers.work import session
from glyphs.picture import read_picture
from recognition.bundle import IMAGE, LOGITS, METRICS, Bundle

BATCHES = (1, 4, 8, 16, 32)


@dataclass(frozen=True, slots=True)
class Arrangement:
    """How many threads ask the one session, how many of its own it has for a call, and how much is asked."""

    askers: int
    threads: int
    batch: int

    def __str__(self) -> str:
        return f"{self.askers} askers x {self.threads} threads, batch {self.batch}"


def arrangements(cores: int) -> list[Arrangement]:
    """What is tried."""
    shapes = dict.fromkeys([(cores, 1), (1, cores)])
    return [Arrangement(askers, threads, batch) for askers, threads in shapes for batch in BATCHES]


def rates(
    bundle: Path,
    arrangements: Sequence[Arrangement],
    seconds: float,
    rasters: NDArray[np.uint8],
    pictures: Sequence[bytes] | None = None,
) -> list[float]:
    """Glyphs a second with each arrangement.

    rasters: (N, S, S)
    pictures: N, where each is to be read instead
    """
    settings = Bundle.load(bundle).manifest.raster
    sessions = {threads: session(bundle, threads) for threads in {of.threads for of in arrangements}}

    def asking(arrangement: Arrangement) -> Callable[[int], None]:
        asked = sessions[arrangement.threads]
        unknown = np.full((arrangement.batch, 4), np.nan, np.float32)

        def ask(start: int) -> None:
            rows = [(start + step) % len(rasters) for step in range(arrangement.batch)]
            if pictures is None:
                some = rasters[rows]
            else:
                some = np.stack([read_picture(pictures[row], settings) for row in rows])
            asked.run([LOGITS], {IMAGE: some[:, None], METRICS: unknown})

        return ask

    return [_rate(asking(arrangement), arrangement, seconds) for arrangement in arrangements]


def _rate(ask: Callable[[int], None], arrangement: Arrangement, seconds: float) -> float:
    """ask: for a batch, which begins at some raster"""
    barrier = threading.Barrier(arrangement.askers)
    spans: list[tuple[float, float, int]] = []

    def work() -> None:
        ask(0)
        barrier.wait()
        began, done = time.perf_counter(), 0
        while time.perf_counter() < began + seconds:
            ask(done)
            done += arrangement.batch
        spans.append((began, time.perf_counter(), done))

    askers = [threading.Thread(target=work) for _ in range(arrangement.askers)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    began, ended, done = zip(*spans, strict=True)
    return float(sum(done) / (max(ended) - min(began)))
