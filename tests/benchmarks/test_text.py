"""Priors on glyphs as texts have them."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.text import draw_from, measure
from glyphs.dataset.store import Dataset
from glyphs.splits import Split
from recognition.bundle import Bundle
from recognition.priors import Prior
from recognition.recogniser import Recogniser

TEXTS = ["A fox, a hen; aaa!", "éé 日本"]  # the latter is of labels that no model here knows


def test_labels_come_as_often_as_the_text_has_them(tiny_bundle: Bundle, small_dataset: Dataset) -> None:
    labels = tiny_bundle.labels
    table = small_dataset.table(Split.TRAIN)
    places = small_dataset.places(labels)[table.label]
    drawn = draw_from(TEXTS, table, places, labels, 2000)
    written = {labels[place].character.text for place in np.unique(drawn.truth)}
    assert "a" in written <= set("".join(TEXTS))
    assert (places[np.isin(table.shape, drawn.table.shape)] >= 0).any()
    assert 0.4 < drawn.asked < 1
    # Four of the first text's fourteen characters are a, and it is half of what is written.
    share = np.mean([labels[place].character.text == "a" for place in drawn.truth])
    assert share == pytest.approx(4 / 14 / 2 / drawn.asked, abs=0.05)


def test_every_prior_is_measured_with_metrics_and_without(
    tiny_bundle: Bundle, small_dataset: Dataset
) -> None:
    told = measure(Recogniser(tiny_bundle), small_dataset, Split.TRAIN, TEXTS, 40)
    assert told.languages == 2
    assert [row[:2] for row in told.rows] == [
        (asked, prior) for asked in ("given", "unknown") for prior in Prior
    ]
    for _, _, found in told.rows:
        assert 0 <= found.top1 <= min(found.top5, found.equivalent) <= 1
        assert found.bits > 0
