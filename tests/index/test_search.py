from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from glyphs.errors import BadIndex
from glyphs.labels import Form, Label
from index.flat import FlatVectors
from index.pictures import PICTURE, Pictures
from index.references import References
from index.search import Filter, ReferenceIndex, described

LABELS = [Label(ord("A")), Label(ord("B")), Label(0x391), Label(0x639, Form.INIT)]
EACH = 50


@pytest.fixture(scope="module")
def embeddings() -> np.ndarray:
    rows = np.random.default_rng(0).standard_normal((len(LABELS) * EACH, 128), np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def index(embeddings: np.ndarray) -> ReferenceIndex:
    labels = [label for label in LABELS for _ in range(EACH)]
    families = [f"Family {number % 5}" for number in range(len(labels))]
    levels = 17 * (np.arange(len(labels), dtype=np.uint8) % 16)
    pictures = Pictures.of(levels[:, None, None] * np.ones((1, PICTURE, PICTURE), np.uint8))
    return ReferenceIndex.build(embeddings, References(labels, families, ["Regular"] * len(labels), pictures))


def test_neighbours_are_those_of_exact_search(index: ReferenceIndex, embeddings: np.ndarray) -> None:
    found = index.search(embeddings, 5)
    exact = np.argsort(-(embeddings @ embeddings.T), axis=1, kind="stable")[:, :5]
    same = [[n.reference.number for n in row] == list(best) for row, best in zip(found, exact, strict=True)]
    assert np.mean(same) > 0.98  # float16 may swap near ties
    assert found[0][0].similarity == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize(
    ("only", "allowed"),
    [
        (Filter(scripts=frozenset({"Grek"})), lambda r: r.label == LABELS[2]),
        (Filter(families=frozenset({"Family 1"})), lambda r: r.family == "Family 1"),
        (Filter(without=frozenset({LABELS[0]})), lambda r: r.label != LABELS[0]),
        (
            Filter(scripts=frozenset({"Latn"}), without=frozenset({LABELS[0]})),
            lambda r: r.label == LABELS[1],
        ),
    ],
)
def test_a_filter_leaves_exactly_what_it_allows(
    index: ReferenceIndex, embeddings: np.ndarray, only, allowed
) -> None:  # type: ignore[no-untyped-def]
    everything = index.search(embeddings[:1], len(index.references))[0]
    expected = {n.reference.number for n in everything if allowed(n.reference)}
    found = index.search(embeddings[:1], len(index.references), only)[0]
    assert {n.reference.number for n in found} == expected


@pytest.mark.parametrize("only", [Filter(), Filter(families=frozenset({"Family 1", "Family 2"}))])
@pytest.mark.parametrize("k", [1, 3, 10])
def test_distinct_neighbours_are_the_nearest_of_each_label(
    index: ReferenceIndex, embeddings: np.ndarray, only: Filter, k: int
) -> None:
    found = index.search(embeddings[::7], k, only, distinct=True)
    for row, everything in zip(found, index.search(embeddings[::7], len(embeddings), only), strict=True):
        nearest = {}
        for neighbour in everything:
            nearest.setdefault(neighbour.reference.label, neighbour)
        assert row == list(nearest.values())[:k]


def test_distinct_labels_are_looked_for_no_deeper_than_a_filter_leaves(
    index: ReferenceIndex, embeddings: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There are four labels, ten are asked for."""
    depths, search = [], FlatVectors.search

    def noted(self, queries, k, allowed=None):  # type: ignore[no-untyped-def]
        depths.append(k)
        return search(self, queries, k, allowed)

    monkeypatch.setattr(FlatVectors, "search", noted)
    only = Filter(families=frozenset({"Family 1", "Family 2"}))
    [found] = index.search(embeddings[:1], 10, only, distinct=True)
    assert {neighbour.reference.label for neighbour in found} == set(LABELS)
    assert depths == [2 * EACH * len(LABELS) // 5]


def test_a_similarity_is_told_as_at_most_one(index: ReferenceIndex, embeddings: np.ndarray) -> None:
    """Embeddings as they are kept are not quite of length 1: what asks here is a little longer."""
    longer, count = np.float32(1.001) * embeddings[:3], len(index.references)
    for sign, place in ((1, 0), (-1, -1)):
        found = index.search(sign * longer, count)
        assert [described(row, {})[place]["similarity"] for row in found] == [sign] * 3


def test_a_filter_that_allows_nothing_finds_nothing(index: ReferenceIndex, embeddings: np.ndarray) -> None:
    for distinct in (False, True):
        only = Filter(scripts=frozenset({"Thai"}))
        assert index.search(embeddings[:1], 3, only, distinct=distinct) == [[]]


def test_threads_find_what_one_finds_whatever_their_filters(
    index: ReferenceIndex, embeddings: np.ndarray
) -> None:
    filters = [Filter(), Filter(scripts=frozenset({"Grek"})), Filter(without=frozenset({LABELS[3]}))] * 10
    alone = [index.search(embeddings[:4], 7, only) for only in filters]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda only: index.search(embeddings[:4], 7, only), filters)) == alone


def test_a_label_s_direction_is_near_its_references(index: ReferenceIndex) -> None:
    direction = index.embedding_of(LABELS[3])
    assert direction is not None
    assert index.search(direction, 1)[0][0].reference.label == LABELS[3]
    assert index.embedding_of(Label(ord("Z"))) is None


def test_an_index_survives_being_saved(index: ReferenceIndex, embeddings: np.ndarray, tmp_path: Path) -> None:
    index.save(tmp_path)
    loaded = ReferenceIndex.load(tmp_path)
    assert described(loaded.search(embeddings[:1], 5)[0], {}) == described(
        index.search(embeddings[:1], 5)[0], {}
    )
    assert loaded.references.pictures.png(7) == index.references.pictures.png(7)


@pytest.mark.parametrize("name", ["index.faiss", "references.npz", "pictures.bin"])
@pytest.mark.parametrize("harm", ["missing", "empty", "truncated"])
def test_a_broken_index_is_refused(index: ReferenceIndex, tmp_path: Path, name: str, harm: str) -> None:
    index.save(tmp_path)
    file = tmp_path / name
    data = file.read_bytes()
    file.unlink() if harm == "missing" else file.write_bytes(
        b"" if harm == "empty" else data[: len(data) // 2]
    )
    with pytest.raises(BadIndex):
        ReferenceIndex.load(tmp_path)


def test_references_of_older_bundles_are_told_from_broken_ones(index: ReferenceIndex, tmp_path: Path) -> None:
    index.save(tmp_path)
    with np.load(tmp_path / "references.npz") as file:
        columns = file["columns"]
    pictures = np.zeros((len(index.references), PICTURE, PICTURE), np.uint8)
    np.savez_compressed(tmp_path / "references.npz", columns=columns, pictures=pictures)
    with pytest.raises(BadIndex, match=r"before Glyphery 0\.6") as refused:
        ReferenceIndex.load(tmp_path)
    assert refused.value.remedy == "Build the index anew."


def test_an_index_without_all_its_references_is_refused(
    index: ReferenceIndex, embeddings: np.ndarray
) -> None:
    short = References(LABELS[:1], ["F"], ["R"], Pictures.of(np.zeros((1, PICTURE, PICTURE), np.uint8)))
    with pytest.raises(BadIndex, match="200"):
        ReferenceIndex.build(embeddings, short)


def test_a_label_is_pictured_by_its_first_reference() -> None:
    pictures = np.zeros((3, PICTURE, PICTURE), np.uint8)
    pictures[1:] = 255
    references = References([Label(65), Label(66), Label(66)], ["f"] * 3, ["s"] * 3, Pictures.of(pictures))
    assert references.picture_of(Label(66)) == references.pictures.png(1)
    assert references.picture_of(Label(67)) is None
