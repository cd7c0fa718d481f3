"""The direct way: posted pictures are answered where they arrive, past ASGI.

On its way through ASGI a request becomes a task and a cycle of messages, and passes nine layers of
middleware and two routers, each a closure around the next. That takes the event loop two and a half times
as long as all of this (docs/PERFORMANCE.md), and a service that is overloaded spends most of its time on
saying so. So the connection hands over here what comes in the commonest form, a small
picture as the body, once it is there in whole. The same rules hold as on the long way, by the same parts;
tests hold the answers of the two ways against each other. Whatever is asked in another form, or has to
pass what stands in the long way only (other origins, limits of rate, traces), goes the long way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fastapi import FastAPI, Request, Response
from starlette.types import Scope
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT

from service.access import Gate
from service.books import LEFT, Books
from service.engine import Engine
from service.exchange import CURRENT
from service.middleware import SAFE_ALONE
from service.problems import answer_to
from service.reading import RAW
from service.routes import ROUTERS
from service.routes.quick import PictureRoute

Headers = list[tuple[bytes, bytes]]
Reply = Callable[[int, Headers, bytes], None]  # status, headers, body
DIRECT = "direct"  # where a connection finds it among what the application's lifespan hands on
_MOST_BYTES = HIGH_WATER_LIMIT  # of a picture: what uvicorn holds of a body before it stops to read
_RAW = frozenset(name.encode("ascii") for name in RAW)
_DEMANDING = frozenset({b"transfer-encoding", b"content-encoding", b"expect", b"upgrade"})


class Direct:
    """Answers requests for an application."""

    def __init__(self, app: FastAPI, engine: Engine, books: Books, gate: Gate, most_bytes: int) -> None:
        """most_bytes: of a body"""
        self._app, self._engine, self._books, self._gate = app, engine, books, gate
        self._most_bytes = min(most_bytes, _MOST_BYTES)
        self._routes = {
            route.path.encode("ascii"): route
            for router in ROUTERS
            for route in router.routes
            if isinstance(route, PictureRoute)
        }

    def takes(self, path: bytes, headers: Headers) -> bool:
        """Whether a POST can be answered here."""
        if path not in self._routes:
            return False
        kind, length = b"", b""
        for name, value in headers:
            if name == b"content-length":
                length = value
            elif name == b"content-type" and not kind:
                kind = value.partition(b";")[0].strip().lower()
            elif name in _DEMANDING:
                return False
        if kind not in _RAW and not kind.startswith(b"image/"):
            return False
        return length.isdigit() and 0 < int(length[:9]) <= self._most_bytes

    def ask(self, scope: Scope, picture: bytes, reply: Reply) -> asyncio.Future[Response] | None:
        """Answer a request that is taken.

        scope: as of ASGI, with method, path, query_string and headers
        reply: called when there is an answer, unless the client has left

        Returns:
            What to cancel when the client leaves; None if it has its answer.
        """
        exchange = self._books.opened(scope["headers"])
        scope["app"] = self._app
        request = Request(scope)

        def close(status: int, body: bytes = b"") -> None:
            self._books.closed(
                exchange, method="POST", route=scope["path"], status=status, bytes_in=len(picture),
                bytes_out=len(body), key=scope["state"].get("caller", ""),
            )  # fmt: skip

        def send(response: Response) -> None:
            body = bytes(response.body)
            own = (b"x-request-id", exchange.id.encode("ascii"))
            reply(response.status_code, [*response.raw_headers, *SAFE_ALONE, own], body)
            close(response.status_code, body)

        def finish(done: asyncio.Future[Response]) -> None:
            if done.cancelled():
                close(LEFT)
                return
            error = done.exception()
            send(answer_to(request, error) if error else done.result())

        token = CURRENT.set(exchange)
        try:
            self._gate.check(scope)
            self._engine.room.admit()
            found = self._routes[scope["path"].encode("ascii")].ask(request, picture)
            found.add_done_callback(finish)  # in the context of now, in which this is the exchange at hand
            return found
        except Exception as error:
            send(answer_to(request, error))
            return None
        finally:
            CURRENT.reset(token)
