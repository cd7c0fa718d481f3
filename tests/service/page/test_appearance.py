"""How the page looks and how it is reached: keyboard, screen readers, phones, the dark, its weight."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Request, expect

from benchmarks.page import STROKES, draw

EMBEDDED = Path(__file__).resolve().parents[2] / "data" / "embedded.ttf"
PHONE = {"viewport": {"width": 320, "height": 640}, "is_mobile": True, "has_touch": True}
# What can be reached: of radio buttons with one name only one is a stop.
REACHABLE = """() => {
    const stops = "a[href], button:not(:disabled), input:not(:disabled), select, summary, [tabindex='0']";
    const isSeen = element => element.checkVisibility() && element.closest("dialog:not([open])") === null;
    const all = [...document.querySelectorAll(stops)].filter(isSeen)
        .filter(element => element.type !== "radio" || element.checked);
    all.forEach((element, number) => { element.dataset.stop = number; });
    return all.length;
}"""


@pytest.fixture(scope="module")
def url(serve, bundle, naming_bundle, tmp_path_factory):
    """A server whose every part of the page shows."""
    with serve(bundles=[naming_bundle, bundle], jobs=tmp_path_factory.mktemp("jobs")) as running:
        yield running.url


def full(page: Page) -> Page:
    """The page with all of its parts in use."""
    draw(page, STROKES["L"])
    page.wait_for_selector("#references li")
    page.get_by_text("What is known of it").click()
    page.get_by_text("Primitives that the model sees").click()
    expect(page.locator("#cell")).to_contain_text("primitive")
    page.get_by_label("Choose a font").set_input_files(EMBEDDED)
    expect(page.get_by_role("region", name="Glyphs of embedded.ttf")).to_be_visible()
    return page


@pytest.mark.parametrize("look", ["light", "dark", "phone", "cropping", "key"])
def test_axe_finds_nothing_serious(open_page, url, drop, look):
    options = PHONE if look == "phone" else {"color_scheme": "dark" if look == "dark" else "light"}
    page = full(open_page(url, **options))
    if look == "cropping":
        shot = page.locator("#references").screenshot()
        drop(page, "#pad", ("shot.png", "image/png", shot))
        expect(page.get_by_role("slider", name="Left edge")).to_be_visible()
    if look == "key":
        page.evaluate("document.getElementById('key').showModal()")
    found = Axe().run(page).response["violations"]
    bad = [violation for violation in found if violation["impact"] in ("serious", "critical")]
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in bad] == []


def test_everything_is_reached_by_keyboard_and_shows_it(open_page, url):
    page = full(open_page(url))
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    count = page.evaluate(REACHABLE)
    assert count > 40
    reached, unseen = set(), []
    for _ in range(count + 5):
        page.keyboard.press("Tab")
        stop, outlined = page.evaluate(
            """() => {
                const element = document.activeElement;
                const shows = one => one && getComputedStyle(one).outlineStyle !== "none";
                const seen = [element, element.nextElementSibling, element.closest("label")].some(shows);
                return [element.dataset.stop ?? null, seen];
            }"""
        )
        if stop is not None:
            reached.add(int(stop))
            unseen += [] if outlined else [page.evaluate("document.activeElement.outerHTML")]
    assert reached == set(range(count))
    assert unseen == []


def test_a_glyph_is_asked_about_by_keyboard_alone(open_page, url):
    page = open_page(url)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the drawing area")).to_be_focused()
    page.keyboard.press("Enter")
    typed = page.get_by_label("or type it")
    while not typed.evaluate("element => element === document.activeElement"):
        page.keyboard.press("Tab")
    page.keyboard.type("b")
    expect(page.locator("#references li").first).to_be_visible()
    tile = page.locator("#references button").first
    name = tile.get_attribute("aria-label").partition(",")[0]
    while not tile.evaluate("element => element === document.activeElement"):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#alike-of")).to_contain_text(", of ")  # that very reference
    expect(page.locator("#alike-of")).to_contain_text(f"nearest to {name}")


@pytest.mark.parametrize("width", [320, 390, 700, 1280])
def test_nothing_is_wider_than_the_screen(open_page, url, width):
    page = full(open_page(url, viewport={"width": width, "height": 800}))
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_no_field_is_so_small_that_a_phone_zooms_in_on_it(open_page, url):
    page = open_page(url)
    fields = page.locator("select, input:not([type=radio], [type=checkbox], [type=file])")
    sizes = fields.evaluate_all("fields => fields.map(field => parseFloat(getComputedStyle(field).fontSize))")
    assert min(sizes) >= 16


def test_a_finger_draws(open_page, url):
    page = open_page(url, **PHONE)
    draw(page, STROKES["V"])
    expect(page.locator("#answers li").first).to_be_visible()
    assert page.locator("#sheet").evaluate("sheet => getComputedStyle(sheet).touchAction") == "none"
    assert page.locator("#pad").bounding_box()["width"] < 320


def test_a_whole_glyph_is_drawn_on_a_phone_that_lies_on_its_side(open_page, url):
    page = open_page(url, viewport={"width": 740, "height": 340}, is_mobile=True, has_touch=True)
    page.evaluate("document.getElementById('glance').scrollIntoView({ block: 'end' })")
    expect(page.locator("#pad")).to_be_in_viewport(ratio=1)
    draw(page, STROKES["L"])
    expect(page.locator("#glance")).to_contain_text("%")
    expect(page.locator("#glance")).to_be_in_viewport(ratio=0.9)


def test_the_dark_is_dark_and_ink_is_light_there(open_page, url):
    def levels(scheme: str) -> tuple[int, int]:
        page = open_page(url, color_scheme=scheme)
        draw(page, STROKES["L"])
        expect(page.locator("#answers li").first).to_be_visible()
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0]")
        ink = page.evaluate(
            """() => {
                const sheet = document.getElementById("sheet");
                const at = [0.32 * sheet.width, 0.45 * sheet.height];
                return sheet.getContext("2d").getImageData(...at, 1, 1).data[0];
            }"""
        )
        return int(ground), ink

    light_ground, dark_ink = levels("light")
    dark_ground, light_ink = levels("dark")
    assert light_ground > 200 > 60 > dark_ink
    assert dark_ground < 60 < 200 < light_ink


def test_the_crop_is_seen_where_colours_are_forced(open_page, url, drop):
    page = full(open_page(url, forced_colors="active", color_scheme="dark"))
    drop(page, "#pad", ("shot.png", "image/png", page.locator("#references").screenshot()))
    page.get_by_role("slider", name="Left edge").press("Shift+ArrowRight")
    drawn = "box => [getComputedStyle(box).borderTopColor, getComputedStyle(box).boxShadow]"
    border, shade = page.locator(".crop-box").evaluate(drawn)
    assert border == page.evaluate(
        "getComputedStyle(document.querySelector('.edge'), '::after').backgroundColor"
    )
    assert shade != "none"


def test_what_comes_over_the_wire_is_light_and_from_here(open_page, url, browser):
    page = browser.new_context().new_page()
    requests: list[Request] = []
    page.on("requestfinished", lambda request: requests.append(request))
    page.goto(url)
    page.wait_for_selector(".bundle")
    page.wait_for_load_state("networkidle")
    sizes = {request.url: sum(request.sizes().values()) for request in requests}
    page.context.close()
    assert all(address.startswith(f"{url}/") for address in sizes)
    own = {address: size for address, size in sizes.items() if "/page/" in address or address == f"{url}/"}
    assert len(own) > 15
    assert sum(own.values()) < 150_000
