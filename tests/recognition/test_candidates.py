from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bundles import default_bundle
from glyphs.equivalence import Equivalence, Evidence
from glyphs.labels import Form, Label
from glyphs.raster import RasterSettings
from recognition.bundle import Bundle, Manifest
from recognition.candidates import Candidates, NoCandidates, described
from recognition.priors import Prior
from recognition.recogniser import Answers

LATIN, GREEK, AIN = Label(ord("A")), Label(0x391), Label(0x639, Form.INIT)
LABELS = (LATIN, GREEK, AIN)
LOGITS = np.array([[1.0, 1.5, 0.0]], np.float32)
PROTOTYPES = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], np.float32)  # A and Alpha look alike
LIKE_A, LIKE_AIN = PROTOTYPES[:1], PROTOTYPES[2:]
ANSWERS = Answers(LOGITS, LIKE_A)


@pytest.fixture
def bundle() -> Bundle:
    manifest = Manifest(
        name="m", version="1", raster=RasterSettings(), embedding=2, labels=3, known_threshold=0.7
    )
    equivalence = Equivalence([Evidence(LATIN, GREEK, "outlines", 9, 8)])
    return Bundle(Path(), "", manifest, "sha256:0", LABELS, (900, 90, 9), equivalence, {}, PROTOTYPES)


def _best(candidates: Candidates) -> Label:
    return candidates.recognise(ANSWERS, 1)[0].predictions[0].label


def test_the_prior_tips_the_scales(bundle: Bundle) -> None:
    assert _best(Candidates(bundle, prior=Prior.UNIFORM)) == GREEK
    assert _best(Candidates(bundle, prior=Prior.FONTS)) == LATIN


def test_probabilities_are_bayes_rule(bundle: Bundle) -> None:
    found = Candidates(bundle, prior=Prior.FONTS).probabilities(LOGITS)[0]
    expected = np.exp(LOGITS[0]) * [900, 90, 9]
    assert found == pytest.approx(expected / expected.sum(), abs=1e-6)


@pytest.mark.parametrize(
    ("restriction", "left"),
    [
        ({"scripts": ["Grek"]}, {GREEK}),
        ({"scripts": ["grek", "ARAB"]}, {GREEK, AIN}),
        ({"charset": "Aع"}, {LATIN, AIN}),
        ({"charset": "\N{ARABIC LETTER AIN FINAL FORM}"}, {AIN}),
        ({"labels": [AIN]}, {AIN}),
        ({"scripts": ["Latn"], "charset": "AB"}, {LATIN}),
    ],
)
def test_restrictions_leave_only_what_is_possible(
    bundle: Bundle, restriction: dict, left: set[Label]
) -> None:
    predictions = Candidates(bundle, **restriction).recognise(ANSWERS, 10)[0].predictions
    assert {prediction.label for prediction in predictions} == left
    assert sum(prediction.probability for prediction in predictions) == pytest.approx(1.0)


def test_nothing_possible_is_an_error(bundle: Bundle) -> None:
    with pytest.raises(NoCandidates):
        Candidates(bundle, scripts=["Thai"])


def test_a_glyph_is_as_likely_alone_as_among_others() -> None:
    bundle = Bundle.load(default_bundle())
    logits = np.random.default_rng(0).normal(0, 3, (40, len(bundle.labels))).astype(np.float32)
    for context in ({"prior": Prior.TEXT}, {"prior": Prior.UNIFORM}, {"scripts": ["Latn"]}):
        candidates = Candidates(bundle, **context)
        together = candidates.probabilities(logits)
        assert np.array_equal(
            together, np.concatenate([candidates.probabilities(row[None]) for row in logits])
        )
        assert np.allclose(together.sum(axis=1), 1, atol=1e-6, rtol=0)


def test_predictions_come_best_first_with_their_equivalents(bundle: Bundle) -> None:
    recognition = Candidates(bundle).recognise(ANSWERS, 3)[0]
    chances = [prediction.probability for prediction in recognition.predictions]
    assert chances == sorted(chances, reverse=True)
    assert recognition.predictions[0].equivalents == (GREEK,)


def test_known_is_what_both_heads_agree_on_whatever_the_caller_assumes(bundle: Bundle) -> None:
    # As sure an A or Alpha as before, but it looks like an Ain.
    for restriction in ({"prior": Prior.UNIFORM}, {"prior": Prior.FONTS}, {"labels": [AIN]}):
        candidates = Candidates(bundle, **restriction)
        assert candidates.recognise(ANSWERS, 1)[0].known
        assert not candidates.recognise(Answers(LOGITS, LIKE_AIN), 1)[0].known


def test_temperature_spreads_probabilities_and_changes_no_order(bundle: Bundle) -> None:
    warm = replace(bundle, manifest=replace(bundle.manifest, temperature=3.0))
    sharp, soft = (Candidates(b).recognise(ANSWERS, 3)[0].predictions for b in (bundle, warm))
    assert [p.label for p in sharp] == [p.label for p in soft]
    assert sharp[0].probability > soft[0].probability
    assert sharp[2].probability < soft[2].probability


def test_the_described_answer_has_the_contract_s_fields(bundle: Bundle) -> None:
    answer = described(Candidates(bundle, labels=[AIN]).recognise(ANSWERS, 1)[0])
    assert answer["predictions"] == [
        {
            "label": "1593_init", "codepoint": "U+0639", "character": "ع", "form": "init",
            "name": "ARABIC LETTER AIN", "script": "Arab", "probability": 1.0, "equivalents": [],
        }
    ]  # fmt: skip


def test_a_label_that_stands_for_no_character_is_called_as_the_bundle_calls_it(bundle: Bundle) -> None:
    named = replace(bundle, names={bundle.labels[2]: "oak"})
    [recognition] = Candidates(named).recognise(ANSWERS, 3)
    names = {prediction.label: prediction.name for prediction in recognition.predictions}
    assert names[bundle.labels[2]] == "oak"
    assert names[bundle.labels[0]] == bundle.labels[0].character.name
    assert "oak" in str(described(recognition)["predictions"])
