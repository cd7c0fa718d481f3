"""The same work without a server: ONNX Runtime in processes of its own, as fast as it will go.

Inference alone on rasters that are there already, and with the reading of the pictures before it; each
at the batch size and with the arrangement of processes and threads that were best in a trial. Threads of
one process take turns where the reading needs Python's lock, processes do not.
"""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.serving.peers.work import session
from glyphs.picture import read_picture
from recognition.bundle import IMAGE, LOGITS, METRICS, Bundle

BATCHES = (1, 4, 8, 16, 32)
_others: threading.Barrier


@dataclass(frozen=True, slots=True)
class Arrangement:
    """How many processes there are, how many threads of each ask its one session, how many threads of
    its own that has for a call, and how many glyphs each asks about at once.
    """

    processes: int
    askers: int
    threads: int
    batch: int


ONE_BY_ONE = Arrangement(processes=1, askers=1, threads=1, batch=1)  # as for a caller who waits for each


def arrangements(cores: int) -> list[Arrangement]:
    """What is tried."""
    shapes = dict.fromkeys([(1, cores, 1), (1, 1, cores), (cores, 1, 1)])
    return [Arrangement(*shape, batch) for shape in shapes for batch in BATCHES]


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
    found: dict[Arrangement, float] = {}
    context = multiprocessing.get_context("spawn")
    for count in {of.processes for of in arrangements}:
        some = [of for of in arrangements if of.processes == count]
        with ProcessPoolExecutor(count, context, _join, (context.Barrier(count),)) as pool:
            shares = [pool.submit(_rates, bundle, some, seconds, rasters, pictures) for _ in range(count)]
            rows = zip(*(share.result() for share in shares), strict=True)
            found |= zip(some, map(sum, rows), strict=True)
    return [found[of] for of in arrangements]


def _join(others: threading.Barrier) -> None:
    """In each process: those it measures together with."""
    global _others
    _others = others


def _rates(
    bundle: Path,
    arrangements: Sequence[Arrangement],
    seconds: float,
    rasters: NDArray[np.uint8],
    pictures: Sequence[bytes] | None,
) -> list[float]:
    """The share of one process."""
    loaded = Bundle.load(bundle)
    settings = loaded.manifest.raster
    sessions = {threads: session(loaded.model, threads) for threads in {of.threads for of in arrangements}}

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
    spans: list[tuple[float, float, int]] = []

    def work() -> None:
        began, done = time.perf_counter(), 0
        while time.perf_counter() < began + seconds:
            ask(done)
            done += arrangement.batch
        spans.append((began, time.perf_counter(), done))

    ask(0)
    _others.wait()
    askers = [threading.Thread(target=work) for _ in range(arrangement.askers)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    began, ended, done = zip(*spans, strict=True)
    return float(sum(done) / (max(ended) - min(began)))
