"""A real browser for the page, and the page in it. Where there is no browser these tests are skipped."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from benchmarks.page import browser_at, find_browser
from tests.service.waits import at_work

OpenPage = Callable[..., Page]
CuttingServer = Callable[[str], AbstractContextManager["Cutting"]]
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


class Cutting(ThreadingHTTPServer):
    """Asks another server what it is asked, and cuts off what that answers to the next request for `path`."""

    daemon_threads = True

    def __init__(self, url: str) -> None:
        super().__init__(("127.0.0.1", 0), _Asking)
        self.url, self.asks, self.path = f"http://127.0.0.1:{self.server_port}", url, ""
        self.has_cut = threading.Event()

    def is_to_cut(self, path: str) -> bool:
        if not self.path or not path.startswith(self.path):
            return False
        self.path = ""
        self.has_cut.set()
        return True


class _Asking(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Cutting

    def do_GET(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answer = httpx.request(self.command, self.server.asks + self.path, content=sent, trust_env=False)
        body = answer.content
        self.send_response(answer.status_code)
        self.send_header("Content-Type", answer.headers["content-type"])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.close_connection = self.server.is_to_cut(self.path)
        self.wfile.write(body[: len(body) // 2] if self.close_connection else body)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def cutting() -> CuttingServer:
    """Gives a server between the page and that at an address, which cuts off answers: `cutting(url)`."""

    @contextmanager
    def start(url: str) -> Iterator[Cutting]:
        server = Cutting(url)
        with at_work(server):
            yield server

    return start


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
