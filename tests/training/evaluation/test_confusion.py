from __future__ import annotations

import numpy as np
import pytest

from glyphs.equivalence import Equivalence
from glyphs.labels import Label
from glyphs.raster import RasterSettings
from training.evaluation import Record, Subject
from training.evaluation.confusion import Confusions, matrix


def record(truth: list[int], answer: list[int], labels: int = 40) -> Record:
    subject = Subject(
        predict=lambda *_: pytest.fail("A record is not asked."),
        labels=tuple(Label(65 + number) for number in range(labels)), families=(1,) * labels,
        equivalence=Equivalence(), settings=RasterSettings(),
    )  # fmt: skip
    rows = np.arange(len(truth), dtype=np.int32)
    return Record(
        subject, np.array(truth), np.array(answer)[:, None], np.ones((len(truth), 1), np.float32),
        np.zeros((len(truth), 8), np.float16), np.array(truth) == np.array(answer), rows, rows,
    )  # fmt: skip


def test_confusions_are_counted_with_the_most_frequent_first() -> None:
    found = Confusions.of(record([1, 2, 2, 3], [2, 1, 1, 3]))
    assert list(zip(found.truth, found.answer, found.count, strict=True)) == [(2, 1, 2), (1, 2, 1)]


def test_labels_taken_for_one_another_make_one_block() -> None:
    found = Confusions.of(record([1, 1, 2, 2, 7, 7, 7, 7, 7], [2, 2, 3, 3, 8, 8, 8, 9, 9]))
    assert found.blocks() == [[7, 8, 9], [1, 2, 3]]


def test_what_happened_once_joins_nothing_that_happened_more_often() -> None:
    assert Confusions.of(record([1, 1, 2], [2, 2, 3])).blocks() == [[1, 2]]
    assert Confusions.of(record([1, 2], [2, 3])).blocks() == [[1, 2, 3]]


def test_a_chain_of_confusions_is_cut_where_it_grows_too_long_to_read() -> None:
    chain = list(range(30))
    found = Confusions.of(record(chain, [place + 1 for place in chain]))
    assert max(len(block) for block in found.blocks()) <= 12


def test_a_label_that_is_cut_off_alone_is_no_block() -> None:
    assert Confusions.of(record(list(range(1, 20)), [0] * 19)).blocks() == [list(range(12))]


def test_without_mistakes_there_are_no_blocks() -> None:
    assert Confusions.of(record([1, 2], [1, 2])).blocks() == []


def test_a_matrix_holds_truth_down_and_answers_across_and_leaves_others_out() -> None:
    found = matrix(record([1, 1, 2, 5], [1, 2, 9, 1]), [1, 2])
    assert found.tolist() == [[1, 1], [0, 0]]
