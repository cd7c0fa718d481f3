"""What every request passes on its way to its endpoint, as plain ASGI: the outermost first.

SafeHeaders    browsers take every answer for what it says it is
Departures     a request whose client has gone is dropped
Admission      a request that could not be answered in time is refused before its body is read
"""

from __future__ import annotations

import asyncio

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.engine import Engine
from service.errors import Unavailable
from service.problems import answer_to

# Endpoints with one piece of interactive work each, which the engine may refuse.
_ADMITTED = ("/classify", "/embed", "/similar")


class SafeHeaders:
    """Sets X-Content-Type-Options."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).setdefault("X-Content-Type-Options", "nosniff")
            await send(message)

        await self.app(scope, receive, send_safely)


class Departures:
    """Cancels a request when its client goes away, once its body has come in whole.

    Whoever waits for the engine is cancelled with it, whereby the work counts as abandoned.
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
            await self.app(scope, watched, send)
        except asyncio.CancelledError:
            if not gone.is_set():
                raise
        finally:
            if watching is not None:
                watching.cancel()


class Admission:
    """Asks the engine whether it would take the work that the request is going to bring."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] in _ADMITTED:
            engine: Engine = scope["app"].state.engine
            try:
                engine.room.admit()
            except Unavailable as error:
                await answer_to(Request(scope), error)(scope, receive, send)
                return
        await self.app(scope, receive, send)
