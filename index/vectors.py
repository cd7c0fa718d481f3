"""What every kind of index can do, whatever it keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from index.lookup import Allowed

FILE = "index.faiss"
# (N, k) float32 similarities and (N, k) int64 row numbers, nearest first; -1 where there is none
Found = tuple[NDArray[np.float32], NDArray[np.int64]]


class Vectors(Protocol):
    """R unit embeddings of E numbers. May be searched from several threads at once."""

    def __len__(self) -> int: ...

    @property
    def dimension(self) -> int:
        """E."""

    @property
    def few(self) -> int:
        """Up to how many rows `similar` is quicker than a search that is told which rows count."""

    def take(self, rows: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
        """(N, E) float32 embeddings of these rows as they are kept, of all where None."""

    def similar(self, queries: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """(N, len(rows)) inner products of (N, E) queries with the embeddings of these rows."""

    def search(self, queries: NDArray[np.float32], k: int, allowed: Allowed | None = None) -> Found:
        """The k nearest of each row of (N, E) contiguous unit queries, on the calling thread alone.

        allowed: which rows count; all where None
        """

    def save(self, folder: Path) -> None:
        """Write FILE, and what else the kind keeps, into a folder."""
