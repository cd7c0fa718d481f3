"""A font's page."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from glyphs.labels import Form, Label
from scoring.reports import html as html_page
from scoring.reports.html import write_font_page
from scoring.verdicts import FontScore
from tests.scoring.records import (
    AIN,
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
)  # fmt: skip


def page(score: FontScore, reference: Callable[[Label], bytes | None] | None = None) -> str:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "page.html"
        write_font_page(
            file, score, reference=reference, made_with={"model": "tiny", "thresholds": {"margin": 3}}
        )
        return file.read_bytes().decode()


def png(label: Label) -> bytes | None:
    buffer = io.BytesIO()
    Image.new("L", (8, 8), label.codepoint % 255).save(buffer, "PNG")
    return buffer.getvalue()


def classes(elements: Elements, tag: str, name: str) -> list[dict[str, str | None]]:
    return [attributes for attributes in elements.all(tag) if name in (attributes.get("class") or "").split()]


def test_suspects_have_cards_worst_first_and_every_glyph_has_a_tile() -> None:
    elements = Elements(page(small_font()))
    cards = classes(elements, "li", "card")
    assert [card["data-checks"] for card in cards] == ["identity ", "unknown "]
    assert "LATIN CAPITAL LETTER B" in (cards[0]["data-words"] or "")
    assert len(classes(elements, "li", "tile")) == 4
    links = [link["href"] for link in elements.all("a") if (link["href"] or "").startswith("#c")]
    assert links == [f"#{card['id']}" for card in cards]
    for expected in ("It is recognised as LATIN CAPITAL LETTER Z.", "about 1,000 : 1", "97.0 %", "glyph66"):
        assert expected in elements.text


def test_a_page_needs_nothing_and_runs_nothing_but_its_own() -> None:
    text = page(small_font(), png)
    elements = Elements(text)
    assert not re.search(r"https?://|url\(|@import|srcset|\bon\w+=\"", text)
    assert all((link["href"] or "").startswith("#") for link in elements.all("a"))
    policy = next(meta["content"] or "" for meta in elements.all("meta") if "http-equiv" in meta)
    assert policy.startswith("default-src 'none';")
    for tag in ("style", "script"):
        (source,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert not [attributes for _, attributes in elements.found if "style" in attributes]


def test_a_page_is_well_formed_and_its_ids_are_unique() -> None:
    elements = Elements(page(small_font(), png))
    ids = [attributes["id"] for _, attributes in elements.found if "id" in attributes]
    assert elements.unclosed == []
    assert len(ids) == len(set(ids))
    used = {use["href"] for use in elements.all("use")}
    assert used <= {f"#{one}" for one in ids}


def test_an_outline_is_in_a_page_once() -> None:
    other = "M0 0L1 1L2 0Z"
    score = font(face(verdict("A", found("dots")), verdict("B"), verdict("C", path=other)))
    text = page(score)
    assert text.count(SQUARE) == text.count(other) == 1


def test_a_reference_is_in_a_page_once_and_the_readers_own_font_stands_in_for_one_that_is_not_there() -> None:
    score = font(face(verdict("A", found("dots")), verdict("B", found("identity"))))
    elements = Elements(page(score, lambda label: png(label) if label.codepoint == ord("Z") else None))
    (picture,) = elements.all("image")
    assert (picture["href"] or "").startswith("data:image/png;base64,")
    assert len([use for use in elements.all("use") if use["href"] == f"#{picture['id']}"]) == 4
    assert len(classes(elements, "span", "specimen")) >= 2


def test_a_glyph_that_is_recognised_as_itself_looks_like_nothing_else() -> None:
    itself = replace(verdict("A"), findings=(found("duplicate"),))
    assert "Looks like" not in page(font(face(itself)))
    assert "Looks like" in page(small_font())


def test_accepted_findings_are_kept_apart() -> None:
    elements = Elements(page(font(face(verdict("A", found("dots", accepted=True))))))
    assert "Accepted findings" in elements.text
    assert "No glyph of this face is suspect." in elements.text
    assert len(classes(elements, "li", "card")) == 1


def test_a_face_that_could_not_be_judged_is_not_called_clear() -> None:
    skipped = replace(verdict("A"), skipped=True)
    text = Elements(page(font(face(skipped)))).text
    assert "No glyph of this face could be judged." in text
    assert "suspect." not in text


def test_a_file_that_cannot_be_read_has_a_page_that_says_why() -> None:
    elements = Elements(page(font(findings=(found("readable", "It is no font at all."),))))
    assert "It is no font at all." in elements.text
    assert elements.unclosed == []


def test_faces_have_sections_and_links_to_them() -> None:
    elements = Elements(page(font(face(verdict("A")), face(verdict("A"), style="Bold"))))
    links = [link["href"] for link in elements.all("a")]
    assert [f"#{section['id']}" for section in classes(elements, "section", "sheet")] == ["#f0", "#f1"]
    assert {"#f0", "#f1"} <= set(links)


def test_glyphs_are_filed_under_scripts_or_blocks() -> None:
    ain = verdict(chr(AIN), form=Form.ISOL)
    elements = Elements(page(font(face(verdict("A"), verdict("→"), verdict("1"), ain))))
    groups = [group["data-group"] for group in classes(elements, "section", "group")]
    assert groups == ["Latin", "Arrows", "Basic Latin", "Arabic"]


def test_a_huge_font_loses_tiles_and_says_so_but_no_suspect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html_page, "MAX_TILES", 10)
    glyphs = [verdict(chr(code), *([found("dots")] if code % 2 else [])) for code in range(0x4E00, 0x4E28)]
    elements = Elements(page(font(face(*glyphs), face(*glyphs, style="Bold"))))
    assert len(classes(elements, "li", "tile")) == 10
    assert len(classes(elements, "li", "card")) == 40
    assert "30 glyphs are not on this sheet" in elements.text
    assert "40 glyphs are not on this sheet" in elements.text


def test_a_page_that_cannot_hold_all_suspects_says_how_many_it_leaves_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(html_page, "MAX_CARDS", 12)
    accepted = replace(found("dots"), accepted=True)
    bad = [verdict(chr(code), found("dots")) for code in range(0x4E00, 0x4E0A)]
    known = [verdict(chr(code), accepted) for code in range(0x5E00, 0x5E03)]
    elements = Elements(page(font(face(*bad, *known), face(verdict("A", found("dots")), style="Bold"))))
    assert len(classes(elements, "li", "card")) == 12
    assert "Suspects 10, worst first" in elements.text
    assert "Accepted findings 3" in elements.text
    assert "2 glyphs with accepted findings have no card" in elements.text  # suspects of all faces go first
    monkeypatch.setattr(html_page, "MAX_CARDS", 4)
    elements = Elements(page(font(face(*bad))))
    assert "Suspects 10, worst first" in elements.text
    assert "6 suspects have no card" in elements.text
    cards = {card["id"] for card in classes(elements, "li", "card")}
    links = {link["href"].removeprefix("#") for link in elements.all("a")}
    assert {link for link in links if link.startswith("c")} <= cards


def test_heavy_outlines_are_limited_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html_page, "MAX_OUTLINES", 3 * len(SQUARE))
    elements = Elements(page(font(face(*map(verdict, "ABCDE")))))
    assert len(classes(elements, "li", "tile")) == 3


def test_a_usual_font_is_a_file_of_usual_size() -> None:
    outline = "M0 0" + "L500 -500" * 100  # a kilobyte, as letters of book faces take
    glyphs = [verdict(chr(0x4E00 + n), path=f"{outline}L{n} 0Z") for n in range(1_500)]
    assert len(page(font(face(*glyphs)))) < 3_000_000


@pytest.mark.parametrize("text", HOSTILE)
def test_a_font_cannot_add_an_element_to_its_page(text: str) -> None:
    tame, hostile = Elements(page(hostile_font("tame"))), Elements(page(hostile_font(text)))
    assert [tag for tag, _ in hostile.found] == [tag for tag, _ in tame.found]
    assert [set(attributes) for _, attributes in hostile.found] == [
        set(attributes) for _, attributes in tame.found
    ]
    assert hostile.unclosed == []
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00\x1b]", page(hostile_font(text)))


@given(scores(), st.booleans())
def test_any_score_has_a_page(score: FontScore, pictures: bool) -> None:
    elements = Elements(page(score, png if pictures else None))
    assert elements.unclosed == []
    assert len(elements.all("script")) == 1
