"""A comparison, for people."""

from __future__ import annotations

import re
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given

from scoring.compare import compare
from scoring.reports import comparison as comparison_page
from scoring.reports.comparison import comparison_markdown, write_comparison_page
from scoring.verdicts import FontScore
from tests.scoring.records import (
    HOSTILE,
    SQUARE,
    Elements,
    face,
    font,
    found,
    hostile_font,
    scores,
    small_font,
    verdict,
)


def page(old: FontScore, new: FontScore) -> str:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "comparison.html"
        write_comparison_page(file, compare(old, new), made_with={"model": "tiny"})
        return file.read_bytes().decode()


def mended() -> FontScore:
    """The small font with its B mended and its A broken and drawn anew."""
    one = small_font().faces[0]
    broken = verdict("A", found("dots", "A dot is missing."), path="M0 0L9 9L9 0Z")
    return font(replace(one, glyphs=(broken, verdict("B"), *one.glyphs[2:])), name="fonts/v2/Test.ttf")


def test_markdown_tells_what_was_broken_before_what_was_fixed() -> None:
    text = comparison_markdown(compare(small_font(), mended()))
    assert "Glyphs: 1 broken, 1 fixed." in text
    assert [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| ")] == [
        "| Change", "| broken", "| fixed",
    ]  # fmt: skip
    assert "| ✅ PASS | 🔥 FAIL A dot is missing. |" in text


def test_markdown_of_the_same_font_says_that_nothing_changed() -> None:
    assert "Glyphs: nothing changed." in comparison_markdown(compare(small_font(), small_font()))


def test_markdown_counts_what_it_leaves_out() -> None:
    glyphs = [verdict(chr(code)) for code in range(0x4E00, 0x4E64)]
    text = comparison_markdown(compare(font(face()), font(face(*glyphs))), glyphs=60)
    assert "… and 40 more." in text
    assert len(comparison_markdown(compare(font(face()), font(face(*glyphs))), limit=2_000)) <= 2_000


def test_the_page_draws_before_and_after() -> None:
    text = page(small_font(), mended())
    elements = Elements(text)
    assert elements.unclosed == []
    assert text.count(SQUARE) == text.count("M0 0L9 9L9 0Z") == 1
    assert elements.text.index("Broken") < elements.text.index("Fixed")
    assert "A dot is missing." in elements.text


def test_the_page_caps_new_glyphs_but_never_broken_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison_page, "MAX_SHOWN", 3)
    codes = range(0x4E00, 0x4E0A)
    old = font(face(*[verdict(chr(code)) for code in codes]))
    new = font(face(*[verdict(chr(code), found("dots")) for code in codes], *map(verdict, "ABCDE")))
    text = Elements(page(old, new)).text
    assert "of which 3 are shown" in text
    assert all(f"U+{code:04X}" in text for code in codes)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_font_can_break_neither_page_nor_markdown(text: str) -> None:
    tame, hostile = hostile_font("tame"), hostile_font(text)
    before, after = (Elements(page(small_font(), score)) for score in (tame, hostile))
    assert [tag for tag, _ in before.found] == [tag for tag, _ in after.found]
    assert after.unclosed == []
    lines = [comparison_markdown(compare(small_font(), score)).split("\n") for score in (tame, hostile)]
    assert [line.count("|") for line in lines[0]] == [line.count("|") for line in lines[1]]
    assert not re.search("<(?!/?(code|em|br|span)>)", "\n".join(lines[1]))


@given(scores(), scores())
def test_any_two_scores_can_be_compared_for_people(old: FontScore, new: FontScore) -> None:
    assert Elements(page(old, new)).unclosed == []
    assert comparison_markdown(compare(old, new)).startswith("## Glyphery")
