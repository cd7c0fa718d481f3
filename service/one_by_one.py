"""Long work whose clients wait for it, such as a whole font: one piece after the other, in a thread of its
own.

It waits for most of its time, for a process that parses (`glyphs.confined`) and for the model, which it asks
as batches do: in pieces, behind whatever is interactive. That there is one such thread, and one process that
parses for it, bounds what hostile files can take.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic_core import to_json

from glyphs.confined import NoReader
from recognition.recogniser import Answer, Answers
from service.engine import Engine
from service.errors import NotReady, Overloaded, TooLate
from service.models import ServedModel
from service.waiting import Inputs

T = TypeVar("T")
Work = Callable[[Answer, float], T]  # given what asks the model, and the seconds that are left
RECOVERY = 30  # seconds that a system is given to have processes and memory again
_SMOOTHING = 0.1  # share of the latest piece in the running mean of a piece's time


class Parser(Protocol):
    """What parses for the work, in a process."""

    def start(self) -> object:
        """Have one wait. Raises NoReader."""

    def interrupt(self) -> None:
        """End it under whoever waits for it, for whom it breaks off."""

    def close(self) -> None:
        """End it."""


class OneByOne:
    """The work of one kind, for one application.

    name: of the thread
    most: pieces that wait or are at work; each is in memory
    seconds: that one takes, guessed before there has been any
    inside: how many wait or are at work
    """

    def __init__(self, name: str, engine: Engine, parser: Parser, *, most: int, seconds: float) -> None:
        self._engine, self._parser = engine, parser
        self._most, self._seconds = most, seconds
        self._thread = ThreadPoolExecutor(1, name)
        self._closed = False
        self._turn = asyncio.Lock()  # held for as long as the thread is at work, whoever waits for it
        self.inside = 0

    @property
    def wait(self) -> float:
        """Seconds that a piece coming in now is expected to wait."""
        return self.inside * self._seconds

    def admit(self) -> None:
        """Whether a piece may come in; to be asked before it is received. Raises Overloaded where not."""
        if self.inside >= self._most:
            raise Overloaded(retry_after=max(1, math.ceil(self.wait)))

    async def do(self, work: Work[T], model: ServedModel, deadline: float) -> T:
        """What comes of a piece of work, which is called in the thread.

        model: that it asks
        deadline: on `time.monotonic`'s clock

        Raises:
            Overloaded; TooLate; NotReady; what the work raises.
        """
        self.admit()
        self.inside += 1
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                await self._turn.acquire()
                return await self._begin(work, model, deadline)
        except TimeoutError:
            raise TooLate from None
        except NoReader as error:
            raise NotReady(error.message, "Ask again later.", retry_after=RECOVERY) from None
        finally:
            self.inside -= 1

    async def close(self) -> None:
        """End thread and process. A piece at work breaks off: whoever waits for it was given the time to."""
        self._closed = True
        self._parser.interrupt()
        async with self._turn:
            self._thread.submit(self._parser.close)
            await asyncio.to_thread(self._thread.shutdown)

    def _begin(self, work: Work[T], model: ServedModel, deadline: float) -> asyncio.Future[T]:
        """Set the thread to work, which gives the turn to the next when it is done. Cancelling the future
        ends the work, wherever it is.
        """
        loop = asyncio.get_running_loop()

        async def ask(pixels: NDArray[np.uint8], metrics: NDArray[np.float32]) -> Answers:
            asked = asyncio.ensure_future(self._ask(model, pixels, metrics, deadline))
            either: list[asyncio.Future[Any]] = [asked, found]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if found.done():  # nobody waits for it any more
                asked.cancel()
            return await asked

        def answer(pixels: NDArray[np.uint8], metrics: NDArray[np.float32]) -> Answers:
            return asyncio.run_coroutine_threadsafe(ask(pixels, metrics), loop).result()

        def done() -> T:
            began = time.monotonic()
            left = deadline - began
            if left <= 0:
                raise TooLate  # for that no process has to be broken off
            try:
                return work(answer, left)
            finally:
                self._seconds += _SMOOTHING * (time.monotonic() - began - self._seconds)
                with suppress(NoReader):
                    if not self._closed:
                        self._parser.start()  # where it had to be ended: not in the next piece's time

        def leave(found: asyncio.Future[T]) -> None:
            if found.cancelled() and not at_work.done():
                self._parser.interrupt()

        try:
            at_work = self._thread.submit(copy_context().run, done)  # where the request at hand is known
        except BaseException:  # there are no more threads to be had
            self._turn.release()
            raise
        at_work.add_done_callback(lambda _: loop.call_soon_threadsafe(self._turn.release))
        found = asyncio.wrap_future(at_work)
        found.add_done_callback(leave)
        return found

    async def _ask(
        self, model: ServedModel, pixels: NDArray[np.uint8], metrics: NDArray[np.float32], deadline: float
    ) -> Answers:
        def prepare(start: int, stop: int, model: ServedModel) -> Inputs:
            return pixels[start:stop], metrics[start:stop]

        parts: list[Answers] = await self._engine.answer_in_pieces(
            model, prepare, _as_it_is, glyphs=len(pixels), deadline=deadline
        )
        return Answers(
            np.concatenate([part.logits for part in parts]),
            np.concatenate([part.embeddings for part in parts]),
        )


def in_pieces(value: Any, depth: int) -> bytes:
    """JSON of what may be large, piece by piece: no other thread goes on while one is made.

    depth: of lists and objects that are taken apart
    """
    if depth and isinstance(value, dict):
        members = [to_json(name) + b":" + in_pieces(of, depth - 1) for name, of in value.items()]
        return b"{%b}" % b",".join(members)
    if depth and isinstance(value, list):
        # No `map` within `join`: between its steps no other thread would have its turn either.
        return b"[%b]" % b",".join([in_pieces(one, depth - 1) for one in value])
    return to_json(value)


def _as_it_is(answers: Answers) -> Answers:
    return answers
