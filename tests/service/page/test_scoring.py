"""Fonts are scored on the page: sent, followed, read in place, saved, cancelled and removed."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest
from playwright.sync_api import expect

from scoring.reports.html import Page
from tests.scoring.records import face, font, verdict

SQUARE = [(100, 0), (700, 0), (700, 600), (100, 600)]
BAR = [(300, 0), (420, 0), (420, 700), (300, 700)]
NETWORK = r"Failed to load resource"


@pytest.fixture(scope="module")
def url(serve, tmp_path_factory):
    """A server of its own, for its jobs."""
    with serve(jobs=tmp_path_factory.mktemp("jobs")) as running:
        yield running.url


@pytest.fixture
def fonts(make_font):
    """Two fonts of two glyphs."""
    return [
        make_font(name, family, {0x41: [SQUARE], 0x62: [BAR]})
        for name, family in (("one.ttf", "One"), ("two.ttf", "Two"))
    ]


def job(page, name):
    return page.get_by_role("article", name=name, exact=True)


def test_a_font_is_scored_to_the_end_and_its_report_read_in_place(open_page, url, fonts, drop):
    page = open_page(
        url, allowed="Content Security Policy|Refused to connect"
    )  # the browser tells what the frame may not do
    drop(page, "#drop", ("one.ttf", "font/ttf", fonts[0].read_bytes()))
    card = job(page, "one.ttf")
    expect(card).to_contain_text("1 of 1 font · 2 glyphs")
    expect(card.get_by_role("progressbar")).to_be_hidden()
    card.get_by_role("button", name="Read the report").click()
    report = page.frame_locator("iframe.report")
    expect(report.get_by_role("heading", level=1)).to_contain_text("one.ttf")
    report.get_by_role("button", name="Change between light and dark").click()  # its own script is at work
    expect(report.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.locator("iframe.report").get_attribute("sandbox") == "allow-scripts"
    frame = page.frames[-1]
    assert frame.evaluate("origin") == "null"
    assert frame.evaluate("fetch('/models').then(() => 'sent', () => 'kept in')") == "kept in"
    card.get_by_role("button", name="Close the report").click()
    expect(page.locator("iframe")).to_have_count(0)


def test_tiles_of_a_report_are_reached_by_key_whatever_is_filtered(open_page, tmp_path):
    with Page(tmp_path / "page.html") as report:
        report.add(font(face(*map(verdict, "ABC"))))
    page = open_page((tmp_path / "page.html").as_uri(), ready=False)
    find, tiles = page.get_by_role("searchbox"), page.locator(".tile")
    for text, stops in (("", "0--"), ("U+0042", " 0 "), ("letter", "0--"), ("letter c", "  0"), ("", "0--")):
        find.fill(text)
        shown = [("0" if tile.get_attribute("tabindex") == "0" else "-") if tile.is_visible() else " "
                 for tile in tiles.all()]  # fmt: skip
        assert "".join(shown) == stops
    find.fill("U+0043")
    page.get_by_role("button", name="Clear").press("Tab")
    expect(tiles.nth(2)).to_be_focused()


def test_reports_are_saved_and_the_job_removed(open_page, url, fonts):
    page = open_page(url)
    page.get_by_label("Choose fonts").set_input_files(fonts[0])
    card = job(page, "one.ttf").first
    saved = {}
    for name in ("JSON lines", "CSV", "HTML"):
        with page.expect_download() as download:
            card.get_by_role("button", name=f"Save the report as {name}").click()
        saved[name] = Path(download.value.path()).read_text(encoding="utf-8")
        assert download.value.suggested_filename.startswith("glyphery-report.")
    assert len([json.loads(line) for line in saved["JSON lines"].splitlines()]) >= 2
    assert len(list(csv.DictReader(io.StringIO(saved["CSV"])))) >= 2
    assert saved["HTML"].startswith("<!doctype html>")
    before = page.get_by_role("article").count()
    card.get_by_role("button", name="Remove").click()
    expect(page.get_by_role("article")).to_have_count(before - 1)


def test_pages_of_several_fonts_lead_to_one_another(open_page, url, fonts):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        for font in fonts:
            packed.write(font, font.name)
        packed.writestr("OFL.txt", "a licence")
    page = open_page(url)
    page.get_by_label("Choose fonts").set_input_files(
        {"name": "fonts.zip", "mimeType": "application/zip", "buffer": archive.getvalue()}
    )
    card = job(page, ", ".join(font.name for font in fonts))
    expect(card).to_contain_text("2 of 2 fonts")
    expect(card).to_contain_text("1 other file passed over, such as OFL.txt")
    card.get_by_role("button", name="Read the report").click()
    report = page.frame_locator("iframe.report")
    expect(report.get_by_role("heading", level=1)).to_contain_text("2 fonts")
    # By key: the page scrolls smoothly to the frame, and a browser ignores clicks into one that is moving.
    report.get_by_role("link", name="two.ttf").press("Enter")
    expect(report.get_by_role("heading", level=1)).to_contain_text("two.ttf")
    report.get_by_role("link", name="All fonts").press("Enter")
    expect(report.get_by_role("heading", level=1)).to_contain_text("2 fonts")


def test_a_job_is_cancelled(open_page, url, font_files):
    page = open_page(url)
    choose = page.get_by_label("Choose fonts")
    font = font_files[0].read_bytes()
    choose.set_input_files(
        [{"name": f"{number}.ttf", "mimeType": "font/ttf", "buffer": font} for number in range(40)]
    )
    first = job(page, "0.ttf, 1.ttf, 2.ttf and 37 others")
    expect(first).to_contain_text("of 40 fonts")
    choose.set_input_files(font_files[0])
    second = job(page, font_files[0].name)
    expect(second).to_contain_text("waiting")  # behind the other
    second.get_by_role("button", name="Cancel").click()
    expect(second).to_contain_text("cancelled")
    first.get_by_role("button", name="Cancel").click()
    expect(first).to_contain_text("cancelled")
    expect(first.get_by_role("progressbar")).to_be_hidden()
    expect(first.get_by_role("button", name="Remove")).to_be_visible()


def test_who_works_by_key_keeps_the_place_in_a_job(open_page, url, fonts, font_files):
    page = open_page(url)
    choose = page.get_by_label("Choose fonts")
    choose.set_input_files([font_files[0]] * 40)
    going = page.get_by_role("article").first
    cancel = going.get_by_role("button", name="Cancel")
    cancel.focus()
    expect(going).to_contain_text("at work")  # with other buttons than those of a job that waits
    expect(cancel).to_be_focused()
    page.keyboard.press("Enter")
    expect(going.get_by_role("button", name="Remove")).to_be_focused()
    given = {"name": "kept.ttf", "mimeType": "font/ttf", "buffer": fonts[0].read_bytes()}
    choose.set_input_files(given)  # with a name of its own: other jobs of this server are listed, too
    done = job(page, "kept.ttf")
    save = done.get_by_role("button", name="Save the report as CSV")
    with page.expect_download():
        save.press("Enter")
    expect(save).to_be_focused()
    done.get_by_role("button", name="Read the report").press("Enter")
    expect(done.get_by_role("button", name="Close the report")).to_be_focused()
    page.keyboard.press("Enter")
    expect(done.get_by_role("button", name="Read the report")).to_be_focused()


def test_a_job_goes_on_when_the_page_is_opened_again(open_page, url, fonts):
    page = open_page(url)
    page.get_by_label("Choose fonts").set_input_files(fonts[1])
    expect(job(page, "two.ttf")).to_be_visible()
    page.reload()
    expect(job(page, "two.ttf").get_by_role("button", name="Read the report")).to_be_visible()


def test_a_job_that_cannot_be_followed_for_the_moment_stays_on_the_page(open_page, serve, fonts, tmp_path):
    with serve(rate_limit=0.05, rate_burst=3, jobs=tmp_path / "jobs") as running:
        page = open_page(running.url, allowed=NETWORK)
        page.get_by_label("Choose fonts").set_input_files(fonts[0])
        expect(page.locator("#score-note")).to_contain_text("Too many requests of one client.")
        expect(job(page, "one.ttf")).to_be_visible()


def test_what_is_no_font_is_explained(open_page, url):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("OFL.txt", "a licence")
    page = open_page(url, allowed=NETWORK)
    page.get_by_label("Choose fonts").set_input_files(
        {"name": "licence.zip", "mimeType": "application/zip", "buffer": archive.getvalue()}
    )
    expect(page.locator("#score-note")).to_contain_text("No fonts.")
    expect(page.get_by_role("status")).to_contain_text("No fonts.")


def test_fonts_that_do_not_get_through_are_to_be_chosen_again(open_page, serve, fonts, tmp_path):
    with serve(jobs=tmp_path / "jobs") as running:
        page = open_page(running.url, allowed=NETWORK)
    page.get_by_label("Choose fonts").set_input_files(fonts[0])
    expect(page.locator("#score-note")).to_have_text(
        "The fonts did not get through. Choose them again once the server is back."
    )


def test_progress_and_reports_come_to_who_has_a_key(open_page, serve, fonts, tmp_path):
    keys = tmp_path / "keys.txt"
    keys.write_text(f"press:{sha256(b'the-key').hexdigest()}\n")
    with serve(keys=keys, jobs=tmp_path / "jobs") as running:
        page = open_page(running.url, allowed=NETWORK, ready=False)
        page.get_by_label("API key").fill("the-key")
        page.get_by_role("button", name="Use it").click()
        page.wait_for_selector(".bundle")
        page.get_by_label("Choose fonts").set_input_files(fonts[0])
        job(page, "one.ttf").get_by_role("button", name="Read the report").click()
        report = page.frame_locator("iframe.report")
        expect(report.get_by_role("heading", level=1)).to_contain_text("one.ttf")


def test_a_server_without_jobs_says_so(open_page, serve):
    with serve(jobs=None) as running:
        page = open_page(running.url, allowed=NETWORK)
        expect(page.locator("#score-note")).to_contain_text("This service takes no jobs.")
        expect(page.locator("#drop")).to_be_hidden()
