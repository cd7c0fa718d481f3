"""The waiting room: work that no executor has taken up yet, and who may come in.

Interactive work goes ahead of work that came in batches, but for one turn in nine: under lasting load
batches are slow, not stuck. An executor that asks is given what waits, up to a batch, shared out among
the executors. A lone request is never held back in the hope of company. But callers who have just been
answered will most of them ask again in a moment: after a batch, what waits is held for them a fraction
of the time that the batch took. Without that two halves of the callers take turns for good, in batches
half as large as they might be.

Admission of interactive work keeps two promises. A burst may fill the room to its size. But once the
room has been full, or more have left it than were served, the service is overloaded, and until there
has been room for everybody for a second the queue may be no longer than executors get through within
`overload_wait`: under lasting overload a long queue serves nobody better than a short one, everybody
just waits (K. Nichols and V. Jacobson, "Controlling Queue Delay", ACM Queue 2012, make the same distinction
between good queue and bad). Yet a batch for each executor may always wait, since full batches get most
done, as long as nobody leaves meanwhile: each time somebody did, half as much, and slowly more again
(additive increase and multiplicative decrease, as in TCP). What came in batches is held back by its
endpoint instead, a window at a time, and nobody who is interactive waits behind it.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Condition
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recognition.recogniser import Answers
from service.errors import NotReady, Overloaded
from service.models import ServedModel
from service.observer import Course, Observer

Inputs = tuple[NDArray[np.uint8], NDArray[np.float32]]  # rasters (n, S, S); metrics (n, 4), em
Interpret = Callable[[ServedModel, Answers], Any]  # of what it returns, each glyph has a place
_PATIENCE = 8  # times that work of batches is passed over, before it has a turn
_CALM = 1.0  # seconds in which everybody found room, after which an overload is over
_GROWTH = 0.05  # glyphs more that may wait in an overload, after each batch that nobody left
_SMOOTHING = 0.1  # share of the latest batch in the running mean of a glyph's time
_FIRST_GUESS = 0.005  # seconds a glyph, before any has been measured
_LOOK = 0.005  # seconds between two looks for abandoned work; a crowd that is refused would pay for many
_HOLD = 0.25  # of the time a batch took: how long those who got answers have to ask again


def as_they_are(model: ServedModel, answers: Answers) -> Any:
    """No interpretation: a part of the answers for each work."""
    return answers


@dataclass(slots=True, eq=False, kw_only=True)
class Work:
    """Something for an executor to do.

    model: the one that does it, from end to end
    prepare: makes the network's inputs; None where only `finish` is to be run, on nothing
    interpret: makes something of each glyph's answer; asked at once for all works with an equal one
    finish: what becomes of that for this work's glyphs; its result is the work's
    done: told the result; when it is cancelled, nobody waits for the work any more
    glyphs: how many the inputs will hold
    interactive: whether somebody waits for this very piece
    deadline: on `time.monotonic`'s clock; work that was not taken up by then is refused
    came: when it came in, on the same clock
    course: of the batch it is done in
    """

    model: ServedModel
    prepare: Callable[[ServedModel], Inputs] | None
    finish: Callable[[Any], Any]
    done: asyncio.Future[Any]
    interpret: Interpret = as_they_are
    glyphs: int = 1
    interactive: bool = True
    deadline: float = math.inf
    came: float = field(default_factory=time.monotonic)
    course: Course | None = None

    @property
    def abandoned(self) -> bool:
        return self.done.cancelled()


class WaitingRoom:
    """Bounded, in two classes, for any number of executors."""

    def __init__(
        self,
        *,
        executors: int,
        size: int,
        overload_wait: float,
        batch: int = 1,
        observer: Observer = Observer(),
    ) -> None:
        """size: interactive glyphs that may wait; overload_wait: seconds, see the module's docstring;
        batch: glyphs an executor takes at most.
        """
        self._executors, self._size, self._overload_wait = executors, size, overload_wait
        self._observer = observer
        self._queues: dict[bool, deque[Work]] = {True: deque(), False: deque()}  # interactive first
        self._waiting = {True: 0, False: 0}  # glyphs
        self._changed = Condition()
        self._at_work = 0  # glyphs that executors have taken and not finished
        self._idle = 0  # executors that wait for work
        self._passed_over = 0  # times in a row that work of batches waited and none was taken
        self._open = True
        self._company = 0  # glyphs that may soon wait together, counted when the last batch was done
        self._held_until = -math.inf  # when those of them that wait wait no longer for the others
        self._seconds = _FIRST_GUESS  # a glyph takes one executor
        self._looked = -math.inf  # for abandoned work; `time.monotonic`'s clock
        self._batch = batch
        self._next_batch: float = batch  # glyphs of it that may wait in an overload, for each executor
        self._gone = 0  # interactive glyphs whose clients left since the last batch
        self._refused = -math.inf  # when somebody was, or as good as; `time.monotonic`'s clock

    @property
    def waiting(self) -> int:
        """Interactive glyphs that wait."""
        return self._waiting[True]

    @property
    def waiting_in_batches(self) -> int:
        """Glyphs of batches that wait."""
        return self._waiting[False]

    @property
    def _all_waiting(self) -> int:
        """Glyphs of both kinds."""
        return sum(self._waiting.values())

    @property
    def wait(self) -> float:
        """Seconds that interactive work coming in now is expected to wait, at most: what executors are at
        work on may be nearly done.
        """
        if self._idle > self.waiting:
            return 0.0
        return (self.waiting + self._at_work + 1) * self._seconds / self._executors

    @property
    def overloaded(self) -> bool:
        """Whether somebody found no room a moment ago."""
        return time.monotonic() < self._refused + _CALM

    def admit(self, glyphs: int = 1, patience: float = math.inf) -> None:
        """Whether interactive work may come in; cheap, to be asked before anything is done for it.

        patience: seconds until its deadline

        Raises:
            NotReady: the room is closed.
            Overloaded: it is full, or the wait would be longer than is of use.
        """
        if not self._open:
            raise NotReady("The service is shutting down.")
        if self._crowded(glyphs):
            self._forget_abandoned()
        if self._crowded(glyphs):
            self._refused = time.monotonic()
        elif self.wait <= patience:
            return
        raise Overloaded(retry_after=max(1, math.ceil(self.wait)))

    def enter(self, work: Work) -> None:
        """Raises NotReady, and Overloaded for interactive work, as `admit` does."""
        with self._changed:
            if work.interactive or not self._open:
                self.admit(work.glyphs, work.deadline - time.monotonic())
            self._queues[work.interactive].append(work)
            self._waiting[work.interactive] += work.glyphs
            self._changed.notify()

    def take(self, most: int) -> list[Work]:
        """Work for one executor, all for one model; blocks until there is some, empty once closed.

        most: glyphs; a piece of work that has more comes alone. What is abandoned is left out; what
        is too late is not, for somebody has to tell those who wait.
        """
        with self._changed:
            while True:
                held = self._held(most)
                taken = [] if held else self._take(most)
                if taken or not self._open:
                    if self._all_waiting:  # others may not have been told while it was held
                        self._changed.notify()
                    return taken
                self._idle += 1
                self._changed.wait(held)
                self._idle -= 1

    def finished(self, batch: list[Work], seconds: float) -> None:
        """Told by executors of what they took, whatever became of it: how long it took in all."""
        glyphs = sum(work.glyphs for work in batch)
        with self._changed:
            self._at_work -= glyphs
            self._company = glyphs + self._all_waiting
            self._held_until = time.monotonic() + _HOLD * seconds
            self._heed_departures(batch)
        self._seconds += _SMOOTHING * (seconds / glyphs - self._seconds)

    def close(self) -> None:
        """Let nobody in any more. What waits is still given out."""
        with self._changed:
            self._open = False
            self._changed.notify_all()

    def _crowded(self, glyphs: int) -> bool:
        # An executor without work will take its share in a moment, wherefore that does not wait.
        if self.waiting + glyphs > self._size + self._idle:
            return True
        if not self.overloaded or self.waiting < self._next_batch * self._executors:
            return False
        return self.waiting * self._seconds / self._executors > self._overload_wait

    def _heed_departures(self, batch: list[Work]) -> None:
        """After a batch, which some may have left; others may have left the queue."""
        self._gone += sum(work.glyphs for work in batch if work.interactive and work.abandoned)
        if not self._gone:
            self._next_batch = min(self._batch, self._next_batch + _GROWTH)
            return
        self._next_batch = max(1.0, self._next_batch / 2)
        if self._gone > sum(work.glyphs for work in batch if not work.abandoned):
            self._refused = time.monotonic()
        self._gone = 0

    def _held(self, most: int) -> float | None:
        """Seconds for which what waits waits for company yet; None where it does not."""
        waiting = self._all_waiting
        if not self._open or not waiting or waiting >= min(self._company, most):
            return None
        left = self._held_until - time.monotonic()
        return left if left > 0 else None

    def _forget_abandoned(self) -> None:
        now = time.monotonic()
        if now < self._looked + _LOOK:
            return
        self._looked = now
        with self._changed:
            for interactive, queue in self._queues.items():
                stayed = [work for work in queue if not work.abandoned]
                queue.clear()
                queue.extend(stayed)
                waiting = sum(work.glyphs for work in stayed)
                gone = self._waiting[interactive] - waiting
                self._gone += gone * interactive
                self._observer.dropped(gone)
                self._waiting[interactive] = waiting

    def _take(self, most: int) -> list[Work]:
        share = min(most, math.ceil(self._all_waiting / self._executors))
        taken: list[Work] = []
        glyphs = 0
        batches_first = self._passed_over >= _PATIENCE
        for interactive in (False, True) if batches_first else (True, False):
            queue, passed = self._queues[interactive], list[Work]()
            while queue and glyphs < share:
                work = queue.popleft()
                if taken and not (_goes_with(work, taken[0]) and glyphs + work.glyphs <= most):
                    passed.append(work)
                    continue
                self._waiting[interactive] -= work.glyphs
                if work.abandoned:
                    self._gone += work.glyphs * interactive
                    self._observer.dropped(work.glyphs)
                    continue
                taken.append(work)
                glyphs += work.glyphs
            queue.extendleft(reversed(passed))
        left_waiting = self._queues[False] and all(work.interactive for work in taken)
        self._passed_over = self._passed_over + 1 if left_waiting else 0
        self._at_work += glyphs
        return taken


def _goes_with(work: Work, first: Work) -> bool:
    """Whether the two can be asked of one model at once."""
    return work.model is first.model and work.prepare is not None and first.prepare is not None
