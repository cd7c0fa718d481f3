"""A folder of pages and its index."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from scoring.reports.pages import INDEX, Pages
from scoring.verdicts import FontScore
from tests.scoring.records import HOSTILE, Elements, face, font, found, hostile_font, small_font, verdict


def index(folder: Path, *fonts: FontScore) -> Elements:
    with Pages(folder, made_with={"model": "tiny"}) as pages:
        for score in fonts:
            pages.add(score)
    return Elements((folder / INDEX).read_bytes().decode())


def links(elements: Elements) -> list[str]:
    return [link["href"] or "" for link in elements.all("a") if not (link["href"] or "").startswith("#")]


def test_fonts_are_listed_worst_first_with_links_to_their_pages_and_back(tmp_path: Path) -> None:
    good = font(face(verdict("A")), name="good.ttf")
    bad = font(name="bad.ttf", findings=(found("readable", "It is no font."),))
    elements = index(tmp_path / "pages", good, small_font(), bad)
    pages = links(elements)
    assert [page.partition("-")[0] for page in pages] == ["bad", "Test", "good"]
    assert "3 fonts" in elements.text
    assert "It is no font." in elements.text
    for page in pages:
        assert links(Elements((tmp_path / "pages" / page).read_bytes().decode())) == [INDEX]


def test_the_most_suspicious_glyphs_are_drawn_in_the_index(tmp_path: Path) -> None:
    elements = index(tmp_path / "pages", small_font())
    assert [path["d"] for path in elements.all("path")] == ["M0 0L500 0L500 -500L0 -500Z"] * 2


def test_pages_have_names_that_are_safe_and_unique(tmp_path: Path) -> None:
    score = small_font()
    names = [
        "a/x.ttf",
        "b/x.ttf",
        "b/x.ttf",
        "B/X.ttf",
        "../../x.ttf",
        "con",
        "…",
        "index.html",
        "x" * 300,
        "\udcff",
    ]
    fonts = [replace(score, font=name) for name in names]
    pages = links(index(tmp_path / "pages", *fonts))
    assert len({page.lower() for page in pages}) == len(fonts)
    assert all(re.fullmatch(r"[A-Za-z0-9-]{1,90}\.html", page) for page in pages)
    assert sorted(path.name for path in (tmp_path / "pages").iterdir()) == sorted([*pages, INDEX])


def test_the_same_fonts_have_the_same_pages(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        index(tmp_path / folder, small_font())
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / f).iterdir()} for f in ("one", "two"))
    assert one == two


@pytest.mark.parametrize("text", HOSTILE)
def test_a_font_cannot_add_an_element_to_the_index(tmp_path: Path, text: str) -> None:
    tame = index(tmp_path / "tame", hostile_font("tame"))
    hostile = index(tmp_path / "hostile", hostile_font(text))
    assert [tag for tag, _ in hostile.found] == [tag for tag, _ in tame.found]
    assert hostile.unclosed == []


def test_no_fonts_make_an_index(tmp_path: Path) -> None:
    assert "0 fonts" in index(tmp_path / "pages").text
