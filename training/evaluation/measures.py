"""Figures from arrays: accuracy, calibration, evenness, separation. Nothing here asks a model.

Shape legend: N glyphs, L labels, E width of the embedding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glyphs.equivalence import Equivalence
from glyphs.labels import Label

Floats = NDArray[np.float32]
_ROWS = 512  # of a matrix of similarities held at once
_NEAREST = 10


def alike_matrix(labels: tuple[Label, ...], equivalence: Equivalence) -> NDArray[np.bool_]:
    """(L, L): which labels look the same; a label is not listed with itself."""
    alike = np.zeros((len(labels), len(labels)), bool)
    for place, others in enumerate(equivalence.places(labels)):
        alike[place, others] = True
    return alike


def confidence(logits: Floats) -> Floats:
    """(N, L) -> (N,) probability of each row's best label."""
    out: Floats = 1 / np.exp(logits - logits.max(axis=1, keepdims=True)).sum(axis=1)
    return out


def log_probabilities(logits: Floats) -> Floats:
    """(N, L) -> (N, L) float32: log-softmax."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    out: Floats = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return out


def macro(right: NDArray[np.bool_], truth: NDArray[np.int64]) -> float:
    """Mean over the labels that occur of each one's share of right answers."""
    counts = np.bincount(truth)
    sums = np.bincount(truth, weights=right)
    return float((sums[counts > 0] / counts[counts > 0]).mean())


def reliability(confidence: Floats, right: NDArray[np.bool_], bins: int = 15) -> list[dict[str, float]]:
    """Equal-width bins of confidence that hold something: mean confidence, accuracy, share of glyphs."""
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    return [
        {
            "confidence": float(confidence[inside].mean()),
            "accuracy": float(right[inside].mean()),
            "share": float(inside.mean()),
        }
        for inside in (place == b for b in np.unique(place))
    ]


def expected_calibration_error(confidence: Floats, right: NDArray[np.bool_], bins: int = 15) -> float:
    """Mean distance between confidence and accuracy over equal-width bins (Guo et al., ICML 2017)."""
    return float(
        sum(abs(b["confidence"] - b["accuracy"]) * b["share"] for b in reliability(confidence, right, bins))
    )


def auroc(positive: Floats, negative: Floats) -> float:
    """Chance that a positive scores above a negative: the Mann-Whitney statistic, ties counting half."""
    scores = np.concatenate([positive, negative])
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    excess = ranks[: len(positive)].sum() - len(positive) * (len(positive) + 1) / 2
    return float(excess / (len(positive) * len(negative)))


def prediction_cv(truth: NDArray[np.int64], answer: NDArray[np.int64]) -> float:
    """How unevenly a model favours labels, whether it is right or not; 0 is even.

    For each label that occurs, the ratio of how often it is answered to how often it is true; the
    coefficient of variation is the standard deviation of these ratios over their mean (population,
    every label counting once). Answers of labels that never occur enter no ratio.
    """
    length = int(max(truth.max(), answer.max())) + 1
    true, said = np.bincount(truth, minlength=length), np.bincount(answer, minlength=length)
    ratio = said[true > 0] / true[true > 0]
    return float(ratio.std() / ratio.mean()) if ratio.any() else 0.0


@dataclass(frozen=True, slots=True)
class PerClass:
    """(L,) int64 each: how often a label is true, is answered, is answered rightly, or an equivalent is."""

    count: NDArray[np.int64]
    answered: NDArray[np.int64]
    right: NDArray[np.int64]
    equivalent: NDArray[np.int64]

    @classmethod
    def of(
        cls, truth: NDArray[np.int64], answer: NDArray[np.int64], equal: NDArray[np.bool_], labels: int
    ) -> PerClass:
        """equal: (N,) whether the answer is right up to equivalence."""
        return cls(
            *(np.bincount(x, minlength=labels) for x in (truth, answer, truth[truth == answer], truth[equal]))
        )

    @property
    def present(self) -> NDArray[np.int64]:
        """Places of the labels that occur."""
        return np.flatnonzero(self.count)

    @property
    def precision(self) -> NDArray[np.float64]:
        """(L,), 0 where a label is never answered."""
        return self.right / np.maximum(self.answered, 1)

    @property
    def recall(self) -> NDArray[np.float64]:
        """(L,), which is also the label's own top-1; 0 where it never occurs."""
        return self.right / np.maximum(self.count, 1)

    @property
    def f1(self) -> NDArray[np.float64]:
        """(L,) harmonic mean of precision and recall."""
        f1: NDArray[np.float64] = 2 * self.right / np.maximum(self.count + self.answered, 1)
        return f1


def separation(
    embedding_NE: Floats, label: NDArray[np.int64], family: NDArray[np.int32], alike: NDArray[np.bool_]
) -> tuple[dict[str, Any], NDArray[np.int64]]:
    """How well an embedding keeps labels together and apart, among the glyphs themselves.

    retrieval: of the glyphs that have one, the share with a glyph of the same label (or, for
    `equivalent`, of one that looks the same) among the ten nearest by cosine; glyphs of the same family,
    itself among them, are not looked at. `asked` counts them.
    effect_size: Cohen's d between the cosines of intra pairs (same label, another family) and of inter
    pairs (labels that differ and are not equivalent), over the root mean square of the two standard
    deviations; None where either kind of pair is missing or nothing varies.
    intra, inter: number of pairs, mean and standard deviation of their cosines.

    Args:
        embedding_NE: unit rows
        label: (N,) places
        family: (N,)
        alike: (L, L) of `alike_matrix`

    Returns:
        those figures, and (2, 100) how many intra and inter pairs fall into even bins from -1 to 1
    """
    edges = np.linspace(-1, 1, 101)
    histogram = np.zeros((2, 100), np.int64)
    moments = np.zeros((2, 3))  # of intra and inter pairs: number, sum, sum of squares
    asked, found, equal = 0, 0, 0
    for start in range(0, len(label), _ROWS):
        rows = slice(start, start + _ROWS)
        cosine = embedding_NE[rows] @ embedding_NE.T
        same = label[rows, None] == label
        elsewhere = family[rows, None] != family
        looks = alike[label[rows]][:, label]
        for kind, chosen in enumerate((same & elsewhere, ~same & ~looks)):
            values = cosine[chosen].astype(np.float64)
            histogram[kind] += np.histogram(values.clip(-1, 1), edges)[0]
            moments[kind] += len(values), values.sum(), (values**2).sum()
        cosine[~elsewhere] = -np.inf
        k = min(_NEAREST, len(label))
        nearest = np.argpartition(-cosine, k - 1, axis=1)[:, :k]
        counted = np.take_along_axis(elsewhere, nearest, 1)
        hit = np.take_along_axis(same, nearest, 1) & counted
        hit_equal = hit | (np.take_along_axis(looks, nearest, 1) & counted)
        possible = (same & elsewhere).any(axis=1)
        asked += int(possible.sum())
        found += int(hit.any(axis=1)[possible].sum())
        equal += int(hit_equal.any(axis=1)[possible].sum())
    number = moments[:, 0]
    mean = moments[:, 1] / np.maximum(number, 1)
    variance = (moments[:, 2] / np.maximum(number, 1) - mean**2).clip(0)
    spread = float(np.sqrt(variance.mean()))
    figures = {
        "glyphs": len(label),
        "retrieval": {
            "asked": asked,
            "top10": found / asked if asked else None,
            "equivalent": equal / asked if asked else None,
        },
        "effect_size": float(mean[0] - mean[1]) / spread if spread > 1e-6 and number.all() else None,
        "intra": {"pairs": int(number[0]), "mean": float(mean[0]), "std": float(variance[0] ** 0.5)},
        "inter": {"pairs": int(number[1]), "mean": float(mean[1]), "std": float(variance[1] ** 0.5)},
    }
    return figures, histogram
