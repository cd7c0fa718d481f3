"""What is kept of every answer, and how it is written down for other programs."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.evaluation.examined import Subject
from training.evaluation.measures import Floats, PerClass, alike_matrix, separation

KEPT = 10  # answers of each glyph, best first
_SEPARATED = 5000  # glyphs whose embeddings are compared with one another


@dataclass(frozen=True, slots=True)
class Record:
    """The answers to N glyphs under the font prior, with metrics where the source has them.

    truth: (N,) int64 places; places: (N, K) int64 best first; probabilities: (N, K) float32;
    embedding: (N, E) float16; equal: (N,) bool, right up to equivalence;
    shape, family: (N,) int32 ids of the source
    """

    subject: Subject
    truth: NDArray[np.int64]
    places: NDArray[np.int64]
    probabilities: Floats
    embedding: NDArray[np.float16]
    equal: NDArray[np.bool_]
    shape: NDArray[np.int32]
    family: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def answer(self) -> NDArray[np.int64]:
        """(N,) the best place."""
        return self.places[:, 0]

    @property
    def right(self) -> NDArray[np.bool_]:
        right: NDArray[np.bool_] = self.answer == self.truth
        return right

    @property
    def classes(self) -> PerClass:
        return PerClass.of(self.truth, self.answer, self.equal, len(self.subject.labels))

    def sample(self, most: int, seed: int = 0) -> NDArray[np.int64]:
        """At most so many rows, drawn at random, in order."""
        return np.sort(np.random.default_rng(seed).permutation(len(self))[:most])

    def separation(self) -> tuple[dict[str, Any], NDArray[np.int64]]:
        """`measures.separation` of at most 5,000 of the glyphs."""
        some = self.sample(_SEPARATED)
        alike = alike_matrix(self.subject.labels, self.subject.equivalence)
        embedding = self.embedding[some].astype(np.float32)
        return separation(embedding, self.truth[some], self.family[some], alike)

    def save(self, path: Path) -> None:
        """An .npz without pickled objects: the columns above and `labels`, (L,) strings."""
        np.savez_compressed(
            path, truth=self.truth, places=self.places, probabilities=self.probabilities,
            embedding=self.embedding, equal=self.equal, shape=self.shape, family=self.family,
            labels=np.array([str(label) for label in self.subject.labels]),
        )  # fmt: skip

    def save_classes(self, path: Path) -> None:
        """A CSV: one line for every label that occurs or is answered; shares between 0 and 1."""
        found, names = self.classes, self.subject
        pairs = np.unique(np.stack([self.truth, self.family], axis=1), axis=0)
        families = np.bincount(pairs[:, 0], minlength=len(names.labels))
        shares = np.stack(
            [
                found.recall,
                found.equivalent / np.maximum(found.count, 1),
                found.precision,
                found.recall,
                found.f1,
            ]
        )
        with path.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(
                ["label", "name", "count", "top1", "equivalent", "precision", "recall", "f1", "families"]
            )
            for place in np.flatnonzero(found.count + found.answered):
                figures = (f"{share:.4f}" for share in shares[:, place])
                rows.writerow(
                    [
                        names.labels[place],
                        names.called(int(place)),
                        found.count[place],
                        *figures,
                        families[place],
                    ]
                )
