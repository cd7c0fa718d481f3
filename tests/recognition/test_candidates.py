from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from glyphs.equivalence import Equivalence, Evidence
from glyphs.labels import Form, Label
from glyphs.raster import RasterSettings
from recognition.bundle import Bundle, Manifest
from recognition.candidates import Candidates, NoCandidates, Prior, described

LATIN, GREEK, AIN = Label(ord("A")), Label(0x391), Label(0x639, Form.INIT)
LABELS = (LATIN, GREEK, AIN)
LOGITS = np.array([[1.0, 1.5, 0.0]], np.float32)


@pytest.fixture
def bundle() -> Bundle:
    manifest = Manifest(
        name="m", version="1", raster=RasterSettings(), embedding=128, labels=3, known_threshold=0.7
    )
    equivalence = Equivalence([Evidence(LATIN, GREEK, "outlines", 9, 8)])
    return Bundle(Path(), manifest, "sha256:0", LABELS, (900, 90, 9), equivalence, {})


def _best(candidates: Candidates) -> Label:
    return candidates.recognise(LOGITS, 1)[0].predictions[0].label


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
        ({"labels": [AIN]}, {AIN}),
        ({"scripts": ["Latn"], "charset": "AB"}, {LATIN}),
    ],
)
def test_restrictions_leave_only_what_is_possible(
    bundle: Bundle, restriction: dict, left: set[Label]
) -> None:
    predictions = Candidates(bundle, **restriction).recognise(LOGITS, 10)[0].predictions
    assert {prediction.label for prediction in predictions} == left
    assert sum(prediction.probability for prediction in predictions) == pytest.approx(1.0)


def test_nothing_possible_is_an_error(bundle: Bundle) -> None:
    with pytest.raises(NoCandidates):
        Candidates(bundle, scripts=["Thai"])


def test_predictions_come_best_first_with_their_equivalents(bundle: Bundle) -> None:
    recognition = Candidates(bundle).recognise(LOGITS, 3)[0]
    chances = [prediction.probability for prediction in recognition.predictions]
    assert chances == sorted(chances, reverse=True)
    assert recognition.predictions[0].equivalents == (GREEK,)


def test_known_is_judged_with_nothing_assumed(bundle: Bundle) -> None:
    # A and its look-alike Alpha count together: 0.88 of the sure one, 0.67 of the unsure one.
    unsure, sure = np.zeros((1, 3), np.float32), LOGITS
    for prior in Prior:
        assert not Candidates(bundle, prior=prior).recognise(unsure, 1)[0].known
        assert Candidates(bundle, prior=prior).recognise(sure, 1)[0].known


def test_the_described_answer_has_the_contract_s_fields(bundle: Bundle) -> None:
    answer = described(Candidates(bundle, labels=[AIN]).recognise(LOGITS, 1)[0])
    assert answer["predictions"] == [
        {
            "label": "1593_init", "codepoint": "U+0639", "character": "ع", "form": "init",
            "name": "ARABIC LETTER AIN", "script": "Arab", "probability": 1.0, "equivalents": [],
        }
    ]  # fmt: skip


def test_a_label_that_stands_for_no_character_is_called_as_the_bundle_calls_it(bundle: Bundle) -> None:
    named = replace(bundle, names={bundle.labels[2]: "oak"})
    [recognition] = Candidates(named).recognise(LOGITS[:1], 3)
    names = {prediction.label: prediction.name for prediction in recognition.predictions}
    assert names[bundle.labels[2]] == "oak"
    assert names[bundle.labels[0]] == bundle.labels[0].character.name
    assert "oak" in str(described(recognition)["predictions"])
