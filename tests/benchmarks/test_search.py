"""The benchmark of search: embeddings in parts, and contestants in turns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.search import embeddings as parts
from benchmarks.search import report
from benchmarks.search.contestants import EXACT, exact_search, faiss_type, ours_flat, ours_ivf
from benchmarks.search.measure import filtered, measured
from glyphs.errors import BadInput
from index.kinds import exact
from recognition.bundle import Bundle
from tests.index.embedded import embedded, referring


def test_embeddings_are_drawn_in_parts_and_only_once(
    dataset_file: Path, tiny_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "PART", 50)

    def draw() -> list[tuple[int, int]]:
        return list(parts.embed(dataset_file, tiny_bundle.path, tmp_path, base=120, queries=40, processes=2))

    with pytest.raises(BadInput):
        parts.read(tmp_path)
    assert draw()[-1] == (4, 4)
    base, queries = parts.read(tmp_path)
    assert (len(base), len(queries)) == (120, 40)
    assert np.linalg.norm(base.embeddings, axis=1) == pytest.approx(np.ones(120), abs=1e-3)
    labels, families = parts.names(tmp_path)
    assert {families[number] for number in base.family.tolist()}.isdisjoint(
        families[number] for number in queries.family.tolist()
    )
    assert set(base.label.tolist()) <= set(labels)
    (tmp_path / "train-001.npz").unlink()
    assert draw() == [(3, 4), (4, 4)]
    assert draw() == [(4, 4)]
    again, _ = parts.read(tmp_path)
    assert np.array_equal(again.embeddings, base.embeddings)


def test_contestants_are_measured_beside_exact_search() -> None:
    base, queries = embedded(4000, seed=3), embedded(100, seed=4)
    families = referring(4000).families
    truth, _ = exact(queries, base, 10)
    ivf, vectors, expected = ours_ivf(base, families, 0.95)
    beside = faiss_type(base, "IVF{lists},SQ8", "nprobe", (1, 32))
    rows = measured(
        [exact_search(base), ours_flat(base, families), ivf, beside], base, queries, truth, rounds=1
    )
    assert rows[0]["name"] == EXACT
    assert rows[0]["recall"] == 1
    assert rows[0]["ratio_1"] == rows[0]["ratio_32"] == 1
    assert rows[1]["recall"] > 0.98
    assert sum(row["chosen"] for row in rows if row["name"] == ivf.name) == 1
    assert rows[-1]["recall"] > rows[-2]["recall"]
    mask = np.zeros(4000, bool)
    mask[::7] = True
    filters = filtered(vectors, base, queries[:10], [("every seventh", mask)])
    assert filters[0]["rows"] == 572
    figures = {"base": 4000, "queries": 100, "search": rows, "filters": filters}
    assert [len(table.rows) for table in report.tables(figures)] == [4, 1, len(rows)]
    assert expected >= 0.95


def test_the_plot_is_a_picture(tmp_path: Path) -> None:
    row = {"name": EXACT, "recall": 1.0, "ratio_1": 1.0, "ratio_32": 1.0, "bytes": 512.0}
    report.plot({"base": 10, "search": [row]}, tmp_path / "search.png")
    assert (tmp_path / "search.png").read_bytes().startswith(b"\x89PNG")
