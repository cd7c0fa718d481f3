"""Connections: uvicorn's, with bounds on the head of a request, and with the direct way.

uvicorn leaves it to the client how long a head takes and how large it is. Without bounds a client that
sends a byte now and then holds a connection for good, as does one that sends nothing, and a header
without end is kept in memory as far as it came.
"""

from __future__ import annotations

import asyncio
from asyncio import BaseTransport, TimerHandle
from functools import partial
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from service.direct import DIRECT, Direct, Headers
from service.sharing import Tally

_MOST_BYTES = 64 * 2**10  # of a head; the longest parameters the service reads take some 40 KiB
_SOON = 0.05  # seconds in which the rest of a picture has to follow for the direct way


class _Parser(httptools.HttpRequestParser):
    """uvicorn's, which knows what came behind a request that asks for another protocol: it stops there."""

    rest = b""

    def __init__(self, protocol: HttpToolsProtocol) -> None:
        super().__init__(protocol)
        self.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does

    def feed_data(self, data: bytes) -> None:  # type: ignore[override]
        try:
            super().feed_data(data)
        except httptools.HttpParserUpgrade as stop:
            self.rest = data[stop.args[0] :]
            raise


class _Cycle:
    """A request that goes the direct way, with what uvicorn's protocol asks of any request in progress.

    waiting: what to cancel when the client leaves
    """

    def __init__(self, keep_alive: bool) -> None:
        self.keep_alive = keep_alive
        self.body = bytearray()
        self.more_body, self.response_complete, self.disconnected = True, False, False
        self.message_event = asyncio.Event()  # for a task that waits for more; here is none
        self.waiting: asyncio.Future[Any] | None = None


def connection_class(seconds: float, tally: Tally | None = None) -> type[HttpToolsProtocol]:
    """A protocol for uvicorn that closes a connection when a request's head does not arrive in that time.

    tally: told of each connection that is lost
    """

    class Connection(HttpToolsProtocol):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.parser: _Parser = _Parser(self)
            self._direct: Direct | None = self.app_state.get(DIRECT)
            self._deadline: TimerHandle | None = None  # while a request is due
            self._coming = 0  # bytes that the parser is given
            self._again = b""  # what it is to be given next
            self._head: int | None = None  # bytes that came since a head began, or since the last of a body
            self._rest: TimerHandle | None = None  # while that of a picture is due

        def connection_made(self, transport: BaseTransport) -> None:  # type: ignore[override]
            super().connection_made(transport)  # type: ignore[arg-type]
            self._expect_request()

        def data_received(self, data: bytes) -> None:
            # From here on a connection is not idle: keep-alive's clock has stopped, so ours must run.
            if self._deadline is None and self.cycle is not None and self.cycle.response_complete:
                self._expect_request()
            while data:
                self._coming, self._again = len(data), b""
                super().data_received(data)
                if self._head is not None:
                    self._head += len(data)
                    if self._head > _MOST_BYTES and not self.transport.is_closing():
                        self.send_400_response("The request's headers are too large.")
                data = self._again
            if isinstance(self.cycle, _Cycle) and self.cycle.more_body and self._rest is None:
                self._rest = self.loop.call_later(_SOON, self._go_the_long_way)

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._head = -self._coming  # not counted: it may be mostly what came before the head

        def on_headers_complete(self) -> None:
            self._head = -self._coming  # behind the body more headers may follow
            self._expect_nothing()
            if not self._goes_the_direct_way():
                super().on_headers_complete()

        def on_body(self, body: bytes) -> None:
            self._head = -self._coming
            super().on_body(body)

        def on_message_complete(self) -> None:
            self._head = None
            if self.parser.should_upgrade() and self._should_upgrade():
                return
            super().on_message_complete()
            cycle = self.cycle
            if isinstance(cycle, _Cycle) and self._direct and not cycle.response_complete:
                self._expect_no_rest()
                reply = partial(self._reply, cycle)
                cycle.waiting = self._direct.ask(dict(self.scope), bytes(cycle.body), reply)

        def _should_upgrade(self) -> bool:
            """Whether a request asks for another protocol beside; of CONNECT that is all it asks."""
            method: bytes = self.parser.get_method()
            return method != b"CONNECT"

        def handle_websocket_upgrade(self) -> None:
            """Whatever protocol a request asks for: it is read again as if it did not, now with its body."""
            version = self.parser.get_http_version().encode()
            lines = [self.parser.get_method(), b" ", self.url, b" HTTP/", version, b"\r\n"]
            for name, value in self.headers:
                if name != b"upgrade":
                    lines += (name, b": ", value, b"\r\n")
            self._again = b"".join((*lines, b"\r\n", self.parser.rest))
            self.parser = _Parser(self)

        def connection_lost(self, exc: Exception | None) -> None:
            self._expect_nothing()
            self._expect_no_rest()
            if tally:
                tally.add(-1)
            super().connection_lost(exc)
            if isinstance(self.cycle, _Cycle) and self.cycle.waiting:
                self.cycle.waiting.cancel()

        def _goes_the_direct_way(self) -> bool:
            if not self._direct or (self.cycle is not None and not self.cycle.response_complete):
                return False
            if self.flow.write_paused:  # the long way waits until the client has read what it was sent
                return False
            path, _, query = self.url.partition(b"?")
            if (
                not self._direct.takes(path, self.headers)
                or self.parser.get_method() != b"POST"
                or self.parser.get_http_version() != "1.1"
                or b"#" in query
            ):
                return False
            self.scope["method"], self.scope["query_string"] = "POST", query
            self.scope["path"] = path.decode("ascii")
            self.cycle = _Cycle(self.parser.should_keep_alive())  # type: ignore[assignment]
            return True

        def _go_the_long_way(self) -> None:
            """The rest of the picture takes its time, which is to be counted, and bounded."""
            self._rest, begun = None, self.cycle
            self.cycle = None  # type: ignore[assignment]
            super().on_headers_complete()
            self.cycle.keep_alive &= begun.keep_alive
            super().on_body(bytes(begun.body))

        def _reply(self, cycle: _Cycle, status: int, headers: Headers, body: bytes) -> None:
            cycle.response_complete = True
            if cycle.disconnected or self.transport.is_closing():
                return
            lines = [STATUS_LINE[status]]
            for name, value in (*self.server_state.default_headers, *headers):
                lines += (name, b": ", value, b"\r\n")
            lines += (b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n", body)
            self.transport.write(b"".join(lines))
            if not cycle.keep_alive:
                self.transport.close()
            self.on_response_complete()

        def _expect_request(self) -> None:
            self._deadline = self.loop.call_later(seconds, self.transport.close)

        def _expect_nothing(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

        def _expect_no_rest(self) -> None:
            if self._rest is not None:
                self._rest.cancel()
                self._rest = None

    return Connection
