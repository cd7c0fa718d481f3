"""Embeddings as float16, every one looked at: exact but for rounding."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from index.kinds import NEIGHBOURS, Built, Kind, exact, held_out, recall
from index.lookup import Allowed
from index.vectors import FILE, Found


class FlatVectors:
    """A scalar quantiser of FAISS; see `index.vectors.Vectors`."""

    def __init__(self, index: faiss.IndexScalarQuantizer) -> None:
        self._index = index

    @classmethod
    def build(
        cls, embeddings: NDArray[np.float32], families: Sequence[str], asked: Kind, asked_recall: float
    ) -> tuple[FlatVectors, Built]:
        """Of (R, E) unit embeddings and their families, and how near to exact it is."""
        withheld, asking = held_out(families)
        found = None
        if len(asking):
            others, queries = np.delete(embeddings, withheld, axis=0), embeddings[asking]
            truth, _ = exact(queries, others, NEIGHBOURS)
            _, numbers = cls(_filled(others)).search(queries, truth.shape[1])
            found = recall(queries, others, truth, numbers)
        return cls(_filled(embeddings)), Built(
            asked=asked, kind=Kind.FLAT, references=len(embeddings), asked_recall=asked_recall,
            recall=found, queries=len(asking), parameters={}, bytes_per_reference=2.0 * embeddings.shape[1],
        )  # fmt: skip

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def dimension(self) -> int:
        return int(self._index.d)

    @property
    def few(self) -> int:
        # FAISS passes over a hundred rows in the time that it takes to fetch one (docs/PERFORMANCE.md).
        return len(self) // 100

    def take(self, rows: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
        # FAISS's own memory: its `reconstruct_batch` takes twenty times as long.
        codes = faiss.rev_swig_ptr(self._index.codes.data(), 2 * len(self) * self.dimension)
        stored = codes.view(np.float16).reshape(len(self), self.dimension)
        taken: NDArray[np.float32] = (stored if rows is None else stored[rows]).astype(np.float32)
        return taken

    def similar(self, queries: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return queries @ self.take(rows).T

    def search(self, queries: NDArray[np.float32], k: int, allowed: Allowed | None = None) -> Found:
        parameters = allowed and faiss.SearchParameters(sel=faiss.IDSelectorBitmap(allowed.bits))
        similarities, numbers = self._index.search(queries, k, params=parameters)
        return similarities, numbers

    def save(self, folder: Path) -> None:
        faiss.write_index(self._index, str(folder / FILE))


def _filled(embeddings: NDArray[np.float32]) -> faiss.IndexScalarQuantizer:
    index = faiss.IndexScalarQuantizer(
        embeddings.shape[1], faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    index.train(embeddings)
    index.add(embeddings)
    return index
