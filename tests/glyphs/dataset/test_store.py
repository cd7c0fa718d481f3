"""The dataset file."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from glyphs.dataset.store import OUTLINE, Dataset, FontRecord, GlyphRecord, GlyphTable
from glyphs.errors import BadDataset
from glyphs.labels import Form, Label
from glyphs.splits import Split

A, B, BEH = Label(65), Label(66), Label(0x628, Form.INIT)
UNKNOWN = (float("nan"),) * 4


@pytest.fixture
def dataset(tmp_path: Path) -> Iterator[Dataset]:
    """An empty dataset, open for writing."""
    with Dataset.create(tmp_path / "glyphs.db") as dataset:
        yield dataset


def add(dataset: Dataset, family: str, shapes: dict[Label, bytes], digest: str = "") -> None:
    font = FontRecord(digest or family, 0, 0, f"{family}.ttf", family, "Regular", "OFL", 1000, 0)
    glyphs = [GlyphRecord(label, OUTLINE, data, (0.5, 0.7, 0.0, 0.6)) for label, data in shapes.items()]
    with dataset.transaction():
        dataset.add_font(font, glyphs, dataset.shape_ids(), dataset.label_ids())


def close_finished(dataset: Dataset) -> Path:
    with dataset.transaction():
        dataset.set_meta("complete", "1")
    dataset.close()
    return dataset.path


def test_a_shape_is_stored_once_however_many_glyphs_use_it(dataset: Dataset) -> None:
    add(dataset, "Foo", {A: b"same", B: b"same", BEH: b"other"})
    add(dataset, "Bar", {A: b"same"})
    assert dataset.summary()["shapes"] == 2
    assert dataset.summary()["glyphs"] == 4
    assert dataset.shapes_by_family() == {"Foo": {1, 2}, "Bar": {1}}
    assert list(dataset.shape_data([2, 1, 2])) == [(1, OUTLINE, b"same"), (2, OUTLINE, b"other")]


def test_labels_come_back_as_labels(dataset: Dataset) -> None:
    add(dataset, "Foo", {A: b"1", BEH: b"2"})
    assert dataset.labels() == {1: A, 2: BEH}
    assert dataset.label_ids() == {A: 1, BEH: 2}


def test_the_table_is_sorted_by_font_and_label(dataset: Dataset) -> None:
    add(dataset, "Foo", {B: b"1", A: b"2"})
    add(dataset, "Bar", {A: b"3", B: b"4"})
    table = dataset.table()
    assert table.font.tolist() == [1, 1, 2, 2]
    assert table.label.tolist() == [1, 2, 1, 2]  # in the order in which labels came
    assert table.shape.tolist() == [1, 2, 4, 3] or table.shape.tolist() == [1, 2, 3, 4]
    assert table.metrics == pytest.approx(np.tile(np.float32([0.5, 0.7, 0.0, 0.6]), (4, 1)))
    assert len(table.take(table.font == 2)) == 2


def test_unknown_metrics_are_not_a_number(dataset: Dataset) -> None:
    font = FontRecord("x", 0, 0, "x", "Drawn", "Raster", "", 1, 0)
    with dataset.transaction():
        dataset.add_font(font, [GlyphRecord(A, OUTLINE, b"1", UNKNOWN)], {}, {})
    assert np.isnan(dataset.table().metrics).all()


def test_an_empty_dataset_has_an_empty_table(dataset: Dataset) -> None:
    table = dataset.table(Split.TRAIN)
    assert len(table) == 0
    assert table.metrics.shape == (0, 4)


def test_outlines_that_train_are_left_out_of_validation_and_test(dataset: Dataset) -> None:
    add(dataset, "Trains", {A: b"shared", B: b"own"})
    add(dataset, "Tests", {A: b"shared", B: b"its own"})
    add(dataset, "Validates", {A: b"shared", B: b"shared", BEH: b"third"})
    dataset.set_splits({"Trains": Split.TRAIN, "Tests": Split.TEST, "Validates": Split.VALIDATION})
    assert len(dataset.table(Split.TRAIN)) == 2
    assert len(dataset.table(Split.TEST)) == 1
    assert len(dataset.table(Split.VALIDATION)) == 1
    assert len(dataset.table()) == 7


def test_excluded_families_are_left_out_unless_asked_for(dataset: Dataset) -> None:
    add(dataset, "Pictures", {A: b"1"})
    add(dataset, "Letters", {A: b"2"})
    dataset.exclude({"Pictures": "pictures on letters", "Not here": "not here"})
    assert len(dataset.table()) == 1
    assert len(dataset.table(excluded=True)) == 2
    assert [(name, why) for _, name, _, why in dataset.families()] == [
        ("Letters", None), ("Pictures", "pictures on letters"),
    ]  # fmt: skip
    dataset.exclude({})
    assert len(dataset.table()) == 2


def test_the_digest_tells_content_and_not_the_order_it_came_in(tmp_path: Path) -> None:
    fonts = {"Foo": {A: b"1", B: b"2"}, "Bar": {B: b"2", BEH: b"3"}}
    digests = []
    for name, families in (("one", ["Foo", "Bar"]), ("two", ["Bar", "Foo"]), ("three", ["Foo"])):
        with Dataset.create(tmp_path / name) as dataset:
            for family in families:
                add(dataset, family, fonts[family])
            digests.append(dataset.content_digest())
    assert digests[0] == digests[1] != digests[2]


def test_the_digest_tells_splits_and_exclusions(dataset: Dataset) -> None:
    add(dataset, "Foo", {A: b"1"})
    digests = {dataset.content_digest()}
    dataset.set_splits({"Foo": Split.TEST})
    digests.add(dataset.content_digest())
    dataset.exclude({"Foo": "a reason"})
    digests.add(dataset.content_digest())
    assert len(digests) == 3


def test_a_transaction_is_all_or_nothing(dataset: Dataset) -> None:
    def fail_half_way() -> None:
        with dataset.transaction():
            dataset.set_meta("note", "half")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert dataset.meta("note") is None


def test_a_dataset_that_fails_half_way_leaves_nothing_where_it_was_to_be(tmp_path: Path) -> None:
    out = tmp_path / "glyphs.db"

    def fail_half_way() -> None:
        with Dataset.beside(out) as half:
            add(half, "Foo", {A: b"1"})
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert not list(tmp_path.iterdir())
    with Dataset.beside(out) as whole:
        add(whole, "Foo", {A: b"1"})
        assert not out.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["glyphs.db"]


def test_a_font_is_stored_once(dataset: Dataset) -> None:
    add(dataset, "Foo", {A: b"1"}, digest="same")
    with pytest.raises(sqlite3.IntegrityError):
        add(dataset, "Bar", {A: b"2"}, digest="same")
    assert dataset.summary()["fonts"] == dataset.summary()["families"] == 1


def test_a_finished_dataset_opens_for_reading_only(dataset: Dataset) -> None:
    add(dataset, "Foo", {A: b"1"})
    with Dataset.open(close_finished(dataset)) as opened:
        assert opened.summary()["glyphs"] == 1
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            opened.set_meta("note", "text")


def test_an_unfinished_dataset_does_not_open(dataset: Dataset) -> None:
    add(dataset, "Foo", {A: b"1"})
    dataset.close()
    with pytest.raises(BadDataset, match="unfinished"):
        Dataset.open(dataset.path)


@pytest.mark.parametrize(
    "content", [b"just text, not a database at all " * 40, bytes(5000), b"SQLite format 3\0" * 99]
)
def test_a_file_that_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "glyphs.db"
    path.write_bytes(content)
    for use in (Dataset.open, Dataset.create):
        with pytest.raises(BadDataset):
            use(path)
    assert path.read_bytes() == content


def test_an_empty_file_does_not_open(tmp_path: Path) -> None:
    (tmp_path / "glyphs.db").touch()
    with pytest.raises(BadDataset):
        Dataset.open(tmp_path / "glyphs.db")


def test_another_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE accounts (id INTEGER)")
    other.commit()
    other.close()
    before = path.read_bytes()
    for use in (Dataset.open, Dataset.create):
        with pytest.raises(BadDataset):
            use(path)
    assert path.read_bytes() == before


def test_another_schema_is_refused(dataset: Dataset) -> None:
    with dataset.transaction():
        dataset.set_meta("schema", "99")
    with pytest.raises(BadDataset, match="schema 99"):
        Dataset.open(close_finished(dataset))


def test_a_missing_dataset_or_a_folder_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.db", tmp_path):
        with pytest.raises(BadDataset, match="no dataset"):
            Dataset.open(path)
    with pytest.raises(BadDataset):
        Dataset.create(tmp_path)


def _table(rows: int) -> GlyphTable:
    rng = np.random.default_rng(rows)
    font, label, family = (rng.integers(0, n, rows).astype(np.int32) for n in (50, 6, 4))
    return GlyphTable(font, label, np.arange(rows, dtype=np.int32), family, np.zeros((rows, 4), np.float32))


@pytest.mark.parametrize("rows", [0, 1, 300])
@pytest.mark.parametrize("count", [1, 3, 1000])
def test_some_of_each_combination_are_drawn(rows: int, count: int) -> None:
    table = _table(rows)
    some = table.some(count, "label", "family")
    assert (np.diff(some.shape) > 0).all()  # each row once, in the table's order
    whole, kept = (Counter(zip(t.label.tolist(), t.family.tolist(), strict=True)) for t in (table, some))
    assert kept == {key: min(count, number) for key, number in whole.items()}
    assert np.array_equal(some.shape, table.some(count, "label", "family").shape)
    if rows > 100 and count < 10:
        assert not np.array_equal(some.shape, table.some(count, "label", "family", seed=1).shape)


def test_spread_glyphs_of_a_label_are_of_as_many_families() -> None:
    spread = _table(300).spread(3)
    assert (np.diff(spread.label) >= 0).all()
    pairs = list(zip(spread.label.tolist(), spread.family.tolist(), strict=True))
    assert len(set(pairs)) == len(pairs)
    assert set(Counter(spread.label.tolist()).values()) == {3}
