"""Pages that are read: what is counted as an error."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pikepdf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.documents import compare, copied, distance, passages, silence
from glyphs.to_unicode import cmap
from tests.documents.printing import silent_pdf

TEXTS = st.text("abц\U0001f600", max_size=7)


def _distance(text: str, right: str) -> int:
    """As it is defined."""

    @cache
    def of(one: int, other: int) -> int:
        if not one or not other:
            return one + other
        same = text[one - 1] == right[other - 1]
        return min(of(one - 1, other) + 1, of(one, other - 1) + 1, of(one - 1, other - 1) + (not same))

    return of(len(text), len(right))


@given(TEXTS, TEXTS)
def test_edits_are_counted(text: str, right: str) -> None:
    assert distance(text, right) == _distance(text, right)


def test_words_count_however_lines_end_and_whatever_their_order() -> None:
    read = compare("be or\nnot To  To", "To be or not to", seconds=2.0)
    assert (read.words, read.searched, read.seconds) == (4 / 5, 1.0, 2.0)
    assert compare("To be", "To\nbe", 0).errors == 0
    assert compare("", "To be", 0).errors == 1


def test_what_is_silenced_says_nothing(font_dir: Path, tmp_path: Path) -> None:
    path = silent_pdf(tmp_path / "a.pdf", "TrueType by bytes", font_dir / "sans.ttf", ["ab"])
    with pikepdf.open(path, allow_overwriting_input=True) as document:
        font = document.pages[0].Resources.Font.F
        font.ToUnicode = document.make_stream(cmap([(33, "a"), (34, "b")], digits=2).encode())
        document.save()
    assert copied(path).strip() == "ab"
    silence(path, tmp_path / "b.pdf")
    assert copied(tmp_path / "b.pdf").strip() != "ab"


def test_a_passage_is_in_a_language_that_the_font_has(font_dir: Path, tmp_path: Path) -> None:
    english, russian = "to be or not to be\n" * 300, "а он мятежный ищет бури\n" * 300
    (tmp_path / "en.txt").write_text(english, "utf-8")
    (tmp_path / "ru.txt").write_text(f"{english}{russian}", "utf-8")
    (tmp_path / "el.txt").write_text("ἦν\n" * 3000, "utf-8")
    found = dict(passages(font_dir / "sans.ttf", tmp_path))
    assert found.keys() == {"en", "ru"}  # and no accents
    assert "мятежный" in found["ru"]
    assert len(found["en"]) == pytest.approx(1500, abs=30)
