from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from glyphery.evaluating import predictor
from glyphs.errors import BadInput
from glyphs.splits import Split
from training.data.glyphs import GlyphSource
from training.evaluation import Examined, examine
from training.evaluation.report import Report


@pytest.fixture(scope="module")
def report(tiny_run: Path, dataset_file: Path) -> Iterator[Report]:
    subject = predictor(tiny_run)
    with GlyphSource.open(dataset_file) as source:
        examined = Examined.of(source, Split.TEST, subject.labels, limit=120)
        figures, record = examine(examined, subject)
        yield Report(
            "tiny", {"split": "test"} | figures, record, examined, source, [tiny_run / "metrics.jsonl"]
        )


@pytest.fixture(scope="module")
def folder(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("reports") / "report"
    report.write(out)
    return out


def test_the_page_needs_nothing_beside_it(folder: Path) -> None:
    page = (folder / "report.html").read_text(encoding="utf-8")
    sources = re.findall(r'(?:src|href)="([^"]{0,30})', page)
    assert len(sources) >= 9
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert "prefers-color-scheme: dark" in page
    for heading in (
        "Calibration",
        "Most confused pairs",
        "Attention",
        "Training",
        "The embedding from above",
    ):
        assert f"<h2>{heading}</h2>" in page


def test_every_picture_of_the_page_lies_beside_it_and_shows_something(folder: Path) -> None:
    pictures = sorted(folder.glob("*.png"))
    assert len(pictures) == (folder / "report.html").read_text(encoding="utf-8").count("<img ")
    for picture in pictures:
        low, high = Image.open(picture).convert("L").getextrema()
        assert high - low > 64


def test_the_figures_are_written_as_they_were_measured(folder: Path, report: Report) -> None:
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["with_metrics"] == report.figures["with_metrics"]
    assert sum(b["share"] for b in metrics["reliability"]) == pytest.approx(1.0)


def test_the_answers_are_read_back_without_unpickling(folder: Path, report: Report) -> None:
    with np.load(folder / "predictions.npz", allow_pickle=False) as saved:
        assert np.array_equal(saved["truth"], report.record.truth)
        assert saved["places"].shape == saved["probabilities"].shape == (120, 10)
        assert saved["embedding"].dtype == np.float16
        assert list(saved["labels"]) == [str(label) for label in report.record.subject.labels]


def test_every_class_that_was_asked_or_answered_has_its_line(folder: Path, report: Report) -> None:
    with (folder / "per_class.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert sum(int(row["count"]) for row in rows) == 120
    assert len(rows) == len(np.union1d(report.record.truth, report.record.answer))
    assert all(0 <= float(row["f1"]) <= 1 for row in rows)


def test_a_report_is_replaced_and_anything_else_is_left_alone(report: Report, tmp_path: Path) -> None:
    bare = replace(report, record=replace(report.record, subject=replace(report.record.subject, model=None)))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(BadInput, match="no report"):
        bare.write(tmp_path / "mine")
    assert [file.name for file in tmp_path.rglob("*")] == ["mine", "letter.txt"]
    old = tmp_path / "old"
    old.mkdir()
    (old / "metrics.json").write_text("{}")
    with pytest.raises(BadInput, match="no report"):  # others write files of that name, too
        bare.write(old)
    (old / "per_class.csv").touch()
    (old / "attention.png").touch()
    bare.write(old)
    assert not (old / "attention.png").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "old"]
