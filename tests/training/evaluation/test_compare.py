from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from glyphery.evaluating import predictor
from glyphs.errors import BadInput
from glyphs.labels import Label
from glyphs.splits import Split
from recognition.bundle import Bundle
from training.data.glyphs import GlyphSource
from training.evaluation import Subject
from training.evaluation.compare import Comparison, common_labels
from training.models.inventory import ModelCard


@pytest.fixture(scope="module")
def subjects(tiny_run: Path, tiny_bundle: Bundle) -> list[Subject]:
    return [predictor(tiny_run, threads=1), predictor(tiny_bundle.path, threads=1)]


def test_only_labels_that_all_know_are_asked(subjects: list[Subject]) -> None:
    first, second = subjects
    fewer = replace(second, labels=second.labels[3:])
    assert common_labels([first, fewer]) == first.labels[3:]
    with pytest.raises(BadInput, match="No label is known"):
        common_labels([first, replace(second, labels=(Label(0xF0000),))])


def test_a_checkpoint_and_its_bundle_come_out_equal_and_are_drawn(
    subjects: list[Subject], dataset_file: Path, tmp_path: Path
) -> None:
    with GlyphSource.open(dataset_file) as source:
        comparison = Comparison.on(source, Split.TEST, common_labels(subjects), limit=60)
    comparison.add("checkpoint", subjects[0], ModelCard("levit_128s", 7_000_000, 200_000_000), 28_000_000)
    comparison.add("bundle", subjects[1], None, 28_000_000)
    checkpoint, bundle = comparison.rows
    assert checkpoint.top5 == bundle.top5
    assert checkpoint.retrieval == bundle.retrieval
    assert min(bundle.milliseconds, bundle.per_second) > 0

    headings, cells = comparison.table()
    assert headings == ["", "checkpoint", "bundle"]
    assert ["parameters", "7,000,000", "–"] in cells

    comparison.write(tmp_path / "out")
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["comparison.csv", "comparison.png", "metrics.json"]
    assert len(json.loads((tmp_path / "out" / "metrics.json").read_text())["models"]) == 2
    with (tmp_path / "out" / "comparison.csv").open(newline="") as file:
        assert [row["name"] for row in csv.DictReader(file)] == ["checkpoint", "bundle"]
