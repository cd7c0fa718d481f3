from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from string import ascii_letters

import numpy as np
import pytest
from PIL import Image

from glyphs.equivalence import Equivalence, Evidence
from glyphs.errors import BadDataset
from glyphs.labels import Form, Label
from glyphs.raster import RasterSettings
from glyphs.splits import Split
from recognition.bundle import Bundle
from training.data import open_source
from training.data.glyphs import GlyphSource
from training.evaluation import Examined, Record, Subject, examine

A, B = Label(ord("A")), Label(ord("B"))


@pytest.fixture
def source(dataset_file: Path) -> Iterator[GlyphSource]:
    with GlyphSource.open(dataset_file) as opened:
        yield opened


def _figures(source: GlyphSource, answer: str, equivalence: Equivalence) -> dict[str, object]:
    labels = (A, B)
    examined = Examined.of(source, Split.TEST, labels)
    asked = iter(np.tile(examined.truth[:, None], 2).T.ravel())

    def predict(rasters: np.ndarray, metrics: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        logits = np.zeros((len(rasters), 2), np.float32)
        for row in range(len(rasters)):
            logits[row, next(asked, 0) if answer == "right" else 0] = 5.0
        return logits, np.zeros((len(rasters), 128), np.float32)

    subject = Subject(
        predict=predict, labels=labels, families=(1, 1), equivalence=equivalence, settings=RasterSettings()
    )
    return examine(examined, subject)[0]


def test_a_recogniser_that_is_always_right_scores_one(source: GlyphSource) -> None:
    figures = _figures(source, "right", Equivalence())
    assert figures["with_metrics"]["uniform"]["top1"] == 1.0  # type: ignore[index]
    assert figures["with_metrics"]["uniform"]["macro_top1"] == 1.0  # type: ignore[index]


def test_one_that_always_says_a_is_right_half_the_time_and_always_up_to_equivalence(
    source: GlyphSource,
) -> None:
    figures = _figures(source, "A", Equivalence([Evidence(A, B, "outlines", 3, 3)]))
    uniform = figures["with_metrics"]["uniform"]  # type: ignore[index]
    assert uniform["top1"] == pytest.approx(0.5)
    assert uniform["top5"] == 1.0
    assert uniform["equivalent"] == 1.0


def _always(source: GlyphSource, *logits: float) -> dict[str, float]:
    """Figures of one that gives A and B the same logits whatever it sees; half of what it sees is A."""
    answer = np.array(logits, np.float32)
    subject = Subject(
        predict=lambda rasters, _: (
            np.tile(answer, (len(rasters), 1)), np.zeros((len(rasters), 128), np.float32)
        ),
        labels=(A, B), families=(1, 1), equivalence=Equivalence([Evidence(A, B, "outlines", 3, 3)]),
        settings=RasterSettings(),
    )  # fmt: skip
    figures: dict[str, float] = examine(Examined.of(source, Split.TEST, (A, B)), subject)[0]["with_metrics"][
        "uniform"
    ]
    return figures


def test_of_labels_that_score_alike_the_first_is_the_answer(source: GlyphSource) -> None:
    figures = _always(source, 3.0, 3.0)
    assert figures["top1"] == figures["macro_top1"] == 0.5
    assert figures["top5"] == 1.0


@pytest.mark.parametrize("logits", [(np.nan, np.nan), (5.0, np.nan), (np.nan, 5.0)])
def test_an_answer_that_is_no_number_is_right_nowhere(
    source: GlyphSource, logits: tuple[float, float]
) -> None:
    assert not any(_always(source, *logits).values())


def test_a_label_that_no_training_family_has_counts_in_the_prior_as_one_of_a_single_family(
    tiny_bundle: Bundle,
) -> None:
    families = (0, 1, *tiny_bundle.families[2:])
    subject = Subject(
        predict=lambda rasters, metrics: (rasters, metrics), labels=tiny_bundle.labels, families=families,
        equivalence=Equivalence(), settings=RasterSettings(),
    )  # fmt: skip
    assert subject.log_prior[0] == subject.log_prior[1] == 0.0
    assert np.array_equal(subject.log_prior[2:], tiny_bundle.log_prior[2:])


def test_a_split_without_the_labels_is_refused(source: GlyphSource) -> None:
    with pytest.raises(BadDataset):
        Examined.of(source, Split.TEST, (Label(0x1F600),))


def _knows_the_first(examined: Examined, labels: tuple[Label, ...]) -> tuple[dict[str, object], Record]:
    """Examine a subject that always answers the first label, with embeddings of its own truth."""
    truth = iter(np.repeat(examined.truth, len(examined.ceiling)).tolist())

    def predict(rasters: np.ndarray, metrics: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        logits = np.zeros((len(rasters), len(labels)), np.float32)
        logits[:, 0] = 5.0
        return logits, np.eye(128, dtype=np.float32)[[next(truth, 0) for _ in rasters]]

    subject = Subject(
        predict=predict, labels=labels, families=(1,) * len(labels), equivalence=Equivalence(),
        settings=RasterSettings(),
    )  # fmt: skip
    return examine(examined, subject)


def test_known_glyphs_are_told_from_other_labels_and_from_other_scripts(source: GlyphSource) -> None:
    labels = tuple(Label(ord(letter)) for letter in ascii_letters)
    examined = Examined.of(source, Split.TRAIN, labels)
    scripts = np.array([source.labels()[int(i)].character.script for i in examined.unknown.label])
    assert 0 < examined.foreign.mean() < 1
    assert np.array_equal(examined.foreign, scripts != "Latn")
    asked = iter([*([1.0] * len(examined.table)), *np.where(examined.foreign, 0.0, 2.0).tolist()])
    subject = Subject(
        predict=lambda rasters, metrics: (
            np.zeros((len(rasters), len(labels)), np.float32), np.ones((len(rasters), 128), np.float32)
        ),
        labels=labels, families=(1,) * len(labels), equivalence=Equivalence(), settings=RasterSettings(),
        familiar=lambda logits, embeddings: np.array([next(asked) for _ in logits], np.float32),
    )  # fmt: skip
    figures, _ = examine(examined, subject)
    assert figures["known_auroc_whole_scripts"] == 1.0
    assert figures["known_auroc"] == pytest.approx(examined.foreign.mean())


def test_the_record_holds_what_was_answered_and_how_surely(source: GlyphSource) -> None:
    figures, record = _knows_the_first(Examined.of(source, Split.TEST, (A, B)), (A, B))
    assert (record.answer == 0).all()
    assert record.places.tolist() == [[0, 1]] * len(record)
    assert record.probabilities[:, 0] == pytest.approx(1 / (1 + np.exp(-5)))
    assert record.embedding.dtype == np.float16
    assert figures["prediction_cv"] == pytest.approx(1.0)


def test_parts_are_told_by_class_and_by_diacritic(source: GlyphSource) -> None:
    labels = A, Label(ord("À")), Label(0x628, Form.INIT)
    figures, _ = _knows_the_first(Examined.of(source, Split.TEST, labels), labels)
    assert {"latn_uppercase", "arab_letter"} == set(figures["by_char_class"])  # type: ignore[call-overload]
    assert {"Arabic positional", "Marks and letters with diacritics"} == set(figures["subsets"])  # type: ignore[call-overload]


def test_the_same_glyphs_can_be_asked_of_a_model_with_more_labels(source: GlyphSource) -> None:
    examined = Examined.of(source, Split.TEST, (A, B))
    moved = examined.among((A, B), (Label(ord("0")), B, A))
    assert np.array_equal(moved.truth, np.where(examined.truth == 0, 2, 1))
    assert not len(moved.unknown)


def test_pictures_without_metrics_are_asked_once_without(tmp_path: Path) -> None:
    for blue, split in enumerate(("train", "validation")):
        for shade, name in ((90, "cat"), (200, "dog")):
            folder = tmp_path / split / name
            folder.mkdir(parents=True)
            for number in range(4):
                Image.new("RGB", (20, 24), (shade, number, blue)).save(folder / f"{number}.png")
    with open_source(tmp_path, colour=True) as source:
        labels = tuple(source.labels().values())
        examined = Examined.of(source, Split.VALIDATION, labels)
        figures, _ = _knows_the_first(examined, labels)
    assert set(figures["ceiling"]) == {"without_metrics"}  # type: ignore[call-overload]
    assert "with_metrics" not in figures
    assert figures["without_metrics"]["fonts"]["top1"] == 0.5  # type: ignore[index]
    assert "known_auroc" not in figures
    assert next(examined.rasters(examined.table, RasterSettings(32, 28)))[1].shape == (8, 3, 32, 32)
