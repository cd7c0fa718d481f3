"""Recognition: every figure of `training.evaluation`, and accuracy up to case and equivalence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.glyphs.asked import Asked, known_places
from training.evaluation import Floats, Subject, examine
from training.evaluation.measures import macro


class _Heard:
    """Answers of a subject, and the best place of each as it was given.

    `examine` asks with and without metrics in turns, and about glyphs of unknown labels at the end.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._log_prior = subject.log_prior
        self._best: dict[tuple[str, str], list[NDArray[np.int64]]] = defaultdict(list)

    def predict(self, rasters: NDArray[np.uint8], metrics: Floats) -> tuple[Floats, Floats]:
        logits, embeddings = self._subject.predict(rasters, metrics)
        asked = "without_metrics" if np.isnan(metrics).all() else "with_metrics"
        self._best[asked, "uniform"].append(logits.argmax(axis=1))
        self._best[asked, "fonts"].append((logits + self._log_prior).argmax(axis=1))
        return logits, embeddings

    def best(self, glyphs: int) -> dict[tuple[str, str], NDArray[np.int64]]:
        """By what was known and by prior: the (N,) places answered of the first so many glyphs."""
        return {key: np.concatenate(parts)[:glyphs] for key, parts in self._best.items()}


def accuracy(
    asked: Asked, subject: Subject, answers: Path, progress: Callable[[int], None] = lambda _: None
) -> dict[str, Any]:
    """The figures of `examine`, with `cased` and `macro_cased` beside those of each prior.

    subject: in its own labels; answers: where its record is written, an .npz
    """
    examined, truth = asked.examined, asked.examined.truth
    faced = asked.faced(subject)
    heard = _Heard(faced)
    figures, record = examine(examined, replace(faced, predict=heard.predict), progress=progress)
    for (known, prior), best in heard.best(len(truth)).items():
        right = asked.cased[truth, best]
        figures[known][prior] |= {"cased": float(right.mean()), "macro_cased": macro(right, truth)}
    places = known_places(subject, asked.labels)
    figures["labels_asked"], figures["labels_known"] = len(places), int((places >= 0).sum())
    figures["glyphs_of_unknown_labels"] = int((places[truth] < 0).sum())
    answers.parent.mkdir(parents=True, exist_ok=True)
    record.save(answers)
    return figures
