"""Search in lists, beside a look at everything."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import faiss
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from glyphs.errors import BadIndex
from glyphs.labels import Label
from index import kinds
from index.inverted import CODES, LAYER, InvertedVectors
from index.kinds import Kind, exact, recall
from index.search import FILE, Filter, Neighbour, ReferenceIndex
from tests.index.embedded import LABELS, WIDTH, embedded, referring

COUNT, ASKED = 8000, 0.95


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    faiss.omp_set_num_threads(1)


@pytest.fixture(scope="module")
def embeddings() -> NDArray[np.float32]:
    return embedded(COUNT, seed=3)


@pytest.fixture(scope="module")
def queries() -> NDArray[np.float32]:
    return embedded(200, seed=4)


@pytest.fixture(scope="module")
def index(embeddings: NDArray[np.float32]) -> ReferenceIndex:
    return ReferenceIndex.build(embeddings, referring(COUNT), kind=Kind.IVF, recall=ASKED)


@pytest.fixture(scope="module")
def flat(embeddings: NDArray[np.float32]) -> ReferenceIndex:
    return ReferenceIndex.build(embeddings, referring(COUNT), kind=Kind.FLAT)


def numbers(found: list[list[Neighbour]], k: int) -> NDArray[np.int64]:
    rows = [[n.reference.number for n in row] for row in found]
    return np.array([row + [-1] * (k - len(row)) for row in rows], np.int64)


def among(
    index: ReferenceIndex,
    embeddings: NDArray[np.float32],
    queries: NDArray[np.float32],
    rows: NDArray[np.int64],
    only: Filter,
) -> float:
    """Recall@10 of a filtered search beside a look at each of the rows that the filter leaves."""
    truth, _ = exact(queries, embeddings[rows], 10)
    found = numbers(index.search(queries, 10, only), truth.shape[1])
    assert set(found.ravel()) <= set(rows) | {-1}
    return recall(queries, embeddings, truth, found)


def test_the_recall_that_was_asked_for_is_reached_and_told(index, embeddings, queries) -> None:
    built = index.built
    assert (built.kind, built.asked, built.references) == (Kind.IVF, Kind.IVF, COUNT)
    assert built.recall >= ASKED
    assert 1 <= built.parameters["probes"] < built.parameters["lists"] / 2
    assert built.queries > 300
    truth, _ = exact(queries, embeddings, 10)
    assert recall(queries, embeddings, truth, numbers(index.search(queries, 10), 10)) > ASKED - 0.02


def test_what_is_told_of_its_size_is_what_its_files_take(index, tmp_path: Path) -> None:
    index.save(tmp_path)
    files = sum((tmp_path / name).stat().st_size for name in (FILE, CODES, LAYER))
    table = 8 * COUNT  # from rows to their places
    assert index.built.bytes_per_reference == pytest.approx((files + table) / COUNT, rel=0.01)


def test_more_recall_takes_more_looking(embeddings, index) -> None:
    more = ReferenceIndex.build(embeddings, referring(COUNT), kind=Kind.IVF, recall=0.99)
    assert more.built.recall >= 0.99
    assert more.built.parameters["probes"] > index.built.parameters["probes"]


def test_similarities_are_nearly_exact(index, embeddings) -> None:
    found = index.search(embeddings[:50], 1)
    assert [row[0].similarity for row in found] == pytest.approx([1.0] * 50, abs=3e-3)
    assert np.square(index.embeddings - embeddings).sum(axis=1).mean() < 1e-4


@pytest.mark.parametrize("only", [{"scripts": {"Latn"}}, {"scripts": {"Grek"}}, {"without": {LABELS[0]}}])
def test_a_filter_that_leaves_many_keeps_the_recall(index, embeddings, queries, only, monkeypatch) -> None:
    monkeypatch.setattr(InvertedVectors, "few", 10)
    wanted = Filter(**{name: frozenset(values) for name, values in only.items()})
    rows = index._lookup.allowed(wanted).rows
    assert among(index, embeddings, queries, rows, wanted) > ASKED - 0.02


def test_a_filter_on_what_lies_far_away_finds_it(embeddings, monkeypatch) -> None:
    """References of one script all lie together, and what is asked for lies elsewhere."""
    monkeypatch.setattr(InvertedVectors, "few", 10)
    order = np.argsort(embeddings[:, 0])
    references = referring(COUNT)
    labels = np.array(references.labels, dtype=object)
    labels[:] = LABELS[0]
    labels[order[:300]] = LABELS[4]
    references.labels = tuple(labels)
    index = ReferenceIndex.build(embeddings, references, kind=Kind.IVF, recall=ASKED)
    far = embeddings[order[-100:]]
    only = Filter(scripts=frozenset({"Thai"}))
    assert among(index, embeddings, far, np.sort(order[:300]), only) > ASKED - 0.02
    assert all(len(row) == 50 for row in index.search(far, 50, only))


def test_who_asks_for_all_that_a_filter_leaves_gets_all(index, queries, monkeypatch) -> None:
    monkeypatch.setattr(InvertedVectors, "few", 10)
    only = Filter(scripts=frozenset({"Grek"}))
    count = index._lookup.allowed(only).count
    assert all(len(row) == count for row in index.search(queries[:20], count, only))
    assert all(len(row) == 1 for row in index.search(queries[:20], 3, only, distinct=True))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    families=st.frozensets(st.sampled_from([f"Family {n}" for n in range(41)]), min_size=1, max_size=6),
    scripts=st.frozensets(st.sampled_from(["Latn", "Grek", "Deva"]), max_size=1),
    without=st.frozensets(st.sampled_from(LABELS), max_size=2),
    k=st.integers(1, 20),
    seed=st.integers(0, 100),
)
@pytest.mark.parametrize("kind", ["flat", "index"])
def test_few_rows_are_answered_as_by_a_look_at_each(
    request, embeddings, monkeypatch, kind, families, scripts, without, k, seed
) -> None:
    monkeypatch.setattr(InvertedVectors, "few", COUNT)
    index = request.getfixturevalue(kind)
    only = Filter(scripts=scripts, families=families, without=without)
    rows = index._lookup.allowed(only).rows
    query = embedded(1, seed=1000 + seed)
    truth, _ = exact(query, embeddings[rows], k)
    [found] = index.search(query, k, only)
    assert len(found) == truth.shape[1]
    assert {n.reference.number for n in found} <= set(rows)
    tolerance = 1e-3 if kind == "flat" else 5e-3
    assert [n.similarity for n in found] == pytest.approx(truth[0].tolist(), abs=tolerance)


def test_a_label_s_direction_is_the_same_of_every_kind(index, flat) -> None:
    for label in LABELS:
        assert index.embedding_of(label) == pytest.approx(flat.embedding_of(label), abs=5e-3)
    assert index.embedding_of(Label(ord("Z"))) is None


def test_more_neighbours_are_found_than_recall_was_measured_with(index, embeddings, queries) -> None:
    truth, _ = exact(queries, embeddings, 100)
    assert recall(queries, embeddings, truth, numbers(index.search(queries, 100), 100)) > ASKED - 0.03


def test_lists_that_hold_fewer_than_are_asked_for_are_not_all_that_is_looked_at(queries) -> None:
    small = ReferenceIndex.build(embedded(1500, seed=5), referring(1500), kind=Kind.IVF, recall=0.5)
    for only in (Filter(), Filter(scripts=frozenset({"Latn"}))):
        for k in (50, 300):
            together = small.search(queries[:40], k, only)
            assert {len(row) for row in together} == {k}
    alone = [small.search(query[None], 300)[0] for query in queries[:5]]
    assert np.array_equal(numbers(alone, 300), numbers(small.search(queries[:40], 300)[:5], 300))


@pytest.mark.parametrize("kind", ["flat", "index"])
def test_a_loaded_index_answers_alike_and_stays_in_its_file(request, kind, queries, tmp_path: Path) -> None:
    index = request.getfixturevalue(kind)
    index.save(tmp_path)
    loaded = ReferenceIndex.load(tmp_path)
    for only in (Filter(), Filter(scripts=frozenset({"Latn"})), Filter(families=frozenset({"Family 3"}))):
        assert loaded.search(queries[:20], 7, only) == index.search(queries[:20], 7, only)
    assert np.array_equal(loaded.embeddings, index.embeddings)
    mapped = Path("/proc/self/maps").read_text()
    assert all(str(tmp_path / name) in mapped for name in ([FILE, CODES] if kind == "index" else [FILE]))


def test_threads_find_what_one_finds_whatever_their_filters(index, queries) -> None:
    filters = [Filter(), Filter(scripts=frozenset({"Latn"})), Filter(families=frozenset({"Family 1"}))] * 8
    alone = [index.search(queries[:4], 7, only) for only in filters]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda only: index.search(queries[:4], 7, only), filters)) == alone


@pytest.mark.parametrize("name", [FILE, LAYER, CODES])
@pytest.mark.parametrize("harm", ["missing", "empty", "truncated"])
def test_a_broken_index_is_refused(index, tmp_path: Path, name: str, harm: str) -> None:
    index.save(tmp_path)
    file = tmp_path / name
    data = file.read_bytes()
    file.unlink()
    if harm != "missing":
        file.write_bytes(b"" if harm == "empty" else data[: len(data) // 2])
    with pytest.raises(BadIndex):
        ReferenceIndex.load(tmp_path)


def test_layers_of_two_indexes_do_not_mix(index, tmp_path: Path) -> None:
    index.save(tmp_path)
    codes = np.load(tmp_path / CODES)
    np.save(tmp_path / CODES, codes[:-1])
    with pytest.raises(BadIndex, match="fit"):
        ReferenceIndex.load(tmp_path)


def test_an_index_grows_and_keeps_what_it_had(index, embeddings, tmp_path: Path) -> None:
    new = embedded(300, seed=9)
    more = referring(COUNT + 300).take(range(COUNT, COUNT + 300))
    index.save(tmp_path)
    grown = ReferenceIndex.load(tmp_path).joined(new, more, kind=Kind.IVF, recall=ASKED)
    assert len(grown.references) == COUNT + 300
    assert grown.references.keys()[:COUNT] == index.references.keys()
    assert np.allclose(grown.embeddings[:COUNT], index.embeddings, rtol=0, atol=1e-6)
    lost = np.square(grown.embeddings - np.concatenate([embeddings, new])).sum(axis=1)
    assert lost[COUNT:].mean() < 1.1 * lost[:COUNT].mean() < 1e-4
    assert grown.built.recall >= ASKED
    assert grown.built.parameters["probes"] >= index.built.parameters["probes"]
    assert [row[0].reference.number for row in grown.search(new[:20], 1)] == [*range(COUNT, COUNT + 20)]
    assert index.joined(new, more).built.kind is Kind.FLAT  # auto: there are few


def test_joining_nothing_leaves_codes_as_they_are_and_changes_the_kind(index) -> None:
    nothing = np.zeros((0, index.dimension), np.float32), index.references.take([])
    again = index.joined(*nothing, kind=Kind.IVF, recall=ASKED)
    assert np.array_equal(again.embeddings, index.embeddings)
    assert again.references.keys() == index.references.keys()
    assert index.joined(*nothing, kind=Kind.FLAT).built.kind is Kind.FLAT


def test_joining_the_same_twice_changes_nothing_and_another_drawing_takes_its_place(index) -> None:
    """The last of what was there, and as many again."""
    rows = range(COUNT - 100, COUNT + 100)
    more = index.references.take(rows[:100]) + referring(COUNT + 100).take(rows[100:])
    new = embedded(200, seed=9)
    once = index.joined(new, more, kind=Kind.IVF, recall=ASKED)
    assert len(once.references) == COUNT + 100
    assert np.allclose(once.embeddings[:-200], index.embeddings[:-100], rtol=0, atol=1e-6)
    assert np.square(once.embeddings[rows] - new).sum(axis=1).mean() < 1e-4
    twice = once.joined(new, more, kind=Kind.IVF, recall=ASKED)
    assert np.array_equal(twice.embeddings, once.embeddings)
    assert twice.search(new, 10) == once.search(new, 10)


def test_what_has_outgrown_its_lists_gets_new_ones() -> None:
    first, both = embedded(1000, seed=3), referring(2200)
    index = ReferenceIndex.build(first, both.take(range(1000)), kind=Kind.IVF, recall=0.5)
    lists = [
        index.joined(
            embedded(more, seed=4), both.take(range(1000, 1000 + more)), kind=Kind.IVF, recall=0.5
        ).built.parameters["lists"]
        for more in (300, 1200)
    ]
    assert lists == [index.built.parameters["lists"], round(4 * 2200**0.5)]


def test_too_few_references_for_lists_are_refused() -> None:
    with pytest.raises(BadIndex, match="too few"):
        ReferenceIndex.build(embedded(100, seed=3), referring(100), kind=Kind.IVF)


def test_a_recall_that_codes_do_not_give_is_refused_or_everything_looked_at(monkeypatch) -> None:
    """Rows that differ by less than codes can tell."""
    rows = embedded(1, seed=3) + np.float32(2e-5) * embedded(2000, seed=4)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows = np.concatenate([rows, embedded(2000, seed=5)])
    with pytest.raises(BadIndex, match="were asked for"):
        ReferenceIndex.build(rows, referring(4000), kind=Kind.IVF, recall=1.0)
    monkeypatch.setattr(kinds, "LARGEST_FLAT", 3999)
    assert ReferenceIndex.build(rows, referring(4000), recall=0.6).built.kind is Kind.IVF
    instead = ReferenceIndex.build(rows, referring(4000), recall=1.0).built
    assert (instead.asked, instead.kind) == (Kind.AUTO, Kind.FLAT)


def test_progress_is_told_from_the_first_reference_to_the_last(embeddings) -> None:
    told: list[tuple[str, int, int]] = []
    ReferenceIndex.build(
        embeddings, referring(COUNT), kind=Kind.IVF, recall=0.9, tell=lambda *now: told.append(now)
    )
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    assert {total for _, _, total in told} == {COUNT}
    assert told[-1][1] == COUNT


def test_width_is_that_of_the_embeddings(index) -> None:
    assert index.dimension == WIDTH
