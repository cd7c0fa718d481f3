"""Fonts are identified on the page: what every glyph shows stands beside what the font maps it to."""

from __future__ import annotations

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from fontTools.ttLib import TTFont
from playwright.sync_api import Page, expect

from bundles import default_bundle
from tests.scoring.conftest import edited
from tests.service.waits import eventually

NETWORK = r"Failed to load resource"
MOST = 300  # glyphs, of which a collection has more


@pytest.fixture(scope="module")
def url(serve, tmp_path_factory):
    folder = tmp_path_factory.mktemp("jobs")
    with serve(bundles=[default_bundle()], jobs=folder, max_identified_glyphs=MOST) as running:
        yield running.url


def choose(page: Page, name: str, data: bytes) -> None:
    page.get_by_label("Choose a font").set_input_files({"name": name, "mimeType": "font/ttf", "buffer": data})


def card(page: Page, name: str):
    return page.get_by_role("article", name=name, exact=True)


def scrambled(font: TTFont) -> None:
    """Each digit is mapped to the next one's glyph."""
    mapped = font.getBestCmap()
    turned = {code: mapped[0x30 + (code + 1 - 0x30) % 10] for code in range(0x30, 0x3A)}
    for table in font["cmap"].tables:
        table.cmap = table.cmap | turned


def unmapped(font: TTFont) -> None:
    del font["cmap"]


def test_glyphs_that_show_something_else_than_the_font_maps_are_marked_and_found(open_page, url, font_dir):
    page = open_page(url)
    choose(page, "mono.otf", edited(font_dir / "mono.otf", scrambled))
    found = card(page, "mono.otf")
    one = found.get_by_role("listitem").filter(has_text="DIGIT ONE")
    expect(one).to_contain_text("not as mapped · U+0030 0")
    expect(one).to_contain_text("49 ·")  # the label
    expect(one).to_contain_text("%")
    assert one.locator("img").evaluate("img => img.decode().then(() => img.naturalWidth)") == 64
    letter = found.get_by_role("listitem").filter(has_text="LATIN CAPITAL LETTER L").first
    expect(letter).to_contain_text("as mapped · U+004C L")
    before = found.get_by_role("listitem").count()
    found.get_by_label("Show").select_option(value="differs")
    shown = found.get_by_role("listitem")
    assert 10 <= shown.count() < before / 2
    expect(shown.filter(has_text="DIGIT ONE")).to_be_visible()
    expect(letter).to_be_hidden()
    found.get_by_label("Show").select_option(value="")
    expect(letter).to_be_visible()
    expect(page.get_by_role("status")).to_contain_text("not as mapped")


def test_a_font_without_a_map_is_dropped_where_pictures_are(open_page, url, font_dir, drop):
    page = open_page(url)
    data = edited(font_dir / "sans.ttf", unmapped)
    drop(page, "#pad", ("silent.ttf", "font/ttf", data))
    found = card(page, "silent.ttf")
    expect(found).to_contain_text("239 glyphs · ")
    expect(found).to_contain_text("Glyphery Test Sans Regular")
    letters = found.get_by_role("listitem").filter(has_text="LATIN CAPITAL LETTER B")
    expect(letters.first).to_contain_text("mapped to no character")
    blank = found.get_by_role("listitem").filter(has_text="It has no ink.")
    expect(blank.first).to_contain_text("advance 0.26 em")
    expect(page.locator("#jobs article")).to_have_count(0)


def test_private_use_says_nothing_of_what_is_shown(open_page, url, font_dir):
    def hidden(font: TTFont) -> None:
        for table in font["cmap"].tables:
            table.cmap = {0xE000 + code: name for code, name in table.cmap.items() if code < 0x80}

    page = open_page(url)
    choose(page, "hidden.otf", edited(font_dir / "mono.otf", hidden))
    found = card(page, "hidden.otf")
    letter = found.get_by_role("listitem").filter(has_text="U+E04C")
    expect(letter).to_contain_text("LATIN CAPITAL LETTER L")
    expect(letter).to_contain_text("mapped to no character · U+E04C")
    expect(found).not_to_contain_text("not as mapped")


def test_presentation_forms_are_the_letters_they_are_forms_of(open_page, url, font_dir):
    page = open_page(url)
    choose(page, "naskh.ttf", (font_dir / "naskh.ttf").read_bytes())
    form = card(page, "naskh.ttf").get_by_role("listitem").filter(has_text="U+FECB")
    expect(form).to_contain_text("ARABIC LETTER AIN, initial form")
    expect(form).to_contain_text("as mapped · U+FECB")
    expect(form).not_to_contain_text("not as mapped")


def test_archives_and_several_fonts_are_scored_wherever_they_are_dropped(open_page, url, font_dir, drop):
    page = open_page(url)
    small = (font_dir / "phagspa.ttf").read_bytes()
    drop(page, "#pad", ("a.ttf", "font/ttf", small), ("b.ttf", "font/ttf", small))
    expect(page.locator("#jobs").get_by_role("article", name="a.ttf, b.ttf")).to_be_visible()
    expect(page.locator("#identified article")).to_have_count(0)


def test_what_was_identified_is_saved(open_page, url, font_dir):
    page = open_page(url)
    choose(page, "phagspa.ttf", (font_dir / "phagspa.ttf").read_bytes())
    with page.expect_download() as download:
        card(page, "phagspa.ttf").get_by_role("button", name="Save what was identified").click()
    assert download.value.suggested_filename == "phagspa.ttf.json"
    saved = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    [face] = saved["faces"]
    assert saved["model"]["name"] == "levit_128s"
    assert "picture" not in face["glyphs"][0]
    assert len(face["glyphs"]) == card(page, "phagspa.ttf").get_by_role("listitem").count()


def test_members_of_a_collection_are_told_apart(open_page, serve, web_fonts):
    with serve(bundles=[default_bundle()], jobs=None) as running:
        page = open_page(running.url, allowed=NETWORK)
        choose(page, "both.ttc", web_fonts["ttc"].read_bytes())
        found = card(page, "both.ttc")
        expect(found).to_contain_text("and 1 other")
        for face in (0, 1):
            expect(found.get_by_text(f"face {face}, glyph 5,")).to_be_visible()


def test_what_cannot_be_identified_is_explained(open_page, url, font_dir, web_fonts):
    page = open_page(url, allowed=NETWORK)
    note = page.locator("#identify-note")
    choose(page, "a.ttf", b"nothing of the kind")
    expect(note).to_contain_text("Bad font.")
    expect(page.get_by_role("status")).to_contain_text("Bad font.")
    choose(page, "b.ttc", web_fonts["ttc"].read_bytes())
    expect(note).to_contain_text(f"Too many glyphs. The font has more than {MOST} glyphs.")
    choose(page, "c.ttf", bytes(9 << 20))
    expect(note).to_contain_text("Body too large.")
    expect(page.get_by_role("alert")).to_be_hidden()
    choose(page, "d.ttf", (font_dir / "phagspa.ttf").read_bytes())
    expect(card(page, "d.ttf")).to_be_visible()
    expect(note).to_be_hidden()


@pytest.fixture
def halted(serve, font_dir):
    """Gives a server whose reader of fonts stands still, and that reader: `halted(timeout)`."""

    @contextmanager
    def start(timeout: float):
        with serve(bundles=[default_bundle()], jobs=None, timeout=timeout) as running:
            small = (font_dir / "phagspa.ttf").read_bytes()
            eventually(lambda: running.client.post("/fonts/identify", content=small).status_code == 200)
            reader = running.app.state.identifier._sandbox.start()
            os.kill(reader.pid, signal.SIGSTOP)
            yield running, reader

    return start


def test_a_queue_that_is_full_is_told(open_page, halted, font_dir):
    small = (font_dir / "phagspa.ttf").read_bytes()
    with halted(60) as (running, reader), ThreadPoolExecutor(16) as others:
        page = open_page(running.url, allowed=NETWORK)
        asked = [others.submit(running.client.post, "/fonts/identify", content=small) for _ in range(16)]
        eventually(lambda: running.app.state.identifier.fonts.inside == 16)
        choose(page, "a.ttf", small)
        expect(page.locator("#identify-note")).to_contain_text("Too many requests.")
        os.kill(reader.pid, signal.SIGCONT)
        assert {each.result().status_code for each in asked} == {200}


def test_a_font_that_takes_too_long_is_not_sent_again_and_again(open_page, halted, font_dir):
    with halted(3) as (running, _):
        page = open_page(running.url, allowed=NETWORK)
        choose(page, "a.ttf", (font_dir / "phagspa.ttf").read_bytes())
        expect(page.locator("#identify-note")).to_contain_text("Too late.")


def test_a_font_takes_the_place_of_one_at_work(open_page, halted, font_dir):
    small = (font_dir / "phagspa.ttf").read_bytes()
    with halted(60) as (running, reader):
        page = open_page(running.url, allowed=NETWORK)
        choose(page, "first.ttf", small)
        eventually(lambda: running.app.state.identifier.fonts.inside == 1)
        choose(page, "second.ttf", small)
        expect(card(page, "second.ttf")).to_be_visible()
        expect(page.locator("#identified article")).to_have_count(1)
        assert reader.poll() is not None  # the server did not go on with the first


def test_a_font_that_did_not_get_through_is_to_be_chosen_again(open_page, serve, font_dir):
    with serve(bundles=[default_bundle()], jobs=None) as running:
        page = open_page(running.url, allowed=NETWORK)
    choose(page, "a.ttf", (font_dir / "phagspa.ttf").read_bytes())
    expect(page.locator("#identify-note")).to_have_text(
        "The font did not get through. Choose it again once the server is back."
    )
