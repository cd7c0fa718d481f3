"""Scoring's thresholds, moved to another model's doubts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.fonts.quantiles import doubts, likenesses, moved, training_faces
from glyphs.dataset.store import Dataset
from glyphs.errors import BadInput
from glyphs.splits import Split
from recognition.bundle import Bundle
from scoring.local import Setup, score_all


@given(st.lists(st.integers(-3000, 3000), min_size=20, max_size=200, unique=True), st.integers(-2000, 2000))
def test_as_many_glyphs_lie_below_as_before(before: list[int], threshold: int) -> None:
    old = np.array(before, float)
    new = 2 * old - 3  # another model's terms
    there = moved(threshold, old, new)
    assert abs(int((new < there).sum()) - int((old < threshold).sum())) <= 1


def test_pairs_of_labels_are_the_same_for_both_and_never_of_one_label() -> None:
    first = np.eye(5, dtype=np.float32)
    same, turned = likenesses([first, first[::-1]])
    assert np.array_equal(same, np.zeros_like(same))
    assert np.array_equal(same, turned)


def test_fonts_are_of_training_families_and_doubts_of_their_glyphs(
    dataset_file: Path, font_dir: Path, tiny_bundle: Bundle, tmp_path: Path
) -> None:
    with Dataset.open(dataset_file) as dataset:
        train = {number for number, _, split, _ in dataset.families() if split is Split.TRAIN}
    faces = training_faces(dataset_file, font_dir)
    assert 0 < len(faces) <= len(train)
    assert training_faces(dataset_file, font_dir, families=1) == faces[:1]
    found = doubts(score_all(faces[:1], Setup(tiny_bundle.path), 1))
    assert len(found) > 20
    assert np.isfinite(list(found.values())).all()
    with pytest.raises(BadInput, match="make fonts"):
        training_faces(dataset_file, tmp_path)
