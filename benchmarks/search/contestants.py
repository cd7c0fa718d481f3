"""What is searched: exact search, the kinds of `index`, and FAISS's own types beside them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import faiss
import numpy as np
from numpy.typing import NDArray

from index.flat import FlatVectors
from index.inverted import InvertedVectors
from index.kinds import Kind, quiet
from index.vectors import Found

EXACT = "exact: flat, float32"
_TRAINING = 64  # embeddings for each centroid, as `index.inverted` takes


@dataclass(frozen=True, slots=True)
class Contestant:
    """An index that can be searched with one of a few settings, or with none (0).

    setting: what the settings set
    chosen: the setting that building chose, where it does
    """

    name: str
    setting: str
    settings: tuple[int, ...]
    search: Callable[[NDArray[np.float32], int, int], Found]  # queries, k, setting
    bytes_per_vector: float
    build_seconds: float
    chosen: int = 0


def exact_search(base: NDArray[np.float32]) -> Contestant:
    """The peer: every float32 is looked at; batches by a matrix product (BLAS), as FAISS does."""
    index = faiss.IndexFlatIP(base.shape[1])
    seconds = _timed(lambda: index.add(base))
    return Contestant(EXACT, "", (0,), lambda q, k, _: index.search(q, k), 4.0 * base.shape[1], seconds)


def ours_flat(base: NDArray[np.float32], families: Sequence[str]) -> Contestant:
    began = time.process_time()
    vectors, built = FlatVectors.build(base, families, Kind.FLAT, 0.0)
    seconds = time.process_time() - began
    return Contestant(
        "glyphery flat", "", (0,), lambda q, k, _: vectors.search(q, k), built.bytes_per_reference, seconds
    )


def ours_ivf(
    base: NDArray[np.float32], families: Sequence[str], recall: float
) -> tuple[Contestant, InvertedVectors, float]:
    """With the index itself, and the recall that building measured."""
    began = time.process_time()
    vectors, built = InvertedVectors.build(base, families, Kind.IVF, recall, quiet)
    seconds = time.process_time() - began
    chosen = built.parameters["probes"]
    settings = sorted({max(1, round(chosen * factor)) for factor in (0.25, 0.5, 1, 1.5, 2, 3, 4, 6)})

    def search(queries: NDArray[np.float32], k: int, probes: int) -> Found:
        vectors._index.nprobe = probes
        return vectors.search(queries, k)

    contestant = Contestant(
        "glyphery ivf", "probes", tuple(settings), search, built.bytes_per_reference, seconds, chosen
    )
    assert built.recall is not None
    return contestant, vectors, built.recall


def faiss_type(
    base: NDArray[np.float32], factory: str, setting: str, settings: tuple[int, ...]
) -> Contestant:
    """An index of FAISS's factory, `{lists}` in its name filled in."""
    name = factory.format(lists=round(4 * len(base) ** 0.5))
    index = faiss.index_factory(base.shape[1], name, faiss.METRIC_INNER_PRODUCT)
    inner = faiss.downcast_index(index.base_index) if isinstance(index, faiss.IndexRefine) else index
    if isinstance(inner, faiss.IndexIVF):
        inner.cp.max_points_per_centroid = _TRAINING

    def fill() -> None:
        index.train(base)
        index.add(base)

    seconds = _timed(fill)

    def search(queries: NDArray[np.float32], k: int, value: int) -> Found:
        if isinstance(index, faiss.IndexRefine):
            index.k_factor = 10
        setattr(inner if setting == "nprobe" else inner.hnsw, setting, value)
        found: Found = index.search(queries, k)
        return found

    size = len(faiss.serialize_index(index)) / len(base)
    return Contestant(f"FAISS {name}", setting, settings, search, size, seconds)


_PROBES = (4, 8, 16, 32, 64, 128, 256)
BESIDE: tuple[tuple[str, str, tuple[int, ...]], ...] = (
    ("IVF{lists},SQ8", "nprobe", _PROBES),
    ("IVF{lists},PQ32x4fs,Refine(SQ8)", "nprobe", _PROBES),
    ("HNSW16,SQ8", "efSearch", (16, 32, 64, 128, 256, 512)),
)


def _timed(work: Callable[[], object]) -> float:
    """Seconds of processor time, of all threads."""
    began = time.process_time()
    work()
    return time.process_time() - began
