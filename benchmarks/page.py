"""How soon after a stroke is the first answer on the screen of a real browser?

A server of its own serves the page; a Chromium without a window draws letters on it, one stroke each. Time
is taken in the page itself: from the event that ends the stroke to the frame in which a list stands that was
not there before. Run: `python -m benchmarks.page`.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import typer
from playwright.sync_api import Browser, Page, sync_playwright

from glyphery import show

Place = tuple[float, float]  # on the pad, 0 to 1, y down
_NAMES = "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"
_PATIENCE = 120  # seconds until a server that does not start is given up
_ASKED = 150  # milliseconds that the design gives to the first answer
# One stroke each, as people write them.
STROKES: dict[str, tuple[Place, ...]] = {
    "L": ((0.32, 0.18), (0.32, 0.74), (0.68, 0.74)),
    "V": ((0.25, 0.18), (0.5, 0.76), (0.75, 0.18)),
    "Z": ((0.28, 0.2), (0.72, 0.2), (0.28, 0.75), (0.72, 0.75)),
    "N": ((0.28, 0.76), (0.28, 0.2), (0.72, 0.76), (0.72, 0.2)),
    "7": ((0.3, 0.2), (0.7, 0.2), (0.42, 0.76)),
    "M": ((0.2, 0.76), (0.28, 0.2), (0.5, 0.66), (0.72, 0.2), (0.8, 0.76)),
}
# Promises the milliseconds between the end of the next stroke and the frame with its answer.
_WATCH = """() => {
  window.answered = new Promise(resolve => {
    let ended = 0;
    const watch = new MutationObserver(() => {
      if (!ended) return;
      watch.disconnect();
      requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - ended)));
    });
    watch.observe(document.getElementById("answers"), { childList: true });
    document.getElementById("sheet").addEventListener(
      "pointerup", () => { ended = performance.now(); }, { once: true, capture: true });
  });
}"""


def find_browser() -> str | None:
    """A Chromium or Chrome of this machine; None where there is none."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


def needed_browser() -> str:
    """The same; where there is none it says so, and ends the program."""
    path = find_browser()
    if path is None:
        show.console(stderr=True).print("No Chromium on this machine: apt-get install chromium.")
        raise typer.Exit(1)
    return path


@contextmanager
def browser_at(path: str) -> Iterator[Browser]:
    """A browser without a window."""
    with sync_playwright() as playwright:
        # Containers have no user namespaces for its sandbox; it meets nothing but our own page.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


def draw(page: Page, *strokes: Sequence[Place], steps: int = 6) -> None:
    """Draw on the page's pad with a mouse; `steps` moves between two places."""
    page.locator("#sheet").scroll_into_view_if_needed()
    box = page.locator("#sheet").bounding_box()
    assert box is not None

    def go(place: Place, steps: int) -> None:
        page.mouse.move(box["x"] + place[0] * box["width"], box["y"] + place[1] * box["height"], steps=steps)

    for first, *others in strokes:
        go(first, 1)
        page.mouse.down()
        for place in others:
            go(place, steps)
        page.mouse.up()


def _main(
    strokes: Annotated[int, typer.Option(help="How many.")] = 30,
    bundle: Annotated[
        Path | None, typer.Option(help="Folder of a bundle; the shipped one by default.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Milliseconds from the end of a stroke to the first answer on the screen."""
    path = needed_browser()
    with served(bundle) as url, browser_at(path) as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(url)
        page.wait_for_selector(".bundle")
        waits = [_wait(page, stroke) for stroke in _turns(strokes + 2)][2:]  # two to warm up
    figures = {
        "strokes": strokes,
        "median": round(float(np.median(waits))),
        "p95": round(float(np.quantile(waits, 0.95))),
        "slowest": round(max(waits)),
        f"within {_ASKED} ms": round(float(np.mean(np.array(waits) <= _ASKED)), 3),
    }
    if json:
        show.as_json(figures)
        return
    machine = f"{os.cpu_count()} processors with a load of {os.getloadavg()[0]:.1f}"
    title = f"From the end of a stroke to its answer, ms, on {machine}"
    show.table(title, figures, [figures.values()])


def _turns(count: int) -> Iterator[tuple[Place, ...]]:
    shapes = list(STROKES.values())
    return (shapes[number % len(shapes)] for number in range(count))


def _wait(page: Page, stroke: Sequence[Place]) -> float:
    """Milliseconds; the pad is empty before, so that the list is a new one."""
    clear = page.locator("#clear")
    if clear.is_enabled():
        clear.click()
    page.wait_for_selector("#answers li", state="detached")
    page.evaluate(_WATCH)
    draw(page, stroke)
    found: float = page.evaluate("window.answered")
    page.wait_for_selector("#references li")  # so that the next stroke does not meet the work of this one
    page.wait_for_load_state("networkidle")
    return found


@contextmanager
def served(bundle: Path | None) -> Iterator[str]:
    """The address of a server with its default settings, in a process of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "glyphery", "serve", "--port", str(port)]
    with TemporaryDirectory() as folder:
        environment = os.environ | {"GLYPHERY_ACCESS_LOG": "false", "GLYPHERY_JOBS": folder}
        if bundle:
            environment["GLYPHERY_BUNDLES"] = str(bundle)
        process = subprocess.Popen(command, env=environment)
        try:
            until = time.monotonic() + _PATIENCE
            while time.monotonic() < until and process.poll() is None:
                with suppress(OSError), urllib.request.urlopen(f"{url}/readyz"):
                    break
                time.sleep(0.1)
            yield url
        finally:
            process.terminate()
            process.wait(_PATIENCE)


if __name__ == "__main__":
    typer.run(_main)
