"""Drawing, dropping, pasting and typing; look-alikes; models; a server that is busy, locked or away."""

from __future__ import annotations

import io
import math
import shutil
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Page, expect

from benchmarks.page import STROKES, draw
from bundles import SHIPPED
from recognition.bundle import Bundle, seal

DOCS = Path(__file__).resolve().parents[3] / "docs"
AIN = ("ain.png", "image/png", (DOCS / "ain-initial.png").read_bytes())
T = ((0.25, 0.2), (0.75, 0.2)), ((0.5, 0.2), (0.5, 0.76))
NETWORK = r"Failed to load resource"


def circle(x, y, radius, count=24):
    turns = (math.tau * part / count for part in range(count + 1))
    return tuple((x + 0.8 * radius * math.sin(turn), y - radius * math.cos(turn)) for turn in turns)


def characters(page: Page) -> list[str]:
    expect(page.locator("#answers li").first).to_be_visible()
    return page.locator("#answers .glyph").all_inner_texts()


def names(page: Page) -> list[str]:
    return page.locator("#answers .name").all_inner_texts()


@pytest.fixture(scope="session")
def url(serve, tmp_path_factory):
    """A server of the shipped bundles; the second names primitives."""
    folder = tmp_path_factory.mktemp("jobs")
    with serve(bundles=SHIPPED, jobs=folder) as running:
        yield running.url


@pytest.mark.parametrize(
    ("letter", "strokes"), [("L", [STROKES["L"]]), ("T", T), ("O", [circle(0.5, 0.47, 0.28)])]
)
def test_a_letter_that_is_drawn_is_among_the_five_most_likely(open_page, url, letter, strokes):
    page = open_page(url)
    page.get_by_text("What is known of it").click()
    page.get_by_label("It can be").select_option(label="A–Z, a–z, 0–9")
    draw(page, *strokes)
    page.wait_for_selector("#references li")  # they come last
    assert letter in characters(page)
    expect(page.get_by_role("status")).to_contain_text("Most likely: ")


def test_answers_come_while_one_draws(open_page, url):
    page = open_page(url)
    box = page.locator("#sheet").bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 100, box["y"] + 300, steps=9)
    assert characters(page)  # the pen is still down
    page.mouse.up()


def test_each_answer_says_what_it_is_and_is_copied(open_page, url):
    page = open_page(url, permissions=["clipboard-read", "clipboard-write"])
    page.get_by_text("What is known of it").click()
    page.get_by_label("It can be").select_option(label="Latin")
    draw(page, STROKES["L"])
    page.wait_for_selector("#references li")
    row = page.locator("#answers li", has_text="LATIN CAPITAL LETTER L").first
    expect(row).to_contain_text("U+004C")
    expect(row).to_contain_text("Latin")
    expect(row).to_contain_text("%")
    expect(row).to_contain_text("drawn alike")
    row.get_by_role("button", name="Copy the character LATIN CAPITAL LETTER L").click()
    assert page.evaluate("navigator.clipboard.readText()") == "L"
    row.get_by_role("button", name="Copy the code point").click()
    assert page.evaluate("navigator.clipboard.readText()") == "U+004C"


def test_what_is_copied_over_plain_http_leaves_the_focus_where_it_was(open_page, url):
    page = open_page(url)
    # As browsers have it there.
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.get_by_label("or type it").fill("b")
    copy = page.get_by_role("button", name="Copy the code point U+0062")
    copy.press("Enter")
    expect(copy).to_have_attribute("data-copied", "")
    expect(copy).to_be_focused()


def test_strokes_are_undone_one_by_one_and_cleared(open_page, url):
    page = open_page(url)
    undo, clear = page.get_by_role("button", name="Undo"), page.get_by_role("button", name="Clear")
    expect(undo).to_be_disabled()
    draw(page, *T)
    sheet = page.locator("#sheet")
    expect(sheet).to_have_attribute("aria-label", "Drawing area: a drawing of 2 strokes")
    undo.click()
    expect(sheet).to_have_attribute("aria-label", "Drawing area: a drawing of 1 stroke")
    clear.click()
    expect(sheet).to_have_attribute("aria-label", "Drawing area: empty")
    expect(page.locator("#answers li")).to_have_count(0)
    undo.click()
    expect(sheet).to_have_attribute("aria-label", "Drawing area: a drawing of 1 stroke")


def test_the_lines_tell_a_small_o_from_a_capital(open_page, url):
    page = open_page(url)
    page.get_by_text("What is known of it").click()
    page.get_by_label("It can be").select_option(label="A–Z, a–z, 0–9")
    page.get_by_label("Measure my drawing").check()
    with page.expect_request("**/similar?*") as asked:  # which comes last
        draw(page, circle(0.5, 0.52, 0.17))
    sent = parse_qs(urlsplit(asked.value.url).query)
    assert float(sent["height"][0]) == pytest.approx(0.495, abs=0.02)  # (0.34 and the pen's 0.056) / 0.8
    assert float(sent["bottom"][0]) == pytest.approx(0, abs=0.02)
    page.wait_for_selector("#references li")
    assert characters(page)[0] == "o"
    page.get_by_label("Height").fill("0.72")  # what is typed in counts more
    with page.expect_request("**/classify?*height=0.72*"):
        page.get_by_label("Bottom", exact=True).fill("0")


@pytest.mark.parametrize("event", ["drop", "paste"])
def test_a_picture_is_dropped_or_pasted(open_page, url, drop, event):
    page = open_page(url)
    drop(page, "#pad", AIN, event=event)
    page.wait_for_selector("#references li")
    assert names(page)[0] == "ARABIC LETTER AIN"
    expect(page.locator("#answers li").first).to_contain_text("initial form")


def test_a_picture_is_cropped_by_pointer_and_by_keyboard(open_page, url):
    picture = Image.new("RGB", (600, 300), "#cfc7b4")
    pen = ImageDraw.Draw(picture)
    pen.line([(70, 60), (70, 240), (190, 240)], "#221a1a", 26)  # L
    pen.line([(400, 70), (520, 70)], "#221a1a", 26)  # T
    pen.line([(460, 60), (460, 240)], "#221a1a", 26)
    file = io.BytesIO()
    picture.save(file, "JPEG")
    page = open_page(url, allowed=NETWORK)  # the last crop below shows nothing
    page.get_by_label("Choose a picture").set_input_files(
        {"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": file.getvalue()}
    )
    page.get_by_text("What is known of it").click()
    page.get_by_label("It can be").select_option(label="A–Z, a–z, 0–9")
    crop = page.locator("#crop")
    box = crop.bounding_box()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.3 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.95 * box["width"], box["y"] + 0.7 * box["height"], steps=5)
    page.mouse.up()
    expect(page.locator("#answers .name").first).to_have_text("LATIN CAPITAL LETTER T")
    left = page.get_by_role("slider", name="Left edge")
    assert left.get_attribute("aria-valuetext") == "60 %"
    left.focus()
    with page.expect_response("**/classify?*"):
        page.keyboard.press("ArrowRight")
    assert left.get_attribute("aria-valuetext") == "61 %"
    page.get_by_role("slider", name="Right edge").focus()
    page.keyboard.press("Home")  # never beyond the edge across
    assert page.get_by_role("slider", name="Right edge").get_attribute("aria-valuetext") == "64 %"


def test_a_picture_without_ink_is_explained(open_page, url, drop):
    file = io.BytesIO()
    Image.new("L", (80, 80), 255).save(file, "PNG")
    page = open_page(url, allowed=NETWORK)
    drop(page, "#pad", ("blank.png", "image/png", file.getvalue()))
    problem = page.locator("#findings-note")
    expect(problem).to_contain_text("Blank image. The picture shows no glyph.")
    drop(page, "#pad", ("notes.txt", "text/plain", b"no picture"))
    expect(problem).to_have_text("notes.txt is no picture that this browser can read.")


def test_what_is_dropped_anywhere_is_seen_to_be_taken(open_page, url, drop):
    page = open_page(url)
    for given in (AIN, ("notes.txt", "text/plain", b"no picture")):
        page.get_by_role("link", name="For programs").scroll_into_view_if_needed()
        expect(page.locator("#pad")).not_to_be_in_viewport()
        drop(page, "#models", given)
        expect(page.locator("#pad")).to_be_in_viewport(ratio=1)


def test_on_a_phone_a_problem_is_told_beside_the_pad(open_page, url, drop):
    page = open_page(url, viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True)
    drop(page, "#pad", ("photo.heic", "image/heic", b"nothing a browser reads"))
    glance = page.locator("#glance")
    expect(glance).to_have_text("photo.heic is no picture that this browser can read.")
    expect(glance).to_be_in_viewport(ratio=1)
    page.get_by_label("or type it").fill("b")
    expect(glance).to_contain_text("%")


@pytest.mark.parametrize(("scheme", "ink"), [("dark", 0), ("light", 255)])
def test_a_transparent_picture_is_seen_whatever_its_ink(open_page, url, drop, scheme, ink):
    picture = Image.new("RGBA", (100, 100))
    ImageDraw.Draw(picture).rectangle((40, 20, 60, 80), (ink, ink, ink, 255))
    file = io.BytesIO()
    picture.save(file, "PNG")
    page = open_page(url, color_scheme=scheme)
    drop(page, "#pad", ("bar.png", "image/png", file.getvalue()))
    page.wait_for_selector("#references li")
    seen = """canvas => {
        const { data } = canvas.getContext("2d").getImageData(0, canvas.height / 2, canvas.width, 1);
        return [0.2, 0.5].map(place => [...data.subarray(4 * Math.floor(place * canvas.width))].slice(0, 4));
    }"""
    (ground, *_, is_there), bar = page.locator("#sheet").evaluate(seen)
    assert bar == [ink, ink, ink, 255]
    assert is_there == 255  # what is behind the canvas has the colour of one of the inks
    assert abs(ground - ink) > 80


def test_a_second_finger_does_not_take_the_crop_over(open_page, url, drop):
    page = open_page(url, viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True)
    drop(page, "#pad", AIN)
    edges = [page.get_by_role("slider", name=f"{edge} edge") for edge in ("Left", "Top", "Right", "Bottom")]
    expect(edges[0]).to_be_visible()
    box = page.locator("#crop").bounding_box()
    screen = page.context.new_cdp_session(page)

    def touch(kind: str, *places: tuple[float, float]) -> None:
        points = [
            {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"], "id": finger}
            for finger, (x, y) in enumerate(places)
        ]
        screen.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", (0.3, 0.3))
    touch("touchMove", (0.7, 0.7))
    touch("touchStart", (0.7, 0.7), (0.9, 0.1))
    touch("touchMove", (0.7, 0.7), (0.9, 0.15))
    touch("touchEnd")
    shares = [int(edge.get_attribute("aria-valuenow")) for edge in edges]
    assert shares == pytest.approx([30, 30, 70, 70], abs=1)


def test_a_character_is_typed_and_its_look_alikes_are_gone_on_from(open_page, url):
    page = open_page(url)
    page.get_by_label("or type it").fill("U+0639")
    expect(page.locator("#alike-of")).to_contain_text("nearest to ARABIC LETTER AIN, isolated form")
    tiles = page.locator("#references button")
    expect(tiles).to_have_count(27)
    expect(tiles.first.locator("img")).to_have_js_property("naturalWidth", 48)
    label = tiles.nth(3).get_attribute("aria-label")
    assert "similarity 0." in label
    tiles.nth(3).click()
    expect(page.locator("#alike-of")).to_contain_text(", of ")
    expect(page.locator("#sheet")).to_have_attribute("aria-label", f"Drawing area: {_reference(label)}")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#sheet")).to_have_attribute("aria-label", "Drawing area: the character ع")


def test_a_character_that_is_wide_is_drawn_whole(open_page, url):
    page = open_page(url)
    # Playwright does not see bodies that are blobs.
    page.evaluate(
        """() => {
            const fetched = window.fetch;
            window.asked = new Promise(resolve => {
                window.fetch = (path, options) => {
                    if (path.startsWith("/classify")) {
                        options.body.arrayBuffer().then(bytes => resolve([path, [...new Uint8Array(bytes)]]));
                    }
                    return fetched(path, options);
                };
            });
        }"""
    )
    page.get_by_label("or type it").fill("\u2e3b")  # a dash of three em
    path, picture = page.evaluate("asked")
    sent = Image.open(io.BytesIO(bytes(picture))).convert("L").point(lambda grey: 255 - grey)
    left, top, right, bottom = sent.getbbox()
    assert 0 < left < right < sent.width
    assert 0 < top < bottom < sent.height
    [width] = parse_qs(urlsplit(path).query)["width"]
    assert right - left > sent.width / 2  # as large as fits
    assert float(width) > 2


def test_answers_to_what_was_there_before_are_marked_as_such(open_page, url):
    page = open_page(url)
    page.get_by_label("or type it").fill("L")
    page.wait_for_selector("#references li")
    held = []
    page.route("**/classify*", lambda route: held.append(route))
    page.get_by_label("or type it").fill("A")
    for place in ("#findings", "#references"):
        expect(page.locator(place)).to_have_attribute("aria-busy", "true")
        expect(page.locator(place)).to_have_css("opacity", "0.45")
    held.pop().continue_()
    for place in ("#findings", "#references"):
        expect(page.locator(place)).to_have_attribute("aria-busy", "false")
    assert "A" in characters(page)


def test_a_folder_that_is_dropped_is_said_to_be_one(open_page, url, drop):
    page = open_page(url)
    # No script can make a folder to drop, only the browser itself.
    page.evaluate("DataTransferItem.prototype.webkitGetAsEntry = () => ({ isDirectory: true })")
    drop(page, "#score", ("fonts", "", b""))
    expect(page.locator("#findings-note")).to_contain_text("A folder cannot be taken")


def test_what_an_input_method_composes_is_taken(open_page, url):
    page = open_page(url)
    page.get_by_label("or type it").focus()
    keyboard = page.context.new_cdp_session(page)
    keyboard.send("Input.imeSetComposition", {"text": "´", "selectionStart": 1, "selectionEnd": 1})
    keyboard.send("Input.insertText", {"text": "é"})  # within the composition, as dead keys and phones do
    expect(page.locator("#sheet")).to_have_attribute("aria-label", "Drawing area: the character é")


def test_what_was_typed_is_one_step_for_undo(open_page, url):
    page = open_page(url, allowed=NETWORK)  # on the way to U+0041 there are characters without ink
    sheet, typed = page.locator("#sheet"), page.get_by_label("or type it")
    draw(page, STROKES["L"])
    typed.press_sequentially("U+0041")
    expect(sheet).to_have_attribute("aria-label", "Drawing area: the character A")
    typed.clear()
    typed.press_sequentially("b")
    expect(sheet).to_have_attribute("aria-label", "Drawing area: the character b")
    undo = page.get_by_role("button", name="Undo")
    undo.click()
    expect(sheet).to_have_attribute("aria-label", "Drawing area: the character A")
    undo.click()
    expect(sheet).to_have_attribute("aria-label", "Drawing area: a drawing of 1 stroke")


def _reference(label: str) -> str:
    """What the pad says of a reference whose tile has that label."""
    what, _, _ = label.partition(", similarity")
    name, _, family = what.rpartition(", ")
    return f"{name}, of {family}"


def test_other_characters_only_are_each_shown_once(open_page, url):
    page = open_page(url)
    page.get_by_label("or type it").fill("A")
    page.get_by_label("Other characters only").check()
    expect(page.locator("#alike-of")).to_contain_text("other characters nearest to LATIN CAPITAL LETTER A")
    shown = page.locator("#references .of").all_inner_texts()
    codes = [text.split()[-1] for text in shown]
    assert len(codes) == len(set(codes)) > 3
    assert "U+0041" not in codes
    assert {"U+0410", "U+0391"} & set(codes)  # the A's of Cyrillic and Greek
    page.locator("#filters").get_by_label("Script").select_option(label="Greek")
    expect(page.locator("#references .of", has_text="U+0410")).to_have_count(0)
    expect(page.locator("#references .of", has_text="U+0391")).to_have_count(1)


def test_look_alikes_of_an_answer(open_page, url):
    page = open_page(url)
    draw(page, STROKES["L"])
    page.wait_for_selector("#references li")
    page.get_by_role("button", name="Look-alikes of LATIN CAPITAL LETTER L", exact=True).click()
    expect(page.locator("#alike-of")).to_have_text("27 references nearest to LATIN CAPITAL LETTER L")


def test_a_model_without_look_alikes_says_so_when_asked_for_them(open_page, serve, bundle_without_index):
    with serve(bundles=[bundle_without_index], jobs=None) as running:
        page = open_page(running.url, allowed=NETWORK)
        page.get_by_label("or type it").fill("b")
        page.get_by_role("button", name="Look-alikes of").first.click()
        expect(page.locator("#alike-note")).to_contain_text("No index.")
        expect(page.locator("#references li")).to_have_count(0)


def test_another_model_answers_and_shows_its_primitives(open_page, url):
    page = open_page(url)
    draw(page, STROKES["L"])
    expect(page.locator("#primitives")).to_be_hidden()  # the default model names none
    with page.expect_request("**/classify?model=unified_mlp*"):
        page.get_by_role("radio", name="unified_mlp").check()
    page.get_by_text("Primitives that the model sees").click()
    expect(page.locator("#cell")).to_contain_text("Row 1, column 1: primitive ")
    page.locator("#grid").focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator("#cell")).to_contain_text("Row 2, column 1: primitive ")
    page.locator("#cells").hover(position={"x": 3, "y": 3})
    expect(page.locator("#cell")).to_contain_text("Row 1, column 1: primitive ")


def test_models_show_their_quality_and_digest(open_page, url):
    page = open_page(url)
    first, second = page.locator(".bundle").all()
    quality = Bundle.load(Path(SHIPPED[0])).manifest.quality
    expect(first).to_contain_text(f"{100 * quality['with_metrics']['fonts']['top1']:.1f} %")
    expect(first).to_contain_text(f"{quality['families']} font families that it never saw in training.")
    expect(second).to_contain_text("primitives")
    expect(first.get_by_role("button", name="Copy the digest of levit_128s")).to_be_visible()


def test_figures_of_families_that_a_model_was_chosen_by_are_said_to_be(open_page, serve, tmp_path):
    small = Bundle.load(Path(SHIPPED[1]))
    shutil.copytree(small.path, tmp_path / "chosen")
    quality = small.manifest.quality | {"split": "validation"}
    seal(tmp_path / "chosen", replace(small.manifest, quality=quality))
    with serve(bundles=[tmp_path / "chosen"], jobs=tmp_path / "jobs") as running:
        expect(open_page(running.url).locator(".bundle")).to_contain_text("it was chosen by them")


def test_a_server_that_is_away_is_said_to_be_and_all_goes_on_when_it_is_back(open_page, serve):
    with serve(jobs=None) as running:
        port, url = running.port, running.url
        page = open_page(url, allowed=NETWORK)
        draw(page, STROKES["L"])
        assert characters(page)
    notice = page.get_by_role("alert")
    page.get_by_role("button", name="Clear").click()
    draw(page, STROKES["V"])
    expect(notice).to_have_text(
        "The server cannot be reached. This page goes on by itself as soon as it is back."
    )
    with serve(jobs=None, port=port):
        expect(notice).to_be_hidden()
        assert characters(page)  # of the drawing that was not answered
        page.wait_for_selector("#references li")


def test_an_answer_that_breaks_off_ends_nothing(open_page, serve, cutting):
    with serve(jobs=None) as running, cutting(running.url) as between:
        page = open_page(between.url, allowed=NETWORK)
        box = page.locator("#sheet").bounding_box()
        page.mouse.move(box["x"] + 100, box["y"] + 60)
        between.path = "/classify"
        page.mouse.down()
        page.mouse.move(box["x"] + 100, box["y"] + 200, steps=9)
        assert characters(page)  # of what was asked again
        assert between.has_cut.is_set()
        with page.expect_response("**/classify?*"):  # the pen is still down
            page.mouse.move(box["x"] + 100, box["y"] + 300, steps=9)
        page.mouse.up()
        between.path = "/similar"
        page.get_by_label("or type it").fill("b")
        page.wait_for_selector("#references li")
        expect(page.get_by_role("alert")).to_be_hidden()


def test_a_key_is_asked_for_and_kept(open_page, serve, tmp_path):
    keys = tmp_path / "keys.txt"
    keys.write_text(f"press:{sha256(b'the-key').hexdigest()}\n")
    with serve(keys=keys, jobs=tmp_path / "jobs") as running:
        page = open_page(running.url, allowed=NETWORK, ready=False)
        dialog = page.get_by_role("dialog", name="This server asks for a key")
        field = page.get_by_label("API key")
        as_it_is = page.locator("#type").evaluate("field => getComputedStyle(field).borderColor")
        expect(field).to_have_css("border-color", as_it_is)  # nothing is wrong with what nobody has typed yet
        page.get_by_label("API key").fill("wrong")
        page.keyboard.press("Enter")
        expect(dialog).to_contain_text("not known here")
        page.get_by_label("API key").fill(" the-key ")  # as it comes with a paste
        page.get_by_role("button", name="Use it").click()
        page.wait_for_selector(".bundle")
        expect(dialog).to_be_hidden()
        draw(page, STROKES["L"])
        tiles = page.locator("#references img")  # which bring the key as well
        expect(tiles.first).to_have_js_property("naturalWidth", 48)
        label = page.locator("#references button").first.get_attribute("aria-label")
        tiles.first.click()
        expect(page.locator("#sheet")).to_have_attribute("aria-label", f"Drawing area: {_reference(label)}")
        page.reload()
        page.wait_for_selector(".bundle")
        assert page.evaluate("localStorage.length") == 0
        expect(page.get_by_role("button", name="Change key")).to_be_visible()
        with page.expect_download() as saved:  # a link alone would bring no key
            page.get_by_role("link", name="For programs").click()
        assert "/classify" in saved.value.path().read_text()
        expect(page.locator("#programs-note")).to_contain_text("X-API-Key")


def test_a_busy_server_is_spoken_of_no_longer_than_it_is_waited_for(open_page, serve):
    with serve(rate_limit=0.2, rate_burst=2, jobs=None) as running:
        page = open_page(running.url, allowed=NETWORK)
        page.get_by_label("or type it").fill("b")
        expect(page.get_by_role("alert")).to_contain_text("The server is busy. Trying again in")
        page.get_by_role("button", name="Clear").click()
        expect(page.get_by_role("alert")).to_be_hidden()


def test_a_busy_server_is_waited_for(open_page, serve):
    with serve(rate_limit=20, rate_burst=4, jobs=None) as running:
        page = open_page(running.url, allowed=NETWORK)
        page.get_by_label("or type it").fill("b")
        assert characters(page)
        pictures = page.locator("#references img")
        expect(pictures.last).to_have_js_property("naturalWidth", 48)
        expect(page.get_by_role("alert")).to_be_hidden()
