"""The engine: the executors that work with the served models, behind one waiting room.

Routes hand it a posted glyph and what to make of the model's answer; everything from decoding the
picture to the finished answer is done in an executor, off the event loop, for as many glyphs at once
as were waiting, and those that were asked alike are interpreted at once, too. ONNX Runtime, Pillow and
FAISS release Python's lock while they compute, so executors are threads over one session; each computes
with a single thread of its own, which on few cores beats sharing every glyph out among all of them.
"""

from __future__ import annotations

import asyncio
import io
import logging
import math
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import accumulate
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from glyphs.picture import read_picture
from glyphs.raster import Raster
from index.search import Filter
from recognition.candidates import Recognition
from recognition.recogniser import Answers
from service.errors import ExecutorDied, NotReady, TooLate
from service.exchange import CURRENT
from service.models import Context, Models, ServedModel
from service.observer import Course, Observer
from service.reading import PostedGlyph
from service.settings import Settings
from service.waiting import Inputs, Interpret, WaitingRoom, Work, as_they_are

T = TypeVar("T")
Outcome = tuple[Work, Any, Exception | None]
_AHEAD = 2  # pieces of one request for each executor, so that none waits for the next
_SOON = 0.002  # seconds for which finished answers of a batch may wait for one another
log = logging.getLogger(__name__)


class Engine:
    """Runs work over the served models, with `settings.executors` threads."""

    def __init__(self, models: Models, settings: Settings, observer: Observer = Observer()) -> None:
        self.models = models
        self._observer = observer
        self.room = WaitingRoom(
            executors=settings.executors, size=settings.max_waiting, overload_wait=settings.overload_wait,
            batch=settings.max_batch, observer=observer,
        )  # fmt: skip
        self._most = settings.max_batch
        self._limits = settings.picture_limits
        # Of batches, what is decoded or waits: enough that no executor ever runs dry.
        self._window = asyncio.Semaphore(4 * settings.executors * settings.max_batch)
        self._open, self._warm = True, False
        self._executors = [self._start(number) for number in range(settings.executors)]

    @property
    def ready(self) -> bool:
        """Whether requests are answered at full speed."""
        return self._open and self._warm and self.alive == len(self._executors)

    @property
    def alive(self) -> int:
        """How many executors there are at this moment."""
        return sum(thread.is_alive() for thread in self._executors)

    async def recognise(
        self,
        model: ServedModel,
        glyph: PostedGlyph,
        interpret: Interpret,
        finish: Callable[[Any], T],
        *,
        deadline: float = math.inf,
        interactive: bool = True,
    ) -> T:
        """Decode a glyph, ask the model, and finish what its answer is interpreted as.

        interpret: makes something of each of some answers; glyphs that are asked with equal ones in one
            batch are interpreted together
        deadline: on `time.monotonic`'s clock

        Raises:
            BadPicture: one of its kinds; Overloaded; TooLate; NotReady; and whatever `interpret` and
                `finish` raise.
        """
        work = self._on_glyph(model, glyph, interpret, finish, deadline, interactive)
        done: T = await self._done(work)
        return done

    def ask(
        self,
        model: ServedModel,
        glyph: PostedGlyph,
        interpret: Interpret,
        finish: Callable[[Any], T],
        *,
        deadline: float = math.inf,
    ) -> asyncio.Future[T]:
        """The same, interactive, for who does not wait in a coroutine; cancelling the future abandons it.

        Raises:
            Overloaded; NotReady: at once. The future has whatever else `recognise` raises.
        """
        work = self._on_glyph(model, glyph, interpret, finish, deadline, interactive=True)
        self._enter(work)
        return work.done

    def read(self, model: ServedModel, glyph: PostedGlyph) -> Raster:
        """The raster of a posted glyph as the model sees it; for executors, since it takes its time.

        Raises:
            BadPicture: one of its kinds.
        """
        return read_picture(glyph.data, model.bundle.manifest.raster, self._limits)

    async def answer(
        self,
        model: ServedModel,
        prepare: Callable[[ServedModel], Inputs],
        finish: Callable[[Any], T],
        *,
        interpret: Interpret = as_they_are,
        deadline: float = math.inf,
        glyphs: int = 1,
        interactive: bool = True,
    ) -> T:
        """The same for inputs of any making; `glyphs` says how many there will be.

        Raises:
            Overloaded; TooLate; NotReady; and whatever `prepare`, `interpret` and `finish` raise.
        """
        work = Work(
            model=model, prepare=prepare, interpret=interpret, finish=finish,
            done=asyncio.get_running_loop().create_future(), glyphs=glyphs, interactive=interactive,
            deadline=deadline,
        )  # fmt: skip
        done: T = await self._done(work)
        return done

    async def answer_in_pieces(
        self,
        model: ServedModel,
        prepare: Callable[[int, int, ServedModel], Inputs],
        finish: Callable[[Any], T],
        *,
        glyphs: int,
        deadline: float = math.inf,
    ) -> list[T]:
        """What becomes of each batch of many glyphs, none of which counts as interactive; of one that fails,
        its error. Who is cancelled leaves nothing to be done.

        prepare: makes the inputs of glyphs from the first of the two numbers up to the second
        """
        abreast = asyncio.Semaphore(_AHEAD * len(self._executors))

        async def piece(start: int) -> T:
            stop = min(start + self._most, glyphs)
            # One place for all of a piece: what is to be read of it is there already.
            async with abreast, self.place_for_batch():
                return await self.answer(
                    model, partial(prepare, start, stop), finish,
                    deadline=deadline, glyphs=stop - start, interactive=False,
                )  # fmt: skip

        tasks = [asyncio.create_task(piece(start)) for start in range(0, glyphs, self._most)]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:  # the others of one that failed
                task.cancel()

    async def run(
        self, model: ServedModel, job: Callable[[ServedModel], T], *, deadline: float = math.inf
    ) -> T:
        """Have something done that is not asked of the network in batches, such as a look into the index.

        Raises:
            Overloaded; TooLate; NotReady; and whatever the job raises.
        """
        work = Work(
            model=model, prepare=None, finish=lambda _: job(model), deadline=deadline,
            done=asyncio.get_running_loop().create_future(),
        )  # fmt: skip
        done: T = await self._done(work)
        return done

    @asynccontextmanager
    async def place_for_batch(self) -> AsyncGenerator[None, None]:
        """Wait until one more glyph of a batch may be read, decoded and waiting."""
        async with self._window:
            yield

    async def warm_up(self) -> None:
        """Send a glyph through every model and executor; the engine is ready after that."""
        try:
            await asyncio.gather(*map(self.rehearse, self.models.all))
        except Exception:
            log.exception("the engine failed to warm up and will not become ready")
        else:
            self._warm = True

    async def rehearse(self, model: ServedModel) -> None:
        """Send a glyph the whole way through a model, in batches of one and more, once an executor."""
        picture = Image.new("L", (64, 64), 255)
        picture.paste(0, (16, 8, 40, 56))
        file = io.BytesIO()
        picture.save(file, "PNG")
        glyph = PostedGlyph(file.getvalue(), np.full(4, np.nan, np.float32))

        def look(model: ServedModel, answers: Answers) -> Sequence[Recognition]:
            if model.has_index:
                model.index.search(answers.embeddings, 1, Filter())
            return model.candidates(Context()).recognise(answers, 1)

        for together in (1, self._most * len(self._executors)):
            await asyncio.gather(
                *(self.recognise(model, glyph, look, bool, interactive=False) for _ in range(together))
            )

    def close(self) -> None:
        """Finish the work that was taken in, and take no more. Blocks until then."""
        self._open = False
        self.room.close()
        for thread in self._executors:
            thread.join()

    def _on_glyph(
        self, model: ServedModel, glyph: PostedGlyph, interpret: Interpret, finish: Callable[[Any], Any],
        deadline: float, interactive: bool,
    ) -> Work:  # fmt: skip
        def prepare(model: ServedModel) -> Inputs:
            return self.read(model, glyph)[None], glyph.metrics[None]

        def finish_one(found: Sequence[Any]) -> Any:
            return finish(found[0])

        return Work(
            model=model, prepare=prepare, interpret=interpret, finish=finish_one,
            done=asyncio.get_running_loop().create_future(), interactive=interactive, deadline=deadline,
        )  # fmt: skip

    def _enter(self, work: Work) -> None:
        if not self._open:
            raise NotReady("The service is shutting down.")
        self.room.enter(work)
        if exchange := CURRENT.get():
            exchange.model = work.model.name

    async def _done(self, work: Work) -> Any:
        self._enter(work)
        try:
            return await work.done
        finally:
            exchange = CURRENT.get()
            if exchange and exchange.on_work:
                exchange.on_work(work)

    def _start(self, number: int) -> threading.Thread:
        thread = threading.Thread(target=self._execute, args=[number], name=f"executor-{number}", daemon=True)
        thread.start()
        return thread

    def _execute(self, number: int) -> None:
        """An executor's life: it takes work until there is none any more."""
        batch: list[Work] = []
        try:
            while batch := self.room.take(self._most):
                began = time.monotonic()
                try:
                    self._perform(batch, began)
                finally:
                    self.room.finished(batch, time.monotonic() - began)
        except BaseException:  # not one job's failure, but the executor's
            log.exception("executor %d died and is replaced", number)
            deliver([(work, None, ExecutorDied()) for work in batch])
            self._executors[number] = self._start(number)
            self._observer.executor_replaced()

    def _perform(self, batch: list[Work], began: float) -> None:
        waits = [began - work.came for work in batch]
        course = Course(model=batch[0].model.name, waits=waits, taken=began)
        finished: list[Outcome] = []
        told = began
        for outcome in _outcomes(batch, course):
            finished.append(outcome)
            if time.monotonic() - told > _SOON:
                deliver(finished)
                finished, told = [], time.monotonic()
        deliver(finished)
        course.finished = time.monotonic()
        self._observer.batch_done(course)


def _outcomes(batch: list[Work], course: Course) -> Iterator[Outcome]:
    """What becomes of each piece of work, and its course; one that fails is no harm to the others."""
    prepared: dict[Work, Inputs | None] = {}
    for work in batch:
        work.course = course
        if work.abandoned:
            course.dropped += work.glyphs
            continue
        if time.monotonic() > work.deadline:
            yield work, None, TooLate()
            continue
        try:
            prepared[work] = work.prepare(work.model) if work.prepare else None
        except Exception as error:
            yield work, None, error
    asking = {work: inputs for work, inputs in prepared.items() if inputs and not work.abandoned}
    course.dropped += sum(work.glyphs for work in prepared if work.abandoned)
    course.glyphs = sum(len(rasters) for rasters, _ in asking.values())
    course.decoded = time.monotonic()
    if not asking:
        course.inferred = course.decoded
        yield from (_finished(work, None) for work in prepared if work.prepare is None)
        return
    try:
        rasters, metrics = (np.concatenate(part) for part in zip(*asking.values(), strict=True))
        answers = batch[0].model.recogniser.answer(rasters, metrics)
    except Exception as error:
        yield from ((work, None, error) for work in asking)
        return
    finally:
        course.inferred = time.monotonic()
    course.unsure = answers.unsure
    yield from _interpreted({work: len(rasters) for work, (rasters, _) in asking.items()}, answers, course)


def _interpreted(glyphs: Mapping[Work, int], answers: Answers, course: Course) -> Iterator[Outcome]:
    """What becomes of work whose glyphs, so many of each, have been answered in this order."""
    begin = dict(zip(glyphs, accumulate(glyphs.values(), initial=0), strict=False))
    alike: dict[Interpret, list[Work]] = {}
    for work in glyphs:
        alike.setdefault(work.interpret, []).append(work)
    for interpret, works in alike.items():
        rows = [np.arange(begin[work], begin[work] + glyphs[work]) for work in works if len(alike) > 1]
        try:
            found = interpret(works[0].model, answers[np.concatenate(rows)] if rows else answers)
        except Exception as error:
            yield from ((work, None, error) for work in works)
            continue
        start = 0
        for work in works:
            start, part = start + glyphs[work], found[start : start + glyphs[work]]
            if work.abandoned:
                course.in_vain += work.glyphs
            else:
                yield _finished(work, part)


def _finished(work: Work, found: Any) -> Outcome:
    try:
        return work, work.finish(found), None
    except Exception as error:
        return work, None, error


def deliver(outcomes: list[Outcome]) -> None:
    """Tell those who wait, all of one event loop at a single call."""

    def tell() -> None:
        for work, result, error in outcomes:
            if work.done.done():  # nobody waits any more
                continue
            if error is None:
                work.done.set_result(result)
            else:
                work.done.set_exception(error)

    if outcomes:
        loop = outcomes[0][0].done.get_loop()
        if not loop.is_closed():
            loop.call_soon_threadsafe(tell)
