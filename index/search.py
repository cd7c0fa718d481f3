"""Nearest references by cosine similarity: FAISS inner product over unit embeddings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from glyphs.errors import BadIndex
from glyphs.labels import Label
from index.references import Reference, References

FILE = "index.faiss"


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A reference and its cosine similarity to what was asked, -1 to 1."""

    reference: Reference
    similarity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which references count: of these scripts (ISO 15924), of these families, not of these labels.

    Empty means no restriction.
    """

    scripts: frozenset[str] = frozenset()
    families: frozenset[str] = frozenset()
    without: frozenset[Label] = frozenset()


class ReferenceIndex:
    """A FAISS index with its references. `search` may be called from several threads at once."""

    def __init__(self, index: faiss.Index, references: References) -> None:
        """Raises BadIndex where index and references differ in number."""
        if index.ntotal != len(references):
            raise BadIndex(f"The index holds {index.ntotal} embeddings for {len(references)} references.")
        self._index = index
        self.references = references
        self._labels = np.array([str(label) for label in references.labels])
        scripts = np.array([label.character.script for label in references.labels])
        make_mask = partial(_make_mask, scripts, np.array(references.families), self._labels)
        # No method: a cache that knew `self` would keep an index in memory that nobody uses any more.
        self._mask = lru_cache(maxsize=64)(make_mask)

    @classmethod
    def build(cls, embeddings: NDArray[np.float32], references: References) -> ReferenceIndex:
        """Index (R, E) unit embeddings. Kept as float16: half the size, the same neighbours."""
        index = faiss.IndexScalarQuantizer(
            embeddings.shape[1], faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
        )
        index.train(embeddings)
        index.add(np.ascontiguousarray(embeddings))
        return cls(index, references)

    @property
    def dimension(self) -> int:
        return int(self._index.d)

    @property
    def embeddings(self) -> NDArray[np.float32]:
        """(R, E) embeddings of the references, as the index holds them."""
        stored: NDArray[np.float32] = self._index.reconstruct_n(0, len(self.references))
        return stored

    def joined(self, others: ReferenceIndex) -> ReferenceIndex:
        """The references of both, as a new index.

        Where both have one of the same label, family and style, the other's takes the place of this
        one's, number included: joining the same once more changes nothing.

        Raises:
            BadIndex: their embeddings differ in width.
        """
        if self.dimension != others.dimension:
            raise BadIndex(
                f"The index holds embeddings of {self.dimension} numbers, not {others.dimension}.",
                "Build the index anew.",
            )
        references = self.references + others.references
        # A dictionary keeps a key in the place where it first stood.
        rows = list({key: row for row, key in enumerate(references.keys())}.values())
        embeddings = np.concatenate([self.embeddings, others.embeddings])
        return ReferenceIndex.build(embeddings[rows], references.take(rows))

    def save(self, folder: Path) -> None:
        faiss.write_index(self._index, str(folder / FILE))
        self.references.save(folder)

    @classmethod
    def load(cls, folder: Path) -> ReferenceIndex:
        """Raises BadIndex where a file is missing, broken or does not fit the other."""
        references = References.load(folder)
        try:
            index = faiss.read_index(str(folder / FILE))
        except RuntimeError as error:
            raise BadIndex(
                f"The index of {folder} cannot be read: {error}.", "Build the index anew."
            ) from None
        return cls(index, references)

    def search(
        self, embeddings: NDArray[np.float32], k: int, only: Filter = Filter()
    ) -> list[list[Neighbour]]:
        """The k nearest references of each row of (N, E) unit embeddings, nearest first.

        Fewer than k where the filter leaves fewer.
        """
        # FAISS's own threads cost ten times what they gain on one query; the setting is per thread.
        faiss.omp_set_num_threads(1)
        parameters = None
        if only != Filter():
            bits = self._mask(only)
            parameters = faiss.SearchParameters(sel=faiss.IDSelectorBitmap(bits))
        k = min(k, len(self.references))
        similarities, numbers = self._index.search(np.ascontiguousarray(embeddings), k, params=parameters)
        return [
            [
                Neighbour(self.references[int(number)], float(similarity))
                for number, similarity in zip(row_numbers, row_similarities, strict=True)
                if number >= 0
            ]
            for row_numbers, row_similarities in zip(numbers, similarities, strict=True)
        ]

    def embedding_of(self, label: Label) -> NDArray[np.float32] | None:
        """The label's direction: the mean of its references' embeddings, (1, E), unit; None without any."""
        numbers = np.flatnonzero(self._labels == str(label))
        if not numbers.size:
            return None
        stored = np.stack([self._index.reconstruct(int(number)) for number in numbers])
        mean = stored.mean(axis=0, keepdims=True)
        direction: NDArray[np.float32] = mean / np.linalg.norm(mean)
        return direction


def _make_mask(
    scripts: NDArray[np.str_], families: NDArray[np.str_], labels: NDArray[np.str_], only: Filter
) -> NDArray[np.uint8]:
    """Which references the filter leaves, a bit each; the columns say what each reference is."""
    allowed = np.ones(len(labels), bool)
    for values, column in ((only.scripts, scripts), (only.families, families)):
        if values:
            allowed &= np.isin(column, list(values))
    if only.without:
        allowed &= ~np.isin(labels, [str(label) for label in only.without])
    return np.packbits(allowed, bitorder="little")


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
            "similarity": round(neighbour.similarity, 6),
            "raster": f"/references/{neighbour.reference.number}.png",
        }
        for neighbour in neighbours
    ]
