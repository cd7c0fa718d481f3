"""Nearest references by cosine similarity: inner products of unit embeddings, whatever the kind of index."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from glyphs.errors import BadIndex
from glyphs.labels import Label
from index.flat import FlatVectors
from index.inverted import Coded, InvertedVectors
from index.kinds import RECALL, Built, Kind, Tell, nearest, quiet
from index.lookup import Filter, Lookup
from index.references import Reference, References
from index.vectors import FILE, Found, Vectors

__all__ = ["FILE", "Filter", "Neighbour", "ReferenceIndex", "described"]

_DEEPER = 8  # times as many references are looked through, for labels that are not yet there


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A reference and its cosine similarity to what was asked, -1 to 1."""

    reference: Reference
    similarity: float


class ReferenceIndex:
    """Embeddings with their references. `search` may be called from several threads at once."""

    def __init__(self, vectors: Vectors, references: References, built: Built | None = None) -> None:
        """built: what came of building it; None for one that was loaded

        Raises:
            BadIndex: embeddings and references differ in number.
        """
        if len(vectors) != len(references):
            raise BadIndex(f"The index holds {len(vectors)} embeddings for {len(references)} references.")
        self._vectors = vectors
        self.references = references
        self.built = built
        self._lookup = Lookup(references.labels, references.families)
        # No method: a cache that knew `self` would keep an index in memory that nobody uses any more.
        self._allowed = lru_cache(maxsize=64)(self._lookup.allowed)

    @classmethod
    def build(
        cls,
        embeddings: NDArray[np.float32],
        references: References,
        *,
        kind: Kind = Kind.AUTO,
        recall: float = RECALL,
        tell: Tell = quiet,
        coded: Coded | None = None,
    ) -> ReferenceIndex:
        """Index (R, E) unit embeddings.

        recall: least share of the 10 nearest that is to be found, where not everything is looked at;
            where lists do not reach it, AUTO looks at everything
        coded: as of `InvertedVectors.build`

        Raises:
            BadIndex: the kind asked for is not for so few, or does not reach the recall.
        """
        embeddings = np.ascontiguousarray(embeddings, np.float32)
        if len(embeddings) != len(references):
            raise BadIndex(f"There are {len(embeddings)} embeddings for {len(references)} references.")
        vectors: Vectors
        if kind.of(len(embeddings)) is Kind.IVF:
            try:
                vectors, built = InvertedVectors.build(
                    embeddings, references.families, kind, recall, tell, coded
                )
                return cls(vectors, references, built)
            except BadIndex:
                if kind is not Kind.AUTO:
                    raise
        vectors, built = FlatVectors.build(embeddings, references.families, kind, recall)
        return cls(vectors, references, built)

    @property
    def dimension(self) -> int:
        return self._vectors.dimension

    @property
    def embeddings(self) -> NDArray[np.float32]:
        """(R, E) embeddings of the references, as the index holds them."""
        return self._vectors.take()

    def joined(
        self,
        embeddings: NDArray[np.float32],
        references: References,
        *,
        kind: Kind = Kind.AUTO,
        recall: float = RECALL,
        tell: Tell = quiet,
    ) -> ReferenceIndex:
        """With further references, as a new index; kind, recall and tell are those of `build`.

        Where both have one of the same label, family and style, the new one takes the place of the old,
        number included: joining the same once more changes nothing. Lists keep the codes they have until
        there are twice as many references; then all are coded anew.

        Raises:
            BadIndex: their embeddings differ in width; what `build` raises.
        """
        if self.dimension != embeddings.shape[1]:
            raise BadIndex(
                f"The index holds embeddings of {self.dimension} numbers, not {embeddings.shape[1]}.",
                "Build the index anew.",
            )
        both = self.references + references
        # A dictionary keeps a key in the place where it first stood.
        rows = list({key: row for row, key in enumerate(both.keys())}.values())
        coded = None
        if isinstance(self._vectors, InvertedVectors) and not self._vectors.outgrown(len(rows)):
            coded = Coded(self._vectors, np.where(np.less(rows, len(self.references)), rows, -1))
        return ReferenceIndex.build(
            np.concatenate([self.embeddings, embeddings])[rows],
            both.take(rows), kind=kind, recall=recall, tell=tell, coded=coded,
        )  # fmt: skip

    def save(self, folder: Path) -> None:
        """Write the files of the index into a folder that has none of another kind."""
        self._vectors.save(folder)
        self.references.save(folder)

    @classmethod
    def load(cls, folder: Path) -> ReferenceIndex:
        """An index whose embeddings stay in their files, which processes share, until they are asked for.

        Raises:
            BadIndex: a file is missing, broken or does not fit the others.
        """
        references = References.load(folder)
        try:
            index = faiss.read_index(str(folder / FILE), faiss.IO_FLAG_MMAP_IFC)
        except RuntimeError as error:
            raise BadIndex(
                f"The index of {folder} cannot be read: {error}.", "Build the index anew."
            ) from None
        if isinstance(index, faiss.IndexIVFScalarQuantizer):
            return cls(InvertedVectors.load(index, folder), references)
        return cls(FlatVectors(index), references)

    def search(
        self, embeddings: NDArray[np.float32], k: int, only: Filter = Filter(), *, distinct: bool = False
    ) -> list[list[Neighbour]]:
        """The k nearest references of each row of (N, E) unit embeddings, nearest first.

        Fewer than k where the filter leaves fewer.

        distinct: of each label only the nearest, so that k labels are found
        """
        # FAISS's own threads cost ten times what they gain on one query; the setting is per thread.
        faiss.omp_set_num_threads(1)
        queries = np.ascontiguousarray(embeddings)
        most = len(self.references) if only == Filter() else self._allowed(only).count
        depth = min(_DEEPER * k if distinct else k, most)
        while True:
            similarities, numbers = self._found(queries, depth, only)
            found = [
                self._neighbours(row_numbers, row_similarities, distinct)
                for row_numbers, row_similarities in zip(numbers, similarities, strict=True)
            ]
            if not distinct or depth == most or all(len(row) >= k for row in found):
                return [row[:k] for row in found]
            depth = min(_DEEPER * depth, most)

    def _neighbours(
        self, numbers: NDArray[np.int64], similarities: NDArray[np.float32], distinct: bool
    ) -> list[Neighbour]:
        neighbours = [
            Neighbour(self.references[number], similarity)
            for number, similarity in zip(numbers.tolist(), similarities.tolist(), strict=True)
            if number >= 0
        ]
        if not distinct:
            return neighbours
        nearest: dict[Label, Neighbour] = {}
        for neighbour in neighbours:
            nearest.setdefault(neighbour.reference.label, neighbour)
        return list(nearest.values())

    def _found(self, queries: NDArray[np.float32], k: int, only: Filter) -> Found:
        if only == Filter():
            return self._vectors.search(queries, k)
        allowed = self._allowed(only)
        if allowed.count > self._vectors.few:
            return self._vectors.search(queries, k, allowed)
        rows = allowed.rows
        similarities, places = nearest(self._vectors.similar(queries, rows), k)
        return similarities, rows[places]

    def embedding_of(self, label: Label) -> NDArray[np.float32] | None:
        """The label's direction: the mean of its references' embeddings, (1, E), unit; None without any."""
        rows = self._lookup.rows_of(label)
        if not rows.size:
            return None
        mean = self._vectors.take(rows).mean(axis=0, keepdims=True)
        direction: NDArray[np.float32] = mean / np.linalg.norm(mean)
        return direction


def described(neighbours: Iterable[Neighbour], names: Mapping[Label, str]) -> list[dict[str, object]]:
    """Neighbours as clients see them, by HTTP and with `--json`.

    names: of labels that stand for no character
    """
    return [
        {
            **neighbour.reference.label.describe(),
            **({"name": names[label]} if (label := neighbour.reference.label) in names else {}),
            "family": neighbour.reference.family,
            "style": neighbour.reference.style,
            # Embeddings as they are kept are not quite of length 1.
            "similarity": round(min(max(neighbour.similarity, -1.0), 1.0), 6),
            "raster": f"/references/{neighbour.reference.number}.png",
        }
        for neighbour in neighbours
    ]
