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
from recognition.candidates import likeliest
from training.evaluation import Floats, Subject, examine
from training.evaluation.measures import macro

LISTS = (15, 21, 30, 50, 100)  # training families that a label must have to be on a list
_FIRST = 5


class _Heard:
    """Answers of a subject, and the best place of each as it was given.

    `examine` asks with and without metrics in turns, and about glyphs of unknown labels at the end.
    """

    def __init__(self, subject: Subject, families: NDArray[np.int64]) -> None:
        """families: (L,) how many training families had each label when the list was frozen."""
        self._subject, self._families = subject, families
        self._log_prior = subject.log_prior
        self._best: dict[tuple[str, str], list[NDArray[np.int64]]] = defaultdict(list)
        self._first: dict[int, list[NDArray[np.int64]]] = defaultdict(list)

    def predict(self, rasters: NDArray[np.uint8], metrics: Floats) -> tuple[Floats, Floats]:
        logits, embeddings = self._subject.predict(rasters, metrics)
        asked = "without_metrics" if np.isnan(metrics).all() else "with_metrics"
        self._best[asked, "uniform"].append(logits.argmax(axis=1))
        scores = logits + self._log_prior
        self._best[asked, "fonts"].append(scores.argmax(axis=1))
        if asked == "with_metrics":
            for least in LISTS:
                (places,) = np.nonzero(self._families >= least)
                if len(places) > _FIRST:
                    self._first[least].append(places[likeliest(scores[:, places], _FIRST)[0]])
        return logits, embeddings

    def best(self, glyphs: int) -> dict[tuple[str, str], NDArray[np.int64]]:
        """By what was known and by prior: the (N,) places answered of the first so many glyphs."""
        return {key: np.concatenate(parts)[:glyphs] for key, parts in self._best.items()}

    def among(self, glyphs: int) -> dict[int, NDArray[np.int64]]:
        """By families that a label must have: the (N, 5) best places of the first so many glyphs, metrics
        given, under the font prior, where no other label is a possible answer.
        """
        return {least: np.concatenate(parts)[:glyphs] for least, parts in self._first.items()}


def accuracy(
    asked: Asked, subject: Subject, answers: Path, progress: Callable[[int], None] = lambda _: None
) -> dict[str, Any]:
    """The figures of `examine`, with `cased` and `macro_cased` beside those of each prior, and `lists`: what
    becomes of them where fewer labels are asked about and possible, those of more training families.

    subject: in its own labels; answers: where its record is written, an .npz
    """
    examined, truth = asked.examined, asked.examined.truth
    faced = asked.faced(subject)
    heard = _Heard(faced, np.array(asked.families))
    figures, record = examine(examined, replace(faced, predict=heard.predict), progress=progress)
    for (known, prior), best in heard.best(len(truth)).items():
        right = asked.cased[truth, best]
        figures[known][prior] |= {"cased": float(right.mean()), "macro_cased": macro(right, truth)}
    figures["lists"] = [_on_list(asked, least, first) for least, first in heard.among(len(truth)).items()]
    places = known_places(subject, asked.labels)
    figures["labels_asked"], figures["labels_known"] = len(places), int((places >= 0).sum())
    figures["glyphs_of_unknown_labels"] = int((places[truth] < 0).sum())
    answers.parent.mkdir(parents=True, exist_ok=True)
    record.save(answers)
    return figures


def _on_list(asked: Asked, least: int, first: NDArray[np.int64]) -> dict[str, Any]:
    """The figures of one list: of glyphs whose label is on it."""
    listed = np.array(asked.families) >= least
    rows = np.flatnonzero(listed[asked.examined.truth])
    truth, first = asked.examined.truth[rows], first[rows]
    return {
        "families": least, "labels": int(listed.sum()), "glyphs": len(rows),
        "top1": float((first[:, 0] == truth).mean()),
        "top5": float((first == truth[:, None]).any(axis=1).mean()),
        "equivalent": float(asked.alike[truth, first[:, 0]].mean()),
    }  # fmt: skip
