"""Take the pictures of the page and of reports that the documents show, anew.

Run where Chromium is (`apt-get install chromium`) and the fonts are (`make fonts`):
`python -m scripts.screenshots [--out docs]`.
"""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import typer
from PIL import Image
from playwright.sync_api import Browser, Page

from benchmarks.page import Place, browser_at, draw, needed_browser, served
from bundles import SHIPPED
from glyphs.errors import BadInput

_FONTS = Path("/usr/share/fonts")
_REPORTED = {"score-report": "Lemonada-Regular.otf", "score-report-phone": "Play-Regular.ttf"}
_DESK, _PHONE = {"width": 1200, "height": 860}, {"width": 360, "height": 1440}
_BOWL: tuple[Place, ...] = tuple(
    (0.5 + 0.15 * math.sin(turn), 0.325 - 0.125 * math.cos(turn)) for turn in np.linspace(0, math.pi, 24)
)
_R: tuple[tuple[Place, ...], ...] = (
    ((0.34, 0.72), (0.34, 0.2)),
    ((0.34, 0.2), *_BOWL, (0.34, 0.45)),
    ((0.5, 0.45), (0.68, 0.72)),
)
_COLOURS = 128  # of a picture: enough for a page, and a third of the bytes


def _main(
    out: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path("docs"),
) -> None:
    """Take the pictures of the page and of reports that the documents show."""
    path = needed_browser()
    with served(None) as url, browser_at(path) as browser:
        _recognised(browser, url, out / "page.png")
        _alike(browser, url, out / "page-dark.png")
        _repaired(browser, url, out / "page-repair.png")
        _reports(browser, out)
    with served(Path(SHIPPED[1])) as url, browser_at(path) as browser:
        _primitives(browser, url, out / "page-primitives.png")
    for name in ("page", "page-dark", "page-repair", "page-primitives", *_REPORTED):
        picture = Image.open(out / f"{name}.png").convert("RGB")
        picture.quantize(_COLOURS, Image.Quantize.MAXCOVERAGE).save(out / f"{name}.png", optimize=True)


def _opened(browser: Browser, url: str, *, dark: bool = False, phone: bool = False) -> Page:
    page = browser.new_context(
        viewport=_PHONE if phone else _DESK, color_scheme="dark" if dark else "light"
    ).new_page()
    page.goto(url)
    return page


def _recognised(browser: Browser, url: str, out: Path) -> None:
    page = _opened(browser, url)
    page.wait_for_selector(".bundle")
    draw(page, *_R)
    page.wait_for_selector("#references li")
    page.evaluate("scrollTo(0, 0)")
    page.screenshot(path=out)


def _alike(browser: Browser, url: str, out: Path) -> None:
    page = _opened(browser, url, dark=True)
    page.wait_for_selector(".bundle")
    page.get_by_label("or type it").fill("ß")
    page.wait_for_selector("#references li")
    page.get_by_label("Other characters only").check()
    page.wait_for_load_state("networkidle")
    page.locator("#alike").evaluate("part => part.scrollIntoView({ behavior: 'instant' })")
    page.mouse.move(0, 0)
    page.wait_for_timeout(1000)  # for pictures that come into sight
    page.screenshot(path=out, clip={"x": 0, "y": 0, "width": 1200, "height": 606})


def _repaired(browser: Browser, url: str, out: Path) -> None:
    page = _opened(browser, url)
    page.wait_for_selector(".bundle")
    page.get_by_label("Choose a document").set_input_files("tests/data/silent.pdf")
    page.get_by_role("button", name="Save the repaired PDF").wait_for()
    page.mouse.move(0, 0)
    page.locator("#repaired").screenshot(path=out)


def _primitives(browser: Browser, url: str, out: Path) -> None:
    page = _opened(browser, url)
    page.wait_for_selector(".bundle")
    page.get_by_label("or type it").fill("ع")
    page.locator("#primitives summary").click()
    page.wait_for_load_state("networkidle")
    page.locator("#primitives").screenshot(path=out)


def _reports(browser: Browser, out: Path) -> None:
    for picture, name in _REPORTED.items():
        font = next(_FONTS.rglob(name), None)
        if font is None:
            raise BadInput(f"{name} is not installed.", "Run `make fonts`.")
        with TemporaryDirectory() as folder:
            report = Path(folder, f"{picture}.html")
            command = [sys.executable, "-m", "glyphery", "score", str(font), "--out", str(report)]
            subprocess.run(command, check=False, stdout=subprocess.DEVNULL)  # which fails: the font does
            phone = picture.endswith("phone")
            page = _opened(browser, report.as_uri(), dark=phone, phone=phone)
            if not phone:
                page.set_viewport_size({"width": 1280, "height": 1320})
            page.screenshot(path=out / f"{picture}.png")


if __name__ == "__main__":
    typer.run(_main)
