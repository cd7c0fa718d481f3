"""Fonts without a character map, alone and together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from benchmarks.identify import PASSAGES, WHOLE, Read, ReadFont, figures, measure, passages, read_fonts
from glyphs.dataset.store import Dataset
from glyphs.labels import Label
from glyphs.splits import Split
from glyphs.text import labels_in
from recognition.bundle import Bundle
from recognition.priors import Prior
from recognition.recogniser import Answers, Recogniser

SAID = "a cab, a bad bed; abba faced cabbage and a dead decade " * 30
TEXT = [list(labels_in(word)) for word in SAID.split()]


@pytest.fixture(scope="module")
def read(tiny_bundle: Bundle, small_dataset: Dataset) -> list[ReadFont]:
    return list(read_fonts(Recogniser(tiny_bundle), small_dataset, Split.TRAIN))


def test_a_font_of_each_family_is_read_each_glyph_once(read: Sequence[ReadFont]) -> None:
    assert len({font.family for font in read}) == len(read) > 1
    for font in read:
        assert len(font.truth) == len(font.answers) >= 20
        held = [label for labels in font.truth for label in labels]
        assert len(set(held)) == len(held)


def test_a_passage_asks_for_the_glyphs_it_needs(read: Sequence[ReadFont]) -> None:
    letters = {Label(ord(letter)) for letter in "abcdefg"}
    font = next(font for font in read if letters <= frozenset().union(*font.truth))
    [subset] = passages(font, [TEXT], 20, seed=0)
    assert 3 <= len(subset.truth) <= 20
    assert set().union(*subset.truth) <= {label for word in TEXT for label in word}
    assert {place for word in subset.words for place in word} == set(range(len(subset.truth)))
    assert sum(len(word) * count for word, count in subset.words.items()) <= 20
    whole = {label: row for row, labels in enumerate(font.truth) for label in labels}
    for row, labels in enumerate(subset.truth):
        for label in labels:
            assert np.array_equal(subset.answers.logits[row], font.answers.logits[whole[label]])
    unset = [[Label(0x4E00 + number) for number in range(50)]]
    assert list(passages(font, [unset], 20, seed=0)) == []


def test_alone_and_together_are_measured_under_each_prior(
    tiny_bundle: Bundle, read: Sequence[ReadFont]
) -> None:
    rows = measure(tiny_bundle, read, [TEXT])
    passages_of = [f"{length:,} characters" for length in PASSAGES]
    assert {row.situation for row in rows} == {WHOLE, *passages_of, f"{passages_of[-1]}, Latn"}
    asked = {(str(row.read), str(row.prior)) for row in rows if row.situation == WHOLE}
    usual = {(read, prior) for read in ("alone", "together") for prior in ("fonts", "text")}
    assert asked == usual
    assert {(row.read, row.prior) for row in rows} - usual == {(Read.IN_TEXT, Prior.TEXT)}
    for row in rows:
        assert 0 <= row.figures.top1 <= row.figures.equivalent <= 1


def test_right_answers_are_counted_as_right(tiny_bundle: Bundle) -> None:
    labels = tiny_bundle.labels[:3]
    logits = np.full((3, len(tiny_bundle.labels)), -50.0, np.float32)
    logits[[0, 1, 2], [0, 1, 0]] = 50.0  # the last is taken for the first
    answers = Answers(logits, np.tile(tiny_bundle.prototypes[:1], (3, 1)))
    font = ReadFont("f", [frozenset({label}) for label in labels], answers)
    found = figures(tiny_bundle, [font], Prior.UNIFORM, Read.ALONE)
    assert found.top1 == pytest.approx(2 / 3)
