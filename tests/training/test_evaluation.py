from __future__ import annotations

import numpy as np
import pytest

from glyphs.dataset.store import Dataset
from glyphs.equivalence import Equivalence, Evidence
from glyphs.errors import BadDataset
from glyphs.labels import Label
from glyphs.raster import RasterSettings
from glyphs.splits import Split
from training.evaluation import Examined, auroc, evaluate, expected_calibration_error

A, B = Label(ord("A")), Label(ord("B"))


def _figures(dataset: Dataset, answer: str, equivalence: Equivalence) -> dict[str, object]:
    labels = (A, B)
    examined = Examined.of(dataset, Split.TEST, labels)
    asked = iter(np.tile(examined.truth[:, None], 2).T.ravel())

    def predict(rasters: np.ndarray, metrics: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        logits = np.zeros((len(rasters), 2), np.float32)
        for row in range(len(rasters)):
            logits[row, next(asked, 0) if answer == "right" else 0] = 5.0
        return logits, np.zeros((len(rasters), 128), np.float32)

    return evaluate(
        examined, predict, labels=labels, families=(1, 1), equivalence=equivalence, settings=RasterSettings()
    )


def test_a_recogniser_that_is_always_right_scores_one(small_dataset: Dataset) -> None:
    figures = _figures(small_dataset, "right", Equivalence())
    assert figures["with_metrics"]["uniform"]["top1"] == 1.0  # type: ignore[index]
    assert figures["with_metrics"]["uniform"]["macro_top1"] == 1.0  # type: ignore[index]


def test_one_that_always_says_a_is_right_half_the_time_and_always_up_to_equivalence(
    small_dataset: Dataset,
) -> None:
    figures = _figures(small_dataset, "A", Equivalence([Evidence(A, B, "outlines", 3, 3)]))
    uniform = figures["with_metrics"]["uniform"]  # type: ignore[index]
    assert uniform["top1"] == pytest.approx(0.5)
    assert uniform["top5"] == 1.0
    assert uniform["equivalent"] == 1.0


def test_a_split_without_the_labels_is_refused(small_dataset: Dataset) -> None:
    with pytest.raises(BadDataset):
        Examined.of(small_dataset, Split.TEST, (Label(0x1F600),))


def test_auroc_of_separated_mixed_and_tied_scores() -> None:
    high, low = np.array([0.9, 0.8], np.float32), np.array([0.1, 0.2], np.float32)
    assert auroc(high, low) == 1.0
    assert auroc(low, high) == 0.0
    assert auroc(high, high) == 0.5


def test_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    confidence = np.full(100, 0.9, np.float32)
    assert expected_calibration_error(confidence, np.arange(100) < 90) == pytest.approx(0.0, abs=1e-6)
    assert expected_calibration_error(confidence, np.arange(100) < 50) == pytest.approx(0.4, abs=1e-6)
