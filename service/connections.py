"""Bounds on the head of a request, which uvicorn leaves to the client: how long it takes, how large it is.

Without them a client that sends a byte now and then holds a connection for good, as does one that
sends nothing, and a header without end is kept in memory as far as it came.
"""

from __future__ import annotations

from asyncio import BaseTransport, TimerHandle
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.sharing import Tally

_MOST_BYTES = 64 * 2**10  # of a head; the longest parameters the service reads take some 40 KiB


def bounded_heads(seconds: float, tally: Tally | None = None) -> type[HttpToolsProtocol]:
    """A protocol for uvicorn that closes a connection when a request's head does not arrive in that time.

    tally: told of each connection that is lost
    """

    class BoundedHeads(HttpToolsProtocol):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._deadline: TimerHandle | None = None  # while a request is due
            self._head: int | None = None  # bytes that came with the head, while one is read

        def connection_made(self, transport: BaseTransport) -> None:  # type: ignore[override]
            super().connection_made(transport)  # type: ignore[arg-type]
            self._expect_request()

        def data_received(self, data: bytes) -> None:
            # From here on a connection is not idle: keep-alive's clock has stopped, so ours must run.
            if self._deadline is None and self.cycle is not None and self.cycle.response_complete:
                self._expect_request()
            super().data_received(data)
            if self._head is not None:
                self._head += len(data)
                if self._head > _MOST_BYTES and not self.transport.is_closing():
                    self.send_400_response("The request's headers are too large.")

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._head = 0

        def on_headers_complete(self) -> None:
            self._head = None
            self._expect_nothing()
            super().on_headers_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            self._expect_nothing()
            if tally:
                tally.add(-1)
            super().connection_lost(exc)

        def _expect_request(self) -> None:
            self._deadline = self.loop.call_later(seconds, self.transport.close)

        def _expect_nothing(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

    return BoundedHeads
