"""A real browser for the page, and the page in it. Where there is no browser these tests are skipped."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from benchmarks.page import browser_at, find_browser

OpenPage = Callable[..., Page]
PATIENCE = 120_000  # milliseconds: machines differ, and so does what else they do
expect.set_options(timeout=PATIENCE)


@pytest.fixture(
    scope="module"
)  # Playwright keeps an event loop running, with which no other test could have one
def browser() -> Iterator[Browser]:
    path = find_browser()
    if path is None:
        pytest.skip("there is no Chromium on this machine: apt-get install chromium")
    with browser_at(path) as found:
        yield found


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Opens the page of a server: `open_page(url, allowed="pattern", **options of the browser)`.

    In the end whatever the page said on its console as an error fails the test, but for what is allowed.
    """
    pages: list[tuple[Page, list[str], str]] = []

    def open_one(url: str, *, allowed: str = "(?!)", ready: bool = True, **options: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        said: list[str] = []
        pages.append((page, said, allowed))
        page.on("console", lambda message: said.append(message.text) if message.type in _BAD else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(url)
        if ready:
            page.wait_for_selector(".bundle")
        return page

    yield open_one
    for page, said, allowed in pages:
        page.context.close()
        assert [text for text in said if not re.search(allowed, text)] == []


_BAD = ("error", "warning")


@pytest.fixture(scope="session")
def drop() -> Callable[..., None]:
    """Drops files on an element, or pastes them: `drop(page, selector, (name, media type, bytes), ...)`."""

    def dropped(page: Page, selector: str, *files: tuple[str, str, bytes], event: str = "drop") -> None:
        transfer = page.evaluate_handle(
            """files => {
                const transfer = new DataTransfer();
                for (const [name, type, bytes] of files) {
                    transfer.items.add(new File([Uint8Array.from(bytes)], name, { type }));
                }
                return transfer;
            }""",
            [[name, kind, list(data)] for name, kind, data in files],
        )
        page.evaluate(
            """([selector, event, transfer]) => {
                const given = { bubbles: true, cancelable: true };
                const made = event === "paste"
                    ? new ClipboardEvent(event, { ...given, clipboardData: transfer })
                    : new DragEvent(event, { ...given, dataTransfer: transfer });
                document.querySelector(selector).dispatchEvent(made);
            }""",
            [selector, event, transfer],
        )

    return dropped
