"""What every request passes on its way to its endpoint, as plain ASGI: the outermost first.

Observation    a request has a name, is counted and timed, and has a line in the log
Tracing        a request is a span, where traces are configured; in `service.tracing`
SafeHeaders    browsers take every answer for what it says it is, and for nothing to be shown inside a page
Departures     a request whose client has gone is dropped; one that the end of the service cuts short hears so
Admission      a request that could not be answered in time is refused before its body is read
Heads          HEAD is answered as GET, without the body
"""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.books import LEFT, Books
from service.engine import Engine
from service.errors import NotReady, Unavailable
from service.exchange import CURRENT, path_of
from service.problems import answer_to
from service.routes import ROUTERS

_SAFE = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"x-frame-options": b"DENY",
}
_SAME_ORIGIN = {b"cross-origin-resource-policy": b"same-origin"}
# For all but pages, which load scripts and styles; /docs even from elsewhere.
_CSP = {b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'"}
SAFE_ALONE = tuple((_SAFE | _SAME_ORIGIN | _CSP).items())  # for what is no page and not shared
# Endpoints with one piece of interactive work each, which the engine may refuse.
_ADMITTED = ("/classify", "/embed", "/similar", "/primitives")
_SUCCESSION = 5  # seconds within which there may be another service in place of one that ends
_NO_ROUTE = "none"
_TEMPLATES = [(route.path_regex, route.path) for router in ROUTERS for route in router.routes]


class Observation:
    """Says who a request is, and tells the metrics and the access log how it went."""

    def __init__(self, app: ASGIApp, *, books: Books) -> None:
        self.app, self._books = app, books

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = self._books.opened(scope["headers"])
        header = (b"x-request-id", exchange.id.encode("ascii"))
        status = bytes_in = bytes_out = 0

        async def counted_receive() -> Message:
            nonlocal bytes_in
            message = await receive()
            bytes_in += len(message.get("body", b""))
            return message

        async def counted_send(message: Message) -> None:
            nonlocal status, bytes_out
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), header]
            else:
                bytes_out += len(message.get("body", b""))
            await send(message)

        token = CURRENT.set(exchange)
        try:
            await self.app(scope, counted_receive, counted_send)
        except Exception:
            status = status or 500
            raise
        finally:
            self._books.closed(
                exchange, method=scope["method"], route=_template(scope), status=status or LEFT,
                bytes_in=bytes_in, bytes_out=bytes_out, key=scope.get("state", {}).get("caller", ""),
            )  # fmt: skip
            CURRENT.reset(token)


class SafeHeaders:
    """Tells browsers what they may not do with an answer, where the answer does not say so itself."""

    def __init__(self, app: ASGIApp, *, shared: bool = False) -> None:
        """shared: whether pages of other origins may use the answers."""
        self.app = app
        self._page = _SAFE | ({} if shared else _SAME_ORIGIN)
        self._other = self._page | _CSP

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = dict(message.get("headers", ()))
                page = own.get(b"content-type", b"").startswith(b"text/html")
                safe = self._page if page else self._other
                more = (header for header in safe.items() if header[0] not in own)
                message["headers"] = [*message.get("headers", ()), *more]
            await send(message)

        await self.app(scope, receive, send_safely)


class Departures:
    """Cancels a request when its client goes away, once its body has come in whole.

    Whoever waits for the engine is cancelled with it, whereby the work counts as abandoned. So it is where
    the server cancels what takes longer than its shutdown may; there somebody still waits for an answer.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        request = asyncio.current_task()
        assert request is not None
        watching: asyncio.Task[None] | None = None
        gone = asyncio.Event()
        started = False

        async def watched_send(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            gone.set()
            request.cancel()

        async def watched() -> Message:
            nonlocal watching
            if watching is not None:  # somebody who waits for the departure himself, as streams do
                await gone.wait()
                return {"type": "http.disconnect"}
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body"):
                watching = asyncio.create_task(watch())
            return message

        try:
            await self.app(scope, watched, watched_send)
        except asyncio.CancelledError:
            if gone.is_set():
                return
            if started:
                raise
            ending = NotReady("The service is shutting down.", "Ask again.", retry_after=_SUCCESSION)
            await answer_to(Request(scope), ending)(scope, receive, send)
        finally:
            if watching is not None:
                watching.cancel()


class Admission:
    """Asks the engine whether it would take the work that the request is going to bring."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST" and path_of(scope) in _ADMITTED:
            engine: Engine = scope["app"].state.engine
            try:
                engine.room.admit()
            except Unavailable as error:
                await answer_to(Request(scope), error)(scope, receive, send)
                return
        await self.app(scope, receive, send)


class Heads:
    """Has HEAD answered as GET (RFC 9110, 9.3.2); FastAPI's routes would refuse it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def send_bodiless(message: Message) -> None:
            await send(message if message["type"] == "http.response.start" else {**message, "body": b""})

        await self.app({**scope, "method": "GET"}, receive, send_bodiless)


def _template(scope: Scope) -> str:
    """The path of the request's route, whose parameters have names in place of values."""
    if "route" in scope:
        return getattr(scope["route"], "path", _NO_ROUTE)
    # Refused on its way, or nowhere to go.
    path = path_of(scope)
    return next((template for regex, template in _TEMPLATES if regex.match(path)), _NO_ROUTE)
