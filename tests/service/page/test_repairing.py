"""Documents are repaired on the page: what every code shows stands beside what copying will give."""

from __future__ import annotations

import io
from pathlib import Path

import pikepdf
import pytest
from playwright.sync_api import Page, expect

from bundles import default_bundle
from tests.documents.printing import SHOWN
from tests.documents.test_repair import copied

NETWORK = r"Failed to load resource"
SILENT = Path(__file__).parents[2] / "data" / "silent.pdf"


@pytest.fixture(scope="module")
def url(serve):
    with serve(bundles=[default_bundle()], jobs=None, max_document_bytes=1 << 20) as running:
        yield running.url


def choose(page: Page, name: str, data: bytes) -> None:
    file = {"name": name, "mimeType": "application/pdf", "buffer": data}
    page.get_by_label("Choose a document").set_input_files(file)


def card(page: Page, name: str):
    return page.get_by_role("article", name=name, exact=True)


def saved(page: Page, name: str, folder: Path) -> Path:
    with page.expect_download() as download:
        card(page, name).get_by_role("button", name="Save the repaired PDF").click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def test_a_document_is_repaired_and_saved(open_page, url, tmp_path):
    page = open_page(url, allowed=NETWORK)
    choose(page, "silent.pdf", SILENT.read_bytes())
    found = card(page, "silent.pdf")
    expect(found).to_contain_text("1 page")
    expect(found).to_contain_text("63 codes · 63 repaired")
    letter = found.get_by_role("listitem").filter(has_text="CYRILLIC SMALL LETTER YA")
    expect(letter).to_contain_text("repaired · я")
    drawn = letter.locator("img")
    assert drawn.evaluate("img => img.decode().then(() => img.naturalWidth)") == 64
    out = saved(page, "silent.pdf", tmp_path)
    assert (out.name, copied(out)) == ("silent-repaired.pdf", " ".join(SHOWN))
    choose(page, "again.pdf", out.read_bytes())
    expect(card(page, "again.pdf")).to_contain_text("63 as the document says")
    expect(card(page, "again.pdf").get_by_role("button")).to_have_count(0)


def test_a_document_that_lies_is_believed_unless_somebody_wants_otherwise(open_page, url, tmp_path, drop):
    page = open_page(url, allowed=NETWORK)
    choose(page, "silent.pdf", SILENT.read_bytes())
    honest, lying = saved(page, "silent.pdf", tmp_path), io.BytesIO()
    with pikepdf.open(honest) as opened:
        font = opened.pages[0].Resources.Font.F
        font.ToUnicode = opened.make_stream(font.ToUnicode.read_bytes().replace(b"<0062>", b"<0021>"))
        opened.save(lying)
    drop(page, "#pad", ("lying.pdf", "application/pdf", lying.getvalue()))  # wherever pictures are dropped
    found = card(page, "lying.pdf")
    expect(found).to_contain_text("1 said to be what it does not show")
    found.get_by_label("Show").select_option(value="contradicted")
    expect(found.locator("li:visible")).to_have_count(1)
    expect(found.locator("li:visible")).to_contain_text("LATIN SMALL LETTER B")
    found.get_by_role("button", name="Believe the pictures").click()
    expect(found).to_contain_text("1 repaired")
    expect(found.get_by_role("listitem").filter(has_text="SMALL LETTER B").first).to_contain_text("b · was !")
    assert copied(saved(page, "lying.pdf", tmp_path)) == " ".join(SHOWN)


def test_what_cannot_be_repaired_is_explained(open_page, url):
    page = open_page(url, allowed=NETWORK)
    line = page.locator("#repair-note")
    choose(page, "a.pdf", b"nothing of the kind")
    expect(line).to_contain_text("Bad document. It is no PDF that can be read")
    choose(page, "b.pdf", bytes(2 << 20))
    expect(line).to_contain_text("Body too large.")
    choose(page, "c.pdf", SILENT.read_bytes())
    expect(card(page, "c.pdf")).to_be_visible()
    expect(line).to_be_hidden()
