from __future__ import annotations

import numpy as np
import pytest

from glyphs.equivalence import Equivalence, Evidence
from glyphs.labels import Label
from training.evaluation.measures import (
    PerClass,
    alike_matrix,
    auroc,
    expected_calibration_error,
    log_probabilities,
    prediction_cv,
    reliability,
    separation,
)

FEW = np.zeros((3, 3), bool)  # no label looks like another


def test_auroc_of_separated_mixed_and_tied_scores() -> None:
    high, low = np.array([0.9, 0.8], np.float32), np.array([0.1, 0.2], np.float32)
    assert auroc(high, low) == 1.0
    assert auroc(low, high) == 0.0
    assert auroc(high, high) == 0.5


def test_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    confidence = np.full(100, 0.9, np.float32)
    assert expected_calibration_error(confidence, np.arange(100) < 90) == pytest.approx(0.0, abs=1e-6)
    assert expected_calibration_error(confidence, np.arange(100) < 50) == pytest.approx(0.4, abs=1e-6)


def test_reliability_leaves_empty_bins_out() -> None:
    bins = reliability(np.array([0.95, 0.95, 0.1, 0.1], np.float32), np.array([True, False, False, False]))
    assert [(b["accuracy"], b["share"]) for b in bins] == [(0.0, 0.5), (0.5, 0.5)]


def test_log_probabilities_add_up_to_one_however_large_the_logits() -> None:
    logits = np.array([[1000.0, 999.0, -1000.0]], np.float32)
    assert np.exp(log_probabilities(logits)).sum() == pytest.approx(1.0)


def test_answering_every_label_as_often_as_it_occurs_is_even_even_if_all_are_wrong() -> None:
    truth = np.array([0, 1, 2, 2])
    assert prediction_cv(truth, np.array([2, 2, 0, 1])) == pytest.approx(0.0)
    assert prediction_cv(truth, np.zeros(4, np.int64)) == pytest.approx(np.sqrt(2))
    assert prediction_cv(truth, np.full(4, 7)) == 0.0


def test_precision_recall_and_f1_of_each_class() -> None:
    truth, answer = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    found = PerClass.of(truth, answer, np.array([True, True, True, True]), 3)
    assert found.precision.tolist() == pytest.approx([1, 2 / 3, 0])
    assert found.recall.tolist() == pytest.approx([0.5, 1, 0])
    assert found.f1.tolist() == pytest.approx([2 / 3, 0.8, 0])
    assert found.equivalent.tolist() == [2, 2, 0]
    assert found.present.tolist() == [0, 1]


def test_labels_that_look_alike_are_marked_both_ways() -> None:
    a, b, c = (Label(ord(letter)) for letter in "abc")
    alike = alike_matrix((a, b, c), Equivalence([Evidence(a, c, "outlines", 3, 3)]))
    assert np.argwhere(alike).tolist() == [[0, 2], [2, 0]]


def test_the_effect_size_is_the_distance_of_the_means_in_standard_deviations() -> None:
    rng = np.random.default_rng(0)
    label = np.repeat([0, 1, 2], 40)
    embedding = np.eye(3, 8, dtype=np.float32)[label] + rng.normal(0, 0.2, (120, 8)).astype(np.float32)
    embedding /= np.linalg.norm(embedding, axis=1, keepdims=True)
    family = np.arange(120, dtype=np.int32)
    figures, histogram = separation(embedding, label, family, FEW)

    cosine = (embedding @ embedding.T).astype(np.float64)
    same, itself = label[:, None] == label, np.eye(120, dtype=bool)
    intra, inter = cosine[same & ~itself], cosine[~same]
    spread = np.sqrt((intra.var() + inter.var()) / 2)
    assert figures["effect_size"] == pytest.approx((intra.mean() - inter.mean()) / spread, rel=1e-4)
    assert histogram.sum(axis=1).tolist() == [len(intra), len(inter)]
    assert figures["retrieval"] == {"asked": 120, "top10": 1.0, "equivalent": 1.0}


def test_a_glyph_of_the_same_family_is_not_found() -> None:
    embedding = np.eye(4, dtype=np.float32)[[0, 0, 1, 2]]
    label, family = np.array([0, 0, 1, 1]), np.array([5, 5, 6, 7], np.int32)
    retrieval = separation(embedding, label, family, FEW)[0]["retrieval"]
    assert retrieval["asked"] == 2  # those of label 1: the two of label 0 are of one family


def test_look_alikes_are_neither_told_apart_nor_missed() -> None:
    alike = FEW.copy()
    alike[0, 1] = alike[1, 0] = True
    # Eleven glyphs of label 1 lie on a glyph of label 0, whose fellow lies elsewhere.
    embedding = np.eye(2, dtype=np.float32)[[0, *[0] * 11, 1]]
    label = np.array([0, *[1] * 11, 0])
    figures, _ = separation(embedding, label, np.arange(13, dtype=np.int32), alike)
    assert figures["inter"]["pairs"] == 0
    assert figures["effect_size"] is None
    assert figures["retrieval"]["top10"] < figures["retrieval"]["equivalent"] == 1.0
