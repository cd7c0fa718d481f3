from __future__ import annotations

import dataclasses
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from benchmarks.glyphs import leaks, report
from benchmarks.glyphs.accuracy import accuracy
from benchmarks.glyphs.asked import Asked, cased_matrix, faced
from benchmarks.glyphs.baselines import NearestPixels, outline_lookup
from benchmarks.glyphs.contestants import Contestant, open_contestants
from benchmarks.glyphs.degradations import CLEAN, DEGRADATIONS, Degradation
from benchmarks.glyphs.freeze import frozen
from benchmarks.glyphs.labels import FROZEN, AskedLabels
from benchmarks.glyphs.results import Results
from benchmarks.glyphs.run import run
from glyphs.dataset.build import build
from glyphs.dataset.store import Dataset
from glyphs.equivalence import Equivalence, Evidence
from glyphs.errors import BadInput
from glyphs.labels import Label
from glyphs.outline import Outline
from glyphs.picture import read_picture
from glyphs.raster import RasterSettings
from glyphs.splits import Split
from recognition.bundle import Bundle
from tests.conftest import FontMaker
from training.data.glyphs import GlyphSource
from training.evaluation import Floats, Subject

SETTINGS = RasterSettings(size=32, box=28)
LETTERS = tuple(Label(ord(letter)) for letter in "abcdefghijklmnop")


@pytest.fixture
def source(dataset_file: Path) -> Iterator[GlyphSource]:
    with GlyphSource.open(dataset_file) as opened:
        yield opened


@pytest.fixture
def labels(source: GlyphSource) -> AskedLabels:
    """What is asked of the small dataset: every label of two training families."""
    return frozen(source, least=2)


@pytest.fixture
def outlines(source: GlyphSource) -> list[Outline]:
    """A few letters of a serif font, whose strokes are neither hairlines nor blocks."""
    asked = {Label(ord(letter)) for letter in "agHR8s"}
    table, known, fonts = source.table(Split.TRAIN), source.labels(), source.fonts()
    rows = [
        row
        for row in range(len(table))
        if known[int(table.label[row])] in asked and "Serif" in fonts[int(table.font[row])][0]
    ]
    shapes = source.shapes(table.shape[rows].tolist())
    found = [shapes.get(int(shape)) for shape in table.shape[rows]]
    return [outline for outline in found if isinstance(outline, Outline)][:6]


def always(labels: tuple[Label, ...], answer: Label) -> Subject:
    """A recogniser that says the same whatever it sees."""

    def predict(rasters: NDArray[np.uint8], metrics: Floats) -> tuple[Floats, Floats]:
        logits = np.zeros((len(rasters), len(labels)), np.float32)
        logits[:, labels.index(answer)] = 9
        embeddings = np.zeros((len(rasters), 8), np.float32)
        embeddings[:, 0] = 1
        return logits, embeddings

    return Subject(
        predict=predict, labels=labels, families=(1,) * len(labels), equivalence=Equivalence(),
        settings=SETTINGS,
    )  # fmt: skip


# --- degradations -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_every_degradation_can_be_read_at_its_weakest(name: str, outlines: list[Outline]) -> None:
    degradation = DEGRADATIONS[name]
    for number, outline in enumerate(outlines):
        raster = read_picture(degradation.picture(outline, degradation.strengths[0], number))
        assert raster.max() > 128


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_the_same_glyph_degrades_to_the_same_bytes(name: str, outlines: list[Outline]) -> None:
    degradation = DEGRADATIONS[name]
    first, again = (degradation.picture(outlines[0], degradation.middle, 7) for _ in range(2))
    assert first == again


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_the_middle_strength_is_one_of_the_strengths(name: str) -> None:
    assert DEGRADATIONS[name].middle in DEGRADATIONS[name].strengths


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_a_picture_departs_further_from_clean_with_strength(name: str, outlines: list[Outline]) -> None:
    degradation = DEGRADATIONS[name]
    distances = [
        np.mean(
            [_distance(degradation, strength, outline, number) for number, outline in enumerate(outlines)]
        )
        for strength in degradation.strengths
    ]
    assert all(before < later for before, later in pairwise(distances))


def _distance(degradation: Degradation, strength: float, outline: Outline, number: int) -> float:
    """Mean difference, grey levels, between a degraded and a clean picture."""
    pictures = CLEAN.picture(outline, CLEAN.middle, number), degradation.picture(outline, strength, number)
    clean, degraded = (
        np.asarray(Image.open(io.BytesIO(picture)).convert("L").resize((128, 128)), float)
        for picture in pictures
    )
    return float(np.abs(clean - degraded).mean())


# --- what is asked ------------------------------------------------------------------------------


def test_the_frozen_list_can_be_read_and_holds_enough() -> None:
    asked = AskedLabels.read(FROZEN)
    assert len(asked.labels) >= 3500
    assert list(asked.labels) == sorted(set(asked.labels))
    assert min(asked.families) >= 15


def test_a_list_is_read_as_it_was_written(labels: AskedLabels, tmp_path: Path) -> None:
    labels.write(tmp_path / "labels.txt")
    assert AskedLabels.read(tmp_path / "labels.txt") == labels


def test_a_list_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("A 3\n")
    with pytest.raises(BadInput, match="no list of labels"):
        AskedLabels.read(tmp_path / "labels.txt")


def test_glyphs_of_a_label_that_is_not_known_count_as_wrong(
    source: GlyphSource, labels: AskedLabels, tmp_path: Path
) -> None:
    asked = Asked(source, Split.TEST, labels, limit=0)
    hidden = asked.labels[int(asked.examined.truth[0])]
    rest = tuple(label for label in asked.labels if label != hidden)
    known = accuracy(asked, always(asked.labels, hidden), tmp_path / "known.npz")
    unknown = accuracy(asked, always(rest, rest[0]), tmp_path / "unknown.npz")
    assert known["glyphs"] == unknown["glyphs"]
    assert unknown["labels_known"] == known["labels_known"] - 1
    assert (
        unknown["glyphs_of_unknown_labels"] == np.sum(asked.labels.index(hidden) == asked.examined.truth) > 0
    )
    with np.load(tmp_path / "unknown.npz") as record:
        of_hidden = record["truth"] == asked.labels.index(hidden)
        assert not (record["places"][of_hidden] == record["truth"][of_hidden, None]).any()


def test_labels_of_few_families_are_neither_asked_nor_possible_on_a_shorter_list(
    source: GlyphSource, labels: AskedLabels, tmp_path: Path
) -> None:
    rare = labels.labels[0]
    counted = dataclasses.replace(labels, families=(20, *(21,) * (len(labels.labels) - 1)))
    asked = Asked(source, Split.TEST, counted, limit=0)
    figures = accuracy(asked, always(asked.labels, rare), tmp_path / "answers.npz")
    whole, shorter = figures["lists"]
    of_rare = int(np.sum(asked.examined.truth == 0))
    assert (whole["families"], shorter["families"]) == (15, 21)
    assert whole["top1"] == figures["with_metrics"]["fonts"]["top1"] == of_rare / whole["glyphs"] > 0
    assert whole["equivalent"] == figures["with_metrics"]["fonts"]["equivalent"]
    assert shorter["labels"] == whole["labels"] - 1
    assert shorter["glyphs"] == whole["glyphs"] - of_rare


def test_answers_beyond_the_labels_that_are_asked_are_not_possible() -> None:
    subject = faced(always(LETTERS, LETTERS[0]), LETTERS[1:], Equivalence())
    logits, _ = subject.predict(np.zeros((2, 32, 32), np.uint8), np.zeros((2, 4), np.float32))
    assert logits.shape == (2, len(LETTERS) - 1)
    assert not logits.any()


def test_a_recogniser_of_other_labels_is_refused() -> None:
    with pytest.raises(BadInput, match="knows 3 of the"):
        faced(always(LETTERS, LETTERS[0]), LETTERS[:3], Equivalence())


def test_case_and_equivalence_are_composed() -> None:
    small, capital, omicron, other = (Label(ord(c)) for c in "oOοx")
    alike = Equivalence([Evidence(small, omicron, "outlines", 3, 3)])
    cased = cased_matrix((small, capital, omicron, other), alike)
    assert cased[:3, :3].all()
    assert not cased[3, :3].any()
    assert (cased == cased.T).all()


# --- leaks and baselines ------------------------------------------------------------------------


def test_a_family_under_another_name_is_found(make_font: FontMaker, tmp_path: Path) -> None:
    def drawn(taller: int) -> dict[int, list[list[tuple[int, int]]]]:
        return {
            65 + n: [[(0, 0), (30 * n + 100, 0), (30 * n + 100, 200 + taller), (0, 700 + taller)]]
            for n in range(20)
        }

    make_font("fonts/one.ttf", "One", drawn(0))
    # Taller by a thousandth of an em, so that no outline is the same.
    make_font("fonts/copy.ttf", "Copy", drawn(1))
    make_font(
        "fonts/other.ttf", "Other", {65 + n: [[(0, 0), (30 * n + 100, 0), (0, 700)]] for n in range(20)}
    )
    out = tmp_path / "glyphs.db"
    for _ in build([tmp_path / "fonts"], out, workers=1):
        pass
    dataset = Dataset.create(out)
    with dataset.transaction():
        dataset.exclude({})
        dataset.set_splits({"One": Split.TRAIN, "Copy": Split.TEST, "Other": Split.TEST})
    dataset.close()
    labels = AskedLabels(tuple(Label(c) for c in range(65, 85)), (15,) * 20)
    with GlyphSource.open(out) as source:
        found = leaks.leaks(Asked(source, Split.TEST, labels, limit=0))
    assert found["shared_outlines"] == 0
    copy, other = found["near_duplicates"]
    assert (copy["family"], copy["nearest"], copy["share"], copy["flagged"]) == ("Copy", "One", 1.0, True)
    assert (other["family"], other["nearest"], other["flagged"]) == ("Other", None, False)


def test_rasters_are_near_by_their_relative_difference_alone() -> None:
    rng = np.random.default_rng(0)
    first = rng.integers(0, 256, (30, 64)).astype(np.int16)
    second = np.clip(first + rng.integers(-30, 31, first.shape), 0, 255).astype(np.int16)
    expected = {
        (a, b)
        for a in range(30)
        for b in range(30)
        if np.abs(first[a] - second[b]).sum() / np.maximum(first[a], second[b]).sum() < leaks.NEAR
    }
    assert set(leaks.near_pairs(first, second)) == expected


def test_names_that_differ_in_spelling_alone_may_not_lie_in_two_splits() -> None:
    families = [(1, "Plain Sans", Split.TRAIN, None), (2, "plain-sans", Split.TEST, None)]
    assert ["Plain Sans", "plain-sans"] in leaks.families_in_two_splits(families)


def test_outlines_of_training_are_never_asked(source: GlyphSource, labels: AskedLabels) -> None:
    found = outline_lookup(Asked(source, Split.TEST, labels, limit=0))
    assert found["top1"] == 0
    assert 0 <= found["left_out"] < 1


def test_nearest_pixels_find_themselves(source: GlyphSource, labels: AskedLabels) -> None:
    asked = Asked(source, Split.TEST, labels, limit=0)
    figures = NearestPixels(asked).measured()
    assert figures["top1"] <= figures["equivalent"] <= figures["cased"] <= 1
    assert figures["top1"] <= figures["top10"]
    assert figures["top1"] > 5 / len(labels.labels)  # far above chance


# --- the whole run ------------------------------------------------------------------------------


def test_a_part_is_made_anew_only_for_other_inputs(tmp_path: Path) -> None:
    made = []

    def make() -> dict[str, int]:
        made.append(1)
        return {"number": len(made)}

    results = Results(tmp_path, {"dataset": "a"})
    assert results.part("x", make, digest="1") == results.part("x", make, digest="1") == {"number": 1}
    assert results.part("x", make, digest="2") == {"number": 2}
    assert Results(tmp_path, {"dataset": "b"}).part("x", make, digest="2") == {"number": 3}
    results.path("x").write_text("half a fi")
    assert results.part("x", make, digest="2") == {"number": 4}


def test_a_run_is_resumed_and_says_the_same(
    tiny_bundle: Bundle, dataset_file: Path, labels: AskedLabels, tmp_path: Path
) -> None:
    def again(contestants: list[Contestant]) -> dict[str, object]:
        return run(
            dataset_file, contestants, Split.TEST, 30, tmp_path / "out", pictures=tmp_path / "pictures",
            labels=labels, degraded_glyphs=6,
        )  # fmt: skip

    (contestant,) = open_contestants([tiny_bundle.path], [], threads=1)
    first = again([contestant])

    def refuse(*_: object) -> tuple[Floats, Floats]:
        raise AssertionError("asked although everything is there")

    silent = dataclasses.replace(contestant.subject, predict=refuse)
    assert again([dataclasses.replace(contestant, subject=silent)]) == first
    (tmp_path / "out" / "parts" / f"degraded-blur-{contestant.name}.json").unlink()
    with pytest.raises(AssertionError, match="asked although"):
        again([dataclasses.replace(contestant, subject=silent)])
    assert again([contestant]) == first
    assert json.loads((tmp_path / "out" / "benchmark.json").read_text()) == first
    page = (tmp_path / "out" / "benchmark.md").read_text(encoding="utf-8")
    for table in report.tables(first):
        assert table.title in page
        assert all(len(row) == len(table.columns) for row in table.rows)
    assert {path.name for path in (tmp_path / "pictures").iterdir()} == {
        "benchmark-answers.png", "benchmark-degraded.png", "benchmark-degradations.png",
    }  # fmt: skip


def says_a() -> Subject:
    """A recogniser of one's own, as `--function` takes it."""
    return always(LETTERS, LETTERS[0])


def test_the_command_measures_a_function_of_ones_own(
    dataset_file: Path, labels: AskedLabels, tmp_path: Path
) -> None:
    AskedLabels(LETTERS, (2,) * len(LETTERS)).write(tmp_path / "labels.txt")
    done = _command(
        "--dataset", dataset_file, "--split", "test", "--limit", 20, "--out", tmp_path / "out",
        "--labels", tmp_path / "labels.txt", "--function", "tests.benchmarks.test_glyphs:says_a",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "out" / "benchmark.json").read_text())
    assert list(figures["recognition"]) == ["says_a"]
    assert "says_a" in done.stdout
    assert (tmp_path / "out" / "benchmark-degraded.png").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--split", "train"), "Choose validation or test"),
        (("--bundle", "nowhere"), "There is no bundle at nowhere"),
    ],
)
def test_a_mistake_gets_one_line_and_an_exit_code(arguments: tuple[str, ...], said: str) -> None:
    done = _command(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def _command(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.glyphs", *map(str, arguments)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="needs Debian's tesseract-ocr")
def test_tesseract_reads_a_plain_letter(outlines: list[Outline]) -> None:
    from benchmarks.glyphs.tesseract import read

    pictures = [CLEAN.picture(outline, CLEAN.middle, 0) for outline in outlines]
    answers = read(pictures)
    assert len(answers) == len(pictures)
    assert any(answers)
