"""The report in Markdown, and text from fonts in it."""

from __future__ import annotations

import html
import re
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given

from scoring.reports.markdown import Markdown
from scoring.reports.text import markdown, visible
from scoring.verdicts import FontScore
from tests.scoring.records import HOSTILE, face, font, found, hostile_font, scores, small_font, texts, verdict

TAGS = {"code", "/code", "em", "/em", "br", "span", "/span"}


def report(*fonts: FontScore, limit: int = 60_000, findings: int = 20, most: int = 100) -> str:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.md"
        with Markdown(file, limit=limit, findings=findings, fonts=most) as written:
            for score in fonts:
                written.add(score)
        return file.read_bytes().decode()


def rows(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("| ")]


def test_a_table_of_fonts_and_one_of_findings() -> None:
    text = report(font(face(verdict("A")), name="good.ttf"), small_font())
    assert text.startswith("## Glyphery: 1 of 2 fonts with problems\n")
    assert [line for line in rows(text) if "ttf" in line] == [
        "| <code>fonts/Test.ttf</code> | 🔥 FAIL | 1 | 1 | 1 | 1 | 0 |",
        "| <code>good.ttf</code> | ✅ PASS | 0 | 1 | 0 | 0 | 0 |",
    ]
    assert (
        "| 🔥 FAIL | <code>U+0042</code> LATIN CAPITAL LETTER B<br><code>glyph66</code> "
        "| The glyph shows another character | It is recognised as LATIN CAPITAL LETTER Z. |"
    ) in text
    assert text.index("U+0042") < text.index("U+0639")
    assert "ARABIC LETTER AIN, initial" in text


def test_files_and_faces_as_a_whole_have_their_rows_and_accepted_findings_none() -> None:
    unreadable = font(name="bad.ttf", findings=(found("readable", "It is no font."),))
    fancy = font(face(findings=(found("decorative"),)), name="fancy.ttf")
    known = font(face(verdict("A", found("dots", accepted=True))), name="known.ttf")
    text = report(known, fancy, unreadable)
    assert [re.findall(r"\w+\.ttf", line)[0] for line in rows(text) if ".ttf" in line] == [
        "bad.ttf", "fancy.ttf", "known.ttf",
    ]  # fmt: skip
    assert "| <em>the file</em> |" in text
    assert "| <em>Test Regular</em> |" in text
    assert "1 known findings were accepted" in text
    assert "marks" not in text


def test_what_is_too_much_is_counted() -> None:
    glyphs = [verdict(chr(code), found("dots")) for code in range(0x61, 0x7B)]
    fonts = [font(face(*glyphs), name=f"{number}.ttf") for number in range(4)]
    text = report(*fonts, findings=5, most=3)
    assert text.count("… and 21 more.") == 3
    assert "… and 1 more fonts" in text


def test_it_fits_into_a_comment() -> None:
    glyphs = [verdict(chr(code), found("dots", "@" * 500)) for code in range(0x4E00, 0x4E20)]
    text = report(*[font(face(*glyphs), name=f"{number}.ttf") for number in range(90)])
    assert len(text) <= 60_000
    assert text.endswith("… and more than fits here: see the other reports.\n")


def test_no_fonts_are_no_problem() -> None:
    assert report().startswith("## Glyphery: no fonts\n")


@pytest.mark.parametrize("text", HOSTILE)
def test_a_font_cannot_break_the_tables_or_add_markup(text: str) -> None:
    tame, hostile = report(hostile_font("tame")), report(hostile_font(text))
    assert _skeleton(hostile) == _skeleton(tame)


@given(scores())
def test_every_row_has_the_cells_of_its_table(score: FontScore) -> None:
    for row in rows(report(score)):
        assert row.count("|") in (5, 8)
        assert set(re.findall(r"<([^>]*)>", row)) <= TAGS


@given(texts())
def test_text_reads_as_itself_and_nothing_in_it_is_markup(text: str) -> None:
    escaped = markdown(text)
    assert not set(escaped) & set("|`*[]\n\r\\~_")
    assert html.unescape(re.sub(r"</?span>", "", escaped)) == visible(text)


@given(texts())
def test_nothing_unseen_is_left_in_visible_text(text: str) -> None:
    shown = visible(text)
    assert len(shown.splitlines()) <= 1
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00-\x1f]", shown)


def test_a_long_name_is_cut() -> None:
    assert len(markdown("x" * 70_000)) == 300
    score = replace(small_font(), font="x" * 70_000)
    assert len(report(score)) < 2_000


def _skeleton(text: str) -> list[str]:
    """Every line with its tags, pipes and hashes alone."""
    return [re.sub(r"[^|<>#]+", "", re.sub(r"</?span>|&#?\w+;", "", line)) for line in text.split("\n")]
