from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glyphs.equivalence import Equivalence
from glyphs.labels import Label
from glyphs.raster import RasterSettings
from recognition.bundle import Bundle, Manifest
from recognition.candidates import Candidates, Recognition
from recognition.one_font import OneFont
from recognition.priors import Prior
from recognition.recogniser import Answers

LETTERS = "aаo0оᲶ"  # Latin a and Cyrillic, o, nought, Cyrillic o, and a Georgian letter
LABELS = tuple(Label(ord(letter)) for letter in LETTERS)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    manifest = Manifest(
        name="m", version="1", raster=RasterSettings(), embedding=2, labels=len(LABELS), known_threshold=-1.0
    )
    prototypes = np.tile(np.array([[1.0, 0.0]], np.float32), (len(LABELS), 1))
    families = (900, 300, 900, 900, 300, 20)
    return Bundle(Path(), "", manifest, "sha256:0", LABELS, families, Equivalence([]), {}, prototypes)


def _answers(*glyphs: dict[str, float]) -> Answers:
    """Logits of the letters named; the others do not fit."""
    logits = np.full((len(glyphs), len(LETTERS)), -20.0, np.float32)
    for row, glyph in enumerate(glyphs):
        for letter, logit in glyph.items():
            logits[row, LETTERS.index(letter)] = logit
    return Answers(logits, np.tile(np.array([[1.0, 0.0]], np.float32), (len(glyphs), 1)))


def _read(bundle: Bundle, *batches: Answers, prior: Prior = Prior.FONTS, k: int = 2) -> list[Recognition]:
    font = OneFont(Candidates(bundle, prior=prior))
    for answers in batches:
        font.add(answers, [1] * len(answers))
    return [found for [found] in font.recognise(k)]


def _best(found: list[Recognition]) -> str:
    return "".join(one.predictions[0].label.character.text for one in found)


def test_a_label_that_one_glyph_has_is_no_other_glyph_s(bundle: Bundle) -> None:
    answers = _answers({"o": 3.0, "0": 2.0}, {"o": 1.5, "0": 1.0})
    assert _best(Candidates(bundle).recognise(answers, 1)) == "oo"
    assert _best(_read(bundle, answers, prior=Prior.UNIFORM)) in ("o0", "0o")
    sure = _answers({"o": 9.0, "0": 2.0}, {"o": 1.5, "0": 1.0})
    assert _best(_read(bundle, sure)) == "o0"


def test_what_fits_nothing_else_shares_a_label(bundle: Bundle) -> None:
    alternates = _answers({"a": 9.0}, {"a": 9.0}, {"a": 9.0})
    found = _read(bundle, alternates)
    assert _best(found) == "aaa"
    assert all(one.predictions[0].probability > 0.9 for one in found)


def test_company_decides_between_scripts(bundle: Bundle) -> None:
    """A Georgian letter is found in fonts without Cyrillic ones: there the a is Latin."""
    either = {"a": 0.0, "а": 1.0}
    alone = Candidates(bundle, prior=Prior.UNIFORM).recognise(_answers(either), 1)
    assert _best(alone) == "а"
    assert _best(_read(bundle, _answers(either, {"o": 5.0}, {"0": 5.0})))[0] == "a"
    assert _best(_read(bundle, _answers({"a": 5.0}, either, {"o": 5.0}, {"о": 5.0})))[1] == "а"


def test_a_text_is_in_one_script(bundle: Bundle) -> None:
    """Fonts with Cyrillic letters have Latin ones, too; texts seldom."""
    either = {"a": 0.0, "а": 1.0}
    assert _best(_read(bundle, _answers(either, {"о": 5.0}), prior=Prior.TEXT)) == "ао"
    assert _best(_read(bundle, _answers(either, {"o": 5.0}), prior=Prior.TEXT)) == "ao"


def test_glyphs_that_are_drawn_alike_have_a_label_each_the_commonest_first(bundle: Bundle) -> None:
    font = OneFont(Candidates(bundle))
    font.add(_answers({"а": 3.0, "a": 2.9}, {"0": 9.0}), [2, 1])
    twice, once = font.recognise(2)
    assert [_best([one]) for one in twice] == ["a", "а"]
    assert _best(once) == "0"
    for one in twice:
        shares = [prediction.probability for prediction in one.predictions]
        assert shares == sorted(shares, reverse=True)


def test_alternates_of_a_letter_that_are_drawn_alike_are_that_letter(bundle: Bundle) -> None:
    font = OneFont(Candidates(bundle))
    font.add(_answers({"a": 9.0, "o": 2.0}, {"o": 9.0}), [3, 1])
    alternates, [other] = font.recognise(1)
    assert _best([*alternates, other]) == "aaao"


def test_of_labels_that_are_as_good_the_commonest_is_meant(bundle: Bundle) -> None:
    assert _best(_read(bundle, _answers({"а": 1.1, "a": 1.0}))) == "a"


def test_candidates_hold(bundle: Bundle) -> None:
    font = OneFont(Candidates(bundle, scripts=["Cyrl"]))
    font.add(_answers({"a": 9.0, "а": 1.0}, {"o": 9.0}), [1, 1])
    found = [one for [one] in font.recognise(9)]
    assert {prediction.label.character.script for one in found for prediction in one.predictions} == {"Cyrl"}
    assert [len(one.predictions) for one in found] == [2, 2]


def test_labels_of_no_repertoire_are_read_by_how_common_they_are(bundle: Bundle) -> None:
    private = tuple(Label(0xE000 + number) for number in range(len(LABELS)))
    own = replace(bundle, labels=private)
    found = _read(own, _answers({"a": 3.0, "а": 3.0}, {LETTERS[5]: 9.0}))
    assert [one.predictions[0].label for one in found] == [private[0], private[5]]


def test_no_glyphs_no_answers(bundle: Bundle) -> None:
    assert _read(bundle) == []


def test_what_looks_like_nothing_known_is_told_so(bundle: Bundle) -> None:
    strict = replace(bundle, manifest=replace(bundle.manifest, known_threshold=0.5))
    answers = Answers(_answers({"a": 3.0}, {"o": 3.0}).logits, np.array([[-1, 0], [1, 0]], np.float32))
    assert [one.known for one in _read(strict, answers)] == [False, True]
    assert [one.known for one in Candidates(strict).recognise(answers, 1)] == [False, True]


LOGITS = st.lists(
    st.lists(st.floats(-8, 8, width=32), min_size=len(LETTERS), max_size=len(LETTERS)), min_size=1, max_size=9
)


@given(LOGITS, st.sampled_from(list(Prior)), st.integers(0, 9))
def test_how_glyphs_are_told_changes_nothing(
    bundle: Bundle, logits: list[list[float]], prior: Prior, cut: int
) -> None:
    whole = Answers(
        np.array(logits, np.float32), np.tile(np.array([[1.0, 0.0]], np.float32), (len(logits), 1))
    )
    parts = [Answers(whole.logits[rows], whole.embeddings[rows]) for rows in (slice(cut), slice(cut, None))]
    once = _read(bundle, whole, prior=prior, k=9)
    assert _read(bundle, *(part for part in parts if len(part)), prior=prior, k=9) == once
    for one in once:
        shares = [prediction.probability for prediction in one.predictions]
        assert len(shares) == len(LETTERS)
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) == pytest.approx(1, abs=1e-4)


@given(LOGITS, st.integers(0, 2**32))
def test_the_order_of_glyphs_changes_nothing(bundle: Bundle, logits: list[list[float]], seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(logits))
    rows = np.array(logits, np.float32)
    like = np.tile(np.array([[1.0, 0.0]], np.float32), (len(rows), 1))
    there = _read(bundle, Answers(rows, like))
    back = _read(bundle, Answers(rows[order], like))
    for place, number in enumerate(order):
        one, other = there[number].predictions[0], back[place].predictions[0]
        assert one.probability == pytest.approx(other.probability, abs=1e-3)
