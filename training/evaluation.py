"""How good a model is on families it has never seen.

Strict accuracy stands beside accuracy up to equivalence and beside the ceiling: the best strict
accuracy that any recogniser could reach, given that fonts draw some labels identically. Whether
the model is a checkpoint or a bundle does not matter: it is a function from rasters and metrics
to logits and embeddings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glyphs.dataset.shapes import Shapes
from glyphs.dataset.store import Dataset, GlyphTable
from glyphs.equivalence import Equivalence, certainty
from glyphs.errors import BadDataset
from glyphs.labels import Label
from glyphs.raster import RasterSettings
from glyphs.splits import Split

Floats = NDArray[np.float32]
# (N, S, S) uint8 rasters, (N, 4) metrics -> (N, L) logits, (N, E) unit embeddings
Predict = Callable[[NDArray[np.uint8], Floats], tuple[Floats, Floats]]
# (N, E) unit embeddings -> for each the labels of its ten nearest references
Neighbours = Callable[[Floats], list[list[Label]]]
_CHUNK = 256
_TOP = (1, 5, 10)
_ASKED = "with_metrics", "without_metrics"


@dataclass(frozen=True, slots=True)
class Examined:
    """The glyphs that are asked, and the place of each one's label among the logits."""

    table: GlyphTable
    shapes: Shapes
    truth: NDArray[np.int64]
    unknown: GlyphTable
    ceiling: dict[str, float]

    @classmethod
    def of(
        cls, dataset: Dataset, split: Split, labels: tuple[Label, ...], *, limit: int = 0, seed: int = 0
    ) -> Examined:
        """Glyphs of a split whose label is among `labels`, at most `limit` of them drawn at random (0: all),
        and a tenth as many of other labels.

        Raises:
            BadDataset: the split holds none of the labels.
        """
        places = dataset.places(labels)
        table = dataset.table(split)
        known = places[table.label] >= 0
        unknown, table = table.take(~known), table.take(known)
        if not len(table):
            raise BadDataset(f"The {split} families of {dataset.path} have no glyph of the model's labels.")
        ceiling = {
            "with_metrics": _ceiling(table, placed=True),
            "without_metrics": _ceiling(table, placed=False),
        }
        rng = np.random.default_rng(seed)
        if limit:
            table = table.take(np.sort(rng.permutation(len(table))[:limit]))
        unknown = unknown.take(np.sort(rng.permutation(len(unknown))[: max(1, len(table) // 10)]))
        shapes = Shapes(dataset, [*table.shape.tolist(), *unknown.shape.tolist()])
        return cls(table, shapes, places[table.label], unknown, ceiling)

    def rasters(
        self, table: GlyphTable, settings: RasterSettings
    ) -> Iterator[tuple[slice, NDArray[np.uint8]]]:
        for start in range(0, len(table), _CHUNK):
            rows = slice(start, min(start + _CHUNK, len(table)))
            yield rows, np.stack([self.shapes.draw(int(shape), settings) for shape in table.shape[rows]])


@dataclass(slots=True)
class _Tally:
    """What is kept of every answer."""

    ranks: list[NDArray[np.int64]] = field(default_factory=list)  # how many labels score higher
    equivalent: list[NDArray[np.bool_]] = field(default_factory=list)
    confidence: list[Floats] = field(default_factory=list)

    def add(self, logits: Floats, truth: NDArray[np.int64], alike: NDArray[np.bool_]) -> None:
        rows = np.arange(len(truth))
        best = logits.argmax(axis=1)
        self.ranks.append((logits > logits[rows, truth][:, None]).sum(axis=1))
        self.equivalent.append((best == truth) | alike[truth, best])
        self.confidence.append(confidence(logits))

    def figures(self, truth: NDArray[np.int64]) -> dict[str, float]:
        ranks, equivalent = np.concatenate(self.ranks), np.concatenate(self.equivalent)
        figures = {f"top{k}": float((ranks < k).mean()) for k in _TOP}
        figures["equivalent"] = float(equivalent.mean())
        figures["macro_top1"] = _macro(ranks == 0, truth)
        figures["macro_equivalent"] = _macro(equivalent, truth)
        figures["ece"] = expected_calibration_error(np.concatenate(self.confidence), ranks == 0)
        return figures


def evaluate(
    examined: Examined,
    predict: Predict,
    *,
    labels: tuple[Label, ...],
    families: tuple[int, ...],
    equivalence: Equivalence,
    settings: RasterSettings,
    neighbours: Neighbours | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> dict[str, Any]:
    """Figures with and without metrics, under each prior; by script; known against unknown labels.

    Fractions between 0 and 1. `families` gives the font prior, in the order of `labels`.
    """
    table, truth = examined.table, examined.truth
    log_prior = np.log(np.array(families, np.float32))
    alike, alike_places = alike_matrix(labels, equivalence), equivalence.places(labels)
    tallies = {(asked, prior): _Tally() for asked in _ASKED for prior in ("uniform", "fonts")}
    found: dict[str, list[NDArray[np.bool_]]] = {asked: [] for asked in _ASKED}
    sure_of_known: list[Floats] = []
    for rows, rasters in examined.rasters(table, settings):
        for asked in _ASKED:
            metrics = table.metrics[rows]
            logits, embeddings = predict(
                rasters, metrics if asked == "with_metrics" else np.full_like(metrics, np.nan)
            )
            tallies[asked, "uniform"].add(logits, truth[rows], alike)
            tallies[asked, "fonts"].add(logits + log_prior, truth[rows], alike)
            if asked == "with_metrics":
                sure_of_known.append(certainty(logits, alike_places))
            if neighbours is not None:
                wanted = (labels[place] for place in truth[rows])
                near = zip(wanted, neighbours(embeddings), strict=True)
                found[asked].append(np.array([label in ten for label, ten in near]))
        progress(rows.stop)

    figures: dict[str, Any] = {
        "glyphs": len(table),
        "families": len(np.unique(table.family)),
        "labels": len(np.unique(truth)),
        "ceiling": examined.ceiling,
    }
    for (asked, prior), tally in tallies.items():
        figures.setdefault(asked, {})[prior] = tally.figures(truth)
    scripts = np.array([label.character.script for label in labels])[truth]
    positional = np.array([label.positional for label in labels])[truth]
    right, equal = (
        np.concatenate(getattr(tallies["with_metrics", "fonts"], name)) for name in ("ranks", "equivalent")
    )
    parts = {script: scripts == script for script in np.unique(scripts)} | {"Arabic positional": positional}
    figures["by_script"] = {
        name: {
            "glyphs": int(part.sum()),
            "top1": float((right[part] == 0).mean()),
            "equivalent": float(equal[part].mean()),
        }
        for name, part in parts.items()
        if part.any()
    }
    if neighbours is not None:
        retrieved = {asked: float(np.concatenate(hits).mean()) for asked, hits in found.items()}
        figures["retrieval_top10"] = retrieved["with_metrics"]
        figures["retrieval_top10_without_metrics"] = retrieved["without_metrics"]
    if len(examined.unknown):
        sure_of_unknown = [
            certainty(predict(rasters, examined.unknown.metrics[rows])[0], alike_places)
            for rows, rasters in examined.rasters(examined.unknown, settings)
        ]
        figures["known_auroc"] = auroc(np.concatenate(sure_of_known), np.concatenate(sure_of_unknown))
    return figures


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


def expected_calibration_error(confidence: Floats, right: NDArray[np.bool_], bins: int = 15) -> float:
    """Mean distance between confidence and accuracy over equal-width bins (Guo et al., ICML 2017)."""
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    return float(
        sum(
            abs(confidence[place == b].mean() - right[place == b].mean()) * (place == b).mean()
            for b in np.unique(place)
        )
    )


def auroc(positive: Floats, negative: Floats) -> float:
    """Chance that a positive scores above a negative: the Mann-Whitney statistic, ties counting half."""
    scores = np.concatenate([positive, negative])
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    excess = ranks[: len(positive)].sum() - len(positive) * (len(positive) + 1) / 2
    return float(excess / (len(positive) * len(negative)))


def _macro(right: NDArray[np.bool_], truth: NDArray[np.int64]) -> float:
    counts = np.bincount(truth)
    sums = np.bincount(truth, weights=right)
    return float((sums[counts > 0] / counts[counts > 0]).mean())


def _ceiling(table: GlyphTable, *, placed: bool) -> float:
    """Share of glyphs that are right if, of labels that one font draws identically, one is.

    placed: glyphs count as identical only if they also sit and space alike.
    """
    columns = [table.font, table.shape]
    if placed:
        columns += list(np.rint(table.metrics[:, 2:] * 1000).astype(np.int64).T)
    return len(np.unique(np.stack(columns, axis=1), axis=0)) / len(table)
