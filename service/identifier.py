"""Fonts whose glyphs are all identified, while the client waits: one after the other.

A font is read in another process, and its glyphs are recognised together (`scoring.identify`). Both wait for
most of their time, and are done in a thread, which asks the engine as batches do: in pieces, behind whatever
is interactive. That there is one such thread, and one process that reads, bounds what hostile fonts can take.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from contextvars import copy_context
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from glyphs.confined import NoReader
from glyphs.errors import BadFont
from glyphs.raster import RasterSettings
from recognition.candidates import Candidates
from recognition.recogniser import Answers
from scoring import reader
from scoring.identify import IdentifiedFace, identify
from scoring.sandbox import Limits, ReaderKilled, Sandbox
from service.engine import Engine
from service.errors import NotReady, Overloaded, TooLate, TooManyGlyphs, UnusableFont
from service.models import ServedModel
from service.settings import Settings
from service.waiting import Inputs

T = TypeVar("T")
_MOST = 16  # fonts that wait or are at work; each is in memory
_RECOVERY = 30  # seconds that a system is given to have processes and memory again
_SMOOTHING = 0.1  # share of the latest font in the running mean of a font's time
_FIRST_GUESS = 1.0  # seconds a font, before any has been identified
_MOST_SECONDS = 60.0  # of computing, which reading a font may take however long requests may
_MOST_MEMORY = 768 * 2**20  # bytes of address space of the process that reads, of fonts as small as these
# Bytes that a font may be told in: nothing else is done in this process while they are parsed.
_MOST_TOLD = 16 * 2**20


class Identifier:
    """Has fonts identified, for one application.

    fonts: how many wait or are at work
    """

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._most_glyphs = settings.max_identified_glyphs
        self._sandbox = Sandbox(
            Limits(
                max_glyphs=self._most_glyphs,
                seconds=min(settings.timeout, _MOST_SECONDS),
                max_memory=_MOST_MEMORY,
                max_answer=_MOST_TOLD,
            )
        )
        self._drawn_for: RasterSettings | None = None
        self._thread = ThreadPoolExecutor(1, "identify-fonts")
        self._closed = False
        self._turn = asyncio.Lock()  # held for as long as the thread is at work, whoever waits for it
        self._seconds = _FIRST_GUESS  # a font takes the thread
        self.fonts = 0

    @property
    def wait(self) -> float:
        """Seconds that a font coming in now is expected to wait."""
        return self.fonts * self._seconds

    def admit(self) -> None:
        """Whether a font may come in; to be asked before it is received. Raises Overloaded where not."""
        if self.fonts >= _MOST:
            raise Overloaded(retry_after=max(1, math.ceil(self.wait)))

    async def identify(
        self,
        font: bytes,
        model: ServedModel,
        candidates: Candidates,
        k: int,
        finish: Callable[[list[IdentifiedFace]], T],
        *,
        deadline: float,
    ) -> T:
        """What becomes of a font's faces.

        candidates: of the model
        finish: called in the thread
        deadline: on `time.monotonic`'s clock

        Raises:
            Overloaded; TooLate; NotReady; UnusableFont; TooManyGlyphs.
        """
        self.admit()
        self.fonts += 1
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                await self._turn.acquire()
                return await self._begin(font, model, candidates, k, finish, deadline)
        except TimeoutError:
            raise TooLate from None
        except (NoReader, ReaderKilled) as error:
            raise NotReady(error.message, "Ask again later.", retry_after=_RECOVERY) from None
        except reader.TooManyGlyphs:
            raise TooManyGlyphs(self._most_glyphs) from None
        except BadFont as error:
            if time.monotonic() >= deadline:  # by which it was cut short
                raise TooLate from None
            raise UnusableFont(str(error)) from None
        finally:
            self.fonts -= 1

    async def close(self) -> None:
        """End thread and process. A font at work breaks off: whoever waits for it was given the time to."""
        self._closed = True
        self._sandbox.interrupt()
        async with self._turn:
            self._thread.submit(self._sandbox.close)
            await asyncio.to_thread(self._thread.shutdown)

    def _begin(
        self,
        font: bytes,
        model: ServedModel,
        candidates: Candidates,
        k: int,
        finish: Callable[[list[IdentifiedFace]], T],
        deadline: float,
    ) -> asyncio.Future[T]:
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

        def work() -> T:
            began = time.monotonic()
            left = deadline - began
            if left <= 0:
                raise TooLate  # for that no reader has to be broken off
            try:
                with closing(self._reading_for(model).read(font, left)) as messages:
                    return finish(list(identify(messages, answer, model.bundle, candidates, k)))
            finally:
                self._seconds += _SMOOTHING * (time.monotonic() - began - self._seconds)
                with suppress(NoReader):
                    if not self._closed:
                        self._sandbox.start()  # where it had to be ended: not in the next font's time

        def leave(found: asyncio.Future[T]) -> None:
            if found.cancelled() and not at_work.done():
                self._sandbox.interrupt()

        try:
            at_work = self._thread.submit(copy_context().run, work)  # where the request at hand is known
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

    def _reading_for(self, model: ServedModel) -> Sandbox:
        """The sandbox, which draws as the model sees glyphs; another in place of one that died meanwhile."""
        settings = model.bundle.manifest.raster
        if settings != self._drawn_for or self._sandbox.start().poll() is not None:
            self._sandbox.close()
            self._sandbox.draw_for(None, settings)
            self._drawn_for = settings
        return self._sandbox


def _as_it_is(answers: Answers) -> Answers:
    return answers
