from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from glyphery.evaluating import predictor
from glyphs.errors import BadInput
from glyphs.raster import RasterSettings
from recognition.bundle import Bundle
from training.data.source import Pixels
from training.evaluation import Subject
from training.evaluation.ensembles import MOVES, averaged, ensemble, move, moved
from training.evaluation.measures import Floats, log_probabilities

RASTERS = np.random.default_rng(0).integers(0, 256, (3, 128, 128), np.uint8)
METRICS = np.full((3, 4), np.nan, np.float32)


@pytest.fixture(scope="module")
def subject(tiny_run: Path) -> Subject:
    return predictor(tiny_run)


def test_an_ensemble_of_one_model_with_itself_answers_as_that_model_does(subject: Subject) -> None:
    alone, embedding = subject.predict(RASTERS, METRICS)
    logits, together = ensemble([subject, subject]).predict(RASTERS, METRICS)
    assert logits == pytest.approx(log_probabilities(alone), abs=1e-4)
    assert together == pytest.approx(embedding, abs=1e-5)


def test_a_bundle_and_its_checkpoint_make_an_ensemble_without_an_index(
    subject: Subject, tiny_bundle: Bundle
) -> None:
    both = ensemble([predictor(tiny_bundle.path), subject])
    assert predictor(tiny_bundle.path).neighbours is not None
    assert both.neighbours is None
    assert np.linalg.norm(both.predict(RASTERS, METRICS)[1], axis=1) == pytest.approx(1.0, abs=1e-5)


def test_each_model_of_an_ensemble_is_as_sure_as_its_own_temperature_has_it(subject: Subject) -> None:
    def other(rasters: Pixels, metrics: Floats) -> tuple[Floats, Floats]:
        logits, embedding = subject.predict(rasters, metrics)
        return 9 * logits[:, ::-1], embedding

    families = tuple(range(1, len(subject.labels) + 1))
    quiet, loud = (
        replace(subject, predict=predict, temperature=temperature, families=families)
        for predict, temperature in ((subject.predict, 1.5), (other, 9.0))
    )

    def likely(one: Subject, logits: Floats) -> Floats:
        return (logits + one.log_prior) / one.temperature

    wanted = (
        likely(quiet, quiet.predict(RASTERS, METRICS)[0]) + likely(loud, other(RASTERS, METRICS)[0])
    ) / 2
    for both in (ensemble([quiet, loud]), ensemble([loud, quiet])):
        found = likely(both, both.predict(RASTERS, METRICS)[0])
        assert log_probabilities(found) == pytest.approx(log_probabilities(wanted), abs=1e-4)


def test_an_ensemble_has_no_familiarity_for_prototypes_are_of_one_model(
    subject: Subject, tiny_bundle: Bundle
) -> None:
    alone = predictor(tiny_bundle.path)
    assert alone.familiar is not None
    assert ensemble([alone, subject]).familiar is None


def test_models_with_other_labels_or_rasters_make_no_ensemble(subject: Subject) -> None:
    with pytest.raises(BadInput, match="one set of labels"):
        ensemble([subject, replace(subject, labels=subject.labels[1:])])
    with pytest.raises(BadInput, match="one set of labels"):
        ensemble([subject, replace(subject, names={subject.labels[0]: "oak"})])
    with pytest.raises(BadInput, match="one raster"):
        ensemble([subject, replace(subject, settings=RasterSettings(64, 56))])


def test_a_confident_model_does_not_outvote_two() -> None:
    def says(*logits: float) -> Floats:
        return np.array([logits], np.float32)

    def one(*logits: float) -> tuple[Floats, Floats]:
        return says(*logits), np.array([[1.0, 0.0]], np.float32)

    answers = [one(4, 0, -9), one(-9, 0, 4), one(-9, 3, -9)]
    predict = averaged([lambda *_, answer=answer: answer for answer in answers])
    assert predict(RASTERS[:1], METRICS[:1])[0].argmax() == 1


def test_moves_start_with_none_and_are_all_different() -> None:
    assert MOVES[0] == (1.0, (0, 0))
    assert len(set(MOVES)) == len(MOVES) == 27
    assert np.array_equal(move(RASTERS, *MOVES[0]), RASTERS)


def test_a_raster_moves_right_and_down_and_grows_about_its_middle() -> None:
    raster = np.zeros((1, 32, 32), np.uint8)
    raster[0, 8:24, 8:24] = 255
    assert np.array_equal(move(raster, 1.0, (1, 2)), np.roll(raster, (2, 1), axis=(1, 2)))
    grown = move(raster, 1.05, (0, 0)).astype(int)
    assert grown.sum() > raster.astype(int).sum()
    assert np.array_equal(grown, grown[:, ::-1, ::-1])


def test_colour_pictures_move_as_one() -> None:
    colours = np.repeat(RASTERS[:, None], 3, axis=1)
    assert np.array_equal(move(colours, 0.95, (1, 0))[:, 2], move(RASTERS, 0.95, (1, 0)))


def test_one_unmoved_copy_changes_nothing_but_the_scale_of_the_logits(subject: Subject) -> None:
    alone, embedding = subject.predict(RASTERS, METRICS)
    logits, same = moved(subject.predict, 1)(RASTERS, METRICS)
    assert logits == pytest.approx(log_probabilities(alone), abs=1e-4)
    assert same == pytest.approx(embedding, abs=1e-5)
