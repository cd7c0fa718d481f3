"""How a batch is answered: items are worked on as they come in, and answered in their order.

The body is read whatever becomes of the answers. A client may therefore send everything before it reads
anything: its answers wait here meanwhile. An item is read when the one before it has its place among
what the engine works on, so that few pictures are ever in memory, decoded or not.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any, TypeVar

import numpy as np
from fastapi import Request
from fastapi.responses import Response
from numpy.typing import NDArray
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from recognition.recogniser import Answers
from service.engine import Engine
from service.errors import BadRequest, Unavailable
from service.items import LINES, Item, read_items
from service.models import ServedModel
from service.problems import INTERNAL, document_of, kind_of
from service.waiting import Interpret

T = TypeVar("T")
log = logging.getLogger(__name__)


class Lines(Response):
    """NDJSON: a line for each item, `{"index": 0, "id": ..., ...answer}` or with a `problem`.

    What is wrong with the whole batch is a problem response while nothing has been answered yet, and a
    last line with the index null afterwards. That an answer is whole is told by its last chunk, of
    length 0, as HTTP has it.
    """

    media_type = LINES

    def __init__(self, request: Request, engine: Engine, model: ServedModel, interpret: Interpret) -> None:
        """interpret: makes of answers what the endpoint for a single glyph would say"""
        self.status_code, self.background = 200, None
        self.init_headers({"Cache-Control": "no-store"})
        self._request, self._engine, self._model, self._interpret = request, engine, model, interpret

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def emit(line: bytes) -> None:
            nonlocal begun
            if not begun:
                begun = True
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": line, "more_body": True})

        try:
            await work_through(self._request, self._engine, self._answer, emit)
        except ClientDisconnect:
            return
        except (BadRequest, Unavailable) as error:
            if not begun:
                raise
            await emit(_line(None, {"problem": document_of(error)}))
        else:
            await emit(b"")  # a batch of nothing begins here
        await send({"type": "http.response.body"})

    async def _answer(self, index: int, item: Item) -> bytes:
        about = {"id": item.id}

        # Written by the executor too, which leaves the event loop to the network.
        def finish(answer: dict[str, Any]) -> bytes:
            return _line(index, about | answer)

        try:
            return await recognise(self._engine, self._model, item, self._interpret, finish)
        except Exception as error:
            return _line(index, about | {"problem": document_of(error)})


async def embeddings(request: Request, engine: Engine, model: ServedModel) -> tuple[NDArray[np.float32], int]:
    """(N, E) embeddings of a batch, NaN for items that failed, and how many these are.

    Raises:
        BadRequest: the batch as a whole cannot be used.
        ClientDisconnect: the client has gone.
    """
    nothing = np.full((1, model.bundle.manifest.embedding), np.nan, np.float32)
    rows: list[NDArray[np.float32]] = []

    async def answer(index: int, item: Item) -> NDArray[np.float32]:
        try:
            return await recognise(engine, model, item, _embedding, lambda row: row)
        except Exception:
            return nothing

    async def emit(row: NDArray[np.float32]) -> None:
        rows.append(row)

    await work_through(request, engine, answer, emit)
    failed = sum(row is nothing for row in rows)
    return np.concatenate(rows) if rows else nothing[:0], failed


def _embedding(model: ServedModel, answers: Answers) -> NDArray[np.float32]:
    return answers.embeddings[:, None]


async def recognise(
    engine: Engine, model: ServedModel, item: Item, interpret: Interpret, finish: Callable[[Any], T]
) -> T:
    """Have the engine answer an item, behind all who wait for a single answer.

    Raises:
        Exception: whatever is wrong with the item, logged where that is not the client's doing.
    """
    try:
        if isinstance(item.glyph, BadRequest):
            raise item.glyph
        return await engine.recognise(model, item.glyph, interpret, finish, interactive=False)
    except Exception as error:
        if kind_of(error) is INTERNAL:
            log.error("an item of a batch failed", exc_info=error)
        raise


async def work_through(
    request: Request,
    engine: Engine,
    answer: Callable[[int, Item], Awaitable[T]],
    emit: Callable[[T], Awaitable[None]],
) -> None:
    """Read the items of a request, have each answered as soon as there is place, and emit in order.

    answer: must not raise

    Raises:
        BadRequest: the body cannot be used, or not any further; what came before has been emitted.
        ClientDisconnect: the client has gone; nothing goes on being done for it.
    """
    answers: asyncio.Queue[asyncio.Task[T] | BadRequest | Unavailable | None] = asyncio.Queue()

    async def placed(index: int, item: Item, has_place: asyncio.Event) -> T:
        async with engine.place_for_batch():
            has_place.set()
            return await answer(index, item)

    async def read() -> None:
        index, end = 0, None
        try:
            async with aclosing(read_items(request)) as items:
                async for item in items:
                    has_place = asyncio.Event()
                    answers.put_nowait(tasks.create_task(placed(index, item, has_place)))
                    await has_place.wait()
                    index += 1
        except (BadRequest, Unavailable) as error:
            end = error
        answers.put_nowait(end)
        # A body that was given up is still taken in, for its sender may not read before all is sent.
        while (await request.receive())["type"] != "http.disconnect":
            pass
        raise ClientDisconnect

    end, gone = None, False
    try:
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(read())
            while isinstance(end := await answers.get(), asyncio.Task):
                await emit(await end)
            reading.cancel()
    except* (ClientDisconnect, OSError):  # some servers raise an OSError where sending fails
        gone = True
    if gone:
        raise ClientDisconnect
    if isinstance(end, Exception):
        raise end


def _line(index: int | None, answer: dict[str, Any]) -> bytes:
    # In ASCII: some readers of lines take U+2028, which is a character like others here, for an end.
    return json.dumps({"index": index} | answer, allow_nan=False).encode("ascii") + b"\n"
