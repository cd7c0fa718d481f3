"""Asking a subject about every glyph: figures, and a record of what it answered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glyphs.labels import Label
from training.evaluation.examined import Examined, Subject
from training.evaluation.measures import (
    Floats,
    alike_matrix,
    auroc,
    confidence,
    expected_calibration_error,
    log_probabilities,
    macro,
    prediction_cv,
)  # fmt: skip
from training.evaluation.record import KEPT, Record

_TOP = (1, 5, 10)
_NOWHERE = np.iinfo(np.int64).max
_PRIORS = "uniform", "fonts"
_DIACRITIC = " WITH "  # in the name of a letter that carries one


@dataclass(slots=True)
class _Tally:
    """What is kept of every answer under one prior, at the temperature of the answers' probabilities."""

    temperature: float
    ranks: list[NDArray[np.int64]] = field(default_factory=list)  # how many labels come before
    equivalent: list[NDArray[np.bool_]] = field(default_factory=list)
    confidence: list[Floats] = field(default_factory=list)

    def add(self, logits: Floats, truth: NDArray[np.int64], alike: NDArray[np.bool_]) -> None:
        best = logits.argmax(axis=1)
        own = logits[np.arange(len(truth)), truth][:, None]
        # Of equal ones the first comes first, as argmax has it; an answer that is no number is right nowhere.
        before = (logits > own) | ((logits == own) & (np.arange(logits.shape[1]) < truth[:, None]))
        lost = np.isnan(logits).any(axis=1)
        self.ranks.append(np.where(lost, _NOWHERE, before.sum(axis=1)))
        self.equivalent.append(~lost & ((best == truth) | alike[truth, best]))
        self.confidence.append(np.where(lost, 0.0, confidence(logits / self.temperature)))

    def figures(self, truth: NDArray[np.int64]) -> dict[str, float]:
        ranks, equivalent = np.concatenate(self.ranks), np.concatenate(self.equivalent)
        figures = {f"top{k}": float((ranks < k).mean()) for k in _TOP}
        figures["equivalent"] = float(equivalent.mean())
        figures["macro_top1"] = macro(ranks == 0, truth)
        figures["macro_equivalent"] = macro(equivalent, truth)
        figures["ece"] = expected_calibration_error(np.concatenate(self.confidence), ranks == 0)
        return figures


@dataclass(slots=True)
class _Answers:
    """The columns of a record as they come."""

    places: list[NDArray[np.int64]] = field(default_factory=list)
    probabilities: list[Floats] = field(default_factory=list)
    embedding: list[Floats] = field(default_factory=list)

    def add(self, logits: Floats, embedding: Floats) -> None:
        shares = np.exp(log_probabilities(logits))
        best = np.argpartition(-shares, min(KEPT, shares.shape[1]) - 1, axis=1)[:, :KEPT]
        # Of equal ones the first, as argmax has it.
        best = np.take_along_axis(best, np.lexsort((best, -np.take_along_axis(shares, best, 1))), 1)
        self.places.append(best)
        self.probabilities.append(np.take_along_axis(shares, best, 1))
        self.embedding.append(embedding)


def examine(
    examined: Examined, subject: Subject, *, progress: Callable[[int], None] = lambda _: None
) -> tuple[dict[str, Any], Record]:
    """Figures with and without metrics, under each prior; by script; known against unknown labels.

    Fractions between 0 and 1. Parts, the record and what follows from it are those with metrics (where
    the source has any) under the font prior.
    """
    labels, table, truth = subject.labels, examined.table, examined.truth
    log_prior = subject.log_prior
    alike = alike_matrix(labels, subject.equivalence)
    tallies = {(asked, prior): _Tally(subject.temperature) for asked in examined.ceiling for prior in _PRIORS}
    found: dict[str, list[NDArray[np.bool_]]] = {asked: [] for asked in examined.ceiling}
    chief = next(iter(examined.ceiling))
    answers = _Answers()
    familiar_known: list[Floats] = []
    for rows, rasters in examined.rasters(table, subject.settings):
        for asked in examined.ceiling:
            metrics = table.metrics[rows]
            logits, embeddings = subject.predict(
                rasters, metrics if asked == "with_metrics" else np.full_like(metrics, np.nan)
            )
            tallies[asked, "uniform"].add(logits, truth[rows], alike)
            tallies[asked, "fonts"].add(logits + log_prior, truth[rows], alike)
            if asked == chief:
                answers.add((logits + log_prior) / subject.temperature, embeddings)
                if subject.familiar is not None:
                    familiar_known.append(subject.familiar(logits, embeddings))
            if subject.neighbours is not None:
                wanted = (labels[place] for place in truth[rows])
                near = zip(wanted, subject.neighbours(embeddings), strict=True)
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
    ranks, equal = (
        np.concatenate(getattr(tallies[chief, "fonts"], name)) for name in ("ranks", "equivalent")
    )
    figures |= _parts(labels, truth, ranks == 0, equal)
    if subject.neighbours is not None:
        retrieved = {asked: float(np.concatenate(hits).mean()) for asked, hits in found.items()}
        figures["retrieval_top10"] = retrieved[chief]
        figures["retrieval_top10_without_metrics"] = retrieved["without_metrics"]
    if len(examined.unknown) and subject.familiar is not None:
        known = np.concatenate(familiar_known)
        strange = np.concatenate(
            [
                subject.familiar(*subject.predict(rasters, examined.unknown.metrics[rows]))
                for rows, rasters in examined.rasters(examined.unknown, subject.settings)
            ]
        )
        figures["known_auroc"] = auroc(known, strange)
        if examined.foreign.any():
            figures["known_auroc_whole_scripts"] = auroc(known, strange[examined.foreign])

    record = Record(
        subject, truth, np.concatenate(answers.places), np.concatenate(answers.probabilities),
        np.concatenate(answers.embedding).astype(np.float16), equal, table.shape, table.family,
    )  # fmt: skip
    figures["prediction_cv"] = prediction_cv(truth, record.answer)
    figures["separation"], _ = record.separation()
    return figures, record


def _parts(
    labels: tuple[Label, ...], truth: NDArray[np.int64], right: NDArray[np.bool_], equal: NDArray[np.bool_]
) -> dict[str, dict[str, dict[str, float]]]:
    """Accuracy by script, by character class, of Arabic joining forms, of marks and marked letters."""
    characters = [label.character for label in labels]
    scripts = np.array([character.script for character in characters])[truth]
    classes = np.array([character.char_class for character in characters])[truth]
    positional = np.array([label.positional for label in labels])[truth]
    marked = np.array([c.char_class == "mark" or _DIACRITIC in c.name for c in characters])[truth]

    def of(parts: dict[str, NDArray[np.bool_]]) -> dict[str, dict[str, float]]:
        return {
            name: {
                "glyphs": int(part.sum()),
                "top1": float(right[part].mean()),
                "equivalent": float(equal[part].mean()),
            }
            for name, part in parts.items()
            if part.any()
        }

    return {
        "by_script": of({s: scripts == s for s in np.unique(scripts)} | {"Arabic positional": positional}),
        "by_char_class": of({c: classes == c for c in np.unique(classes)}),
        "subsets": of({"Arabic positional": positional, "Marks and letters with diacritics": marked}),
    }
