"""The lists of the repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from glyphs.tables import read_list


def test_comments_are_left_out_and_quotation_marks_are_characters() -> None:
    rows = read_list("equivalence.tsv")
    assert not any(row[0].startswith("#") for row in rows)
    assert {len(row) for row in rows} == {6}
    # A field that begins with a quotation mark does not swallow what follows.
    assert ["34", "65282", "nfkc", "0", "0", '" \uff02'] in rows


def test_a_row_may_begin_with_a_number_sign(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "list.tsv").write_text("# family\tsplit\n#9Slide03\ttrain\n")
    monkeypatch.setattr("glyphs.tables.files", lambda _: tmp_path)
    assert read_list("list.tsv") == [["#9Slide03", "train"]]
