"""A light load generator: requests made beforehand, sent over connections that are kept.

In a closed loop each of some callers asks, waits for the answer, and asks again. In an open loop
requests arrive at random (a Poisson process) whether or not the earlier ones are answered, each timed
from the moment it was due. An HTTP client of the usual kind would cost more than the servers
measured here, so this one reads no more of an answer than its status and its length.
"""

from __future__ import annotations

import asyncio
import math
import multiprocessing
import time
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import uvloop

HOST = "127.0.0.1"
_REFUSALS = (429, 503)
_MOST_CONNECTIONS = 768  # of an open loop; the common limit of open files is 1,024
_DRAIN = 20.0  # seconds that answers may take once no more is asked
_TRIES = 100  # to connect
_RETRY = 0.02  # seconds before a connection that failed is tried again
_TICK = 0.0005  # seconds that a request may be early: timers count milliseconds
_HEAD_END = b"\r\n\r\n"
_LAST_CHUNK = b"0\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is asked, and how.

    requests: whole HTTP requests as bytes, sent one after the other, round and round
    seconds, most: when to stop asking, whichever comes first
    callers: of a closed loop
    rate: arrivals a second of an open loop; None for a closed one
    patience: seconds after which a client hangs up
    sample: keep the answer to each so manieth request
    """

    port: int
    requests: tuple[bytes, ...]
    seconds: float = math.inf
    most: float = math.inf
    callers: int = 1
    rate: float | None = None
    patience: float = math.inf
    sample: int = 50
    seed: int = 0


@dataclass(slots=True)
class Outcome:
    """What became of a load.

    seconds: from the first request to the last answer
    accepted, refused: milliseconds that each answer with 200, and each refusal, took
    lateness: milliseconds that each request of an open loop was sent after it was due
    failed: by reason
    sample: number of the request, body of the answer
    busy: share of the time that this generator computed
    """

    seconds: float = 0.0
    accepted: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    lateness: list[float] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)
    departed: int = 0
    sample: list[tuple[int, bytes]] = field(default_factory=list)
    busy: float = 0.0

    @property
    def asked(self) -> int:
        return len(self.accepted) + len(self.refused) + self.failed.total() + self.departed


class Generator:
    """Sends loads from a process of its own."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def start(self, load: Load) -> Future[Outcome]:
        return self._pool.submit(send, load)

    def run(self, load: Load) -> Outcome:
        return self.start(load).result()


@contextmanager
def generator() -> Iterator[Generator]:
    """A load generator, until the block ends."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        yield Generator(pool)


def send(load: Load) -> Outcome:
    """Send a load from this process."""
    return uvloop.run(_Client(load).run())


class _Client:
    def __init__(self, load: Load) -> None:
        self.load = load
        self.outcome = Outcome()
        self._sent = 0
        self._pending = 0
        self._began, self._over = False, False
        self._idle: list[_Connection] = []
        self._due: deque[float] = deque()  # of an open loop: what waits for a connection
        self._connections = 0
        self._opening: set[asyncio.Task[None]] = set()
        self._settled = asyncio.Event()

    async def run(self) -> Outcome:
        load = self.load
        callers = load.callers if load.rate is None else min(64, _MOST_CONNECTIONS)
        await asyncio.gather(*(self._open() for _ in range(callers)))
        began, computed = time.perf_counter(), time.process_time()
        self._began, self._until = True, began + load.seconds
        if load.rate is None:
            for connection in [self._idle.pop() for _ in range(len(self._idle))]:
                self.free(connection)
            while not self._over and self._connections + len(self._opening):
                await asyncio.sleep(min(0.05, max(0.0, self._until - time.perf_counter())))
                self._over = self._over or time.perf_counter() >= self._until
        else:
            await self._arrive(began, load.rate)
        self._over = True
        self._settle()
        try:
            await asyncio.wait_for(self._settled.wait(), _DRAIN)
        except TimeoutError:
            self.outcome.failed["no answer"] += self._pending + len(self._due)
        self.outcome.seconds = time.perf_counter() - began
        self.outcome.busy = (time.process_time() - computed) / self.outcome.seconds
        return self.outcome

    async def _arrive(self, began: float, rate: float) -> None:
        rng = np.random.default_rng(self.load.seed)
        due = began
        while True:
            due += rng.exponential(1 / rate)
            if due >= self._until or self._sent + len(self._due) >= self.load.most:
                return
            while (wait := due - time.perf_counter()) > _TICK:
                await asyncio.sleep(wait)
            if self._idle:
                self._ask(self._idle.pop(), due)
                continue
            self._due.append(due)
            if self._connections + len(self._opening) < _MOST_CONNECTIONS:
                self._reopen()
            if len(self._due) % 16 == 0:  # behind time: let answers in
                await asyncio.sleep(0)

    def free(self, connection: _Connection) -> None:
        """A connection has nothing to do."""
        if self.load.rate is not None:
            if self._due:
                self._ask(connection, self._due.popleft())
            else:
                self._idle.append(connection)
        elif not self._over and self._sent < self.load.most and time.perf_counter() < self._until:
            self._ask(connection, time.perf_counter())
        else:
            self._over = True
        self._settle()

    def _ask(self, connection: _Connection, due: float) -> None:
        now = time.perf_counter()
        if self.load.rate is not None:
            self.outcome.lateness.append(max(0.0, 1000 * (now - due)))
        self._pending += 1
        connection.ask(self._sent, min(due, now))
        self._sent += 1

    def answered(self, number: int, began: float, status: int, body: bytes) -> None:
        taken = 1000 * (time.perf_counter() - began)
        self._pending -= 1
        if status == 200:
            self.outcome.accepted.append(taken)
            if number % self.load.sample == 0:
                self.outcome.sample.append((number % len(self.load.requests), body))
        elif status in _REFUSALS:
            self.outcome.refused.append(taken)
        else:
            self.outcome.failed[f"status {status}"] += 1

    def left(self) -> None:
        """A client has lost its patience."""
        self._pending -= 1
        self.outcome.departed += 1

    def broke(self) -> None:
        """A connection was lost before its answer was whole."""
        self._pending -= 1
        self.outcome.failed["connection lost"] += 1

    def closed(self, connection: _Connection) -> None:
        self._connections -= 1
        if connection in self._idle:
            self._idle.remove(connection)
        if not self._over if self.load.rate is None else self._due:
            self._reopen()
        self._settle()

    def _reopen(self) -> None:
        task = asyncio.create_task(self._open())
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _open(self) -> None:
        for _ in range(_TRIES):
            try:
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: _Connection(self), HOST, self.load.port
                )
            except OSError:
                if self._over:
                    return
                self.outcome.failed["cannot connect"] += 1
                await asyncio.sleep(_RETRY)
                continue
            self._connections += 1
            if self._began:
                self.free(connection)
            else:
                self._idle.append(connection)
            return

    def _settle(self) -> None:
        if self._over and not self._pending and not self._due:
            self._settled.set()


class _Connection(asyncio.Protocol):
    """Asks one thing at a time."""

    def __init__(self, client: _Client) -> None:
        self._client = client
        self._received = bytearray()
        self._whole: int | None = None  # bytes of the answer, once its head says so
        self._number = -1  # of the request that waits for its answer; -1 if none
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def ask(self, number: int, began: float) -> None:
        load = self._client.load
        self._number, self._began = number, began
        if load.patience < math.inf:
            left = load.patience - (time.perf_counter() - began)
            self._timer = asyncio.get_running_loop().call_later(max(0.0, left), self._leave)
        self._transport.write(load.requests[number % len(load.requests)])

    def data_received(self, data: bytes) -> None:
        if self._number < 0:
            return  # too late for somebody who has left
        self._received += data
        end = self._received.find(_HEAD_END)
        if end < 0:
            return
        if self._whole is None:
            self._whole = _length(bytes(self._received[:end]).lower(), end + len(_HEAD_END))
        if len(self._received) < self._whole:
            return
        if self._whole < 0 and not self._received.endswith(_LAST_CHUNK):
            return
        if self._timer:
            self._timer.cancel()
        head, body = bytes(self._received[:end]).lower(), bytes(self._received[end + len(_HEAD_END) :])
        number, self._number = self._number, -1
        chunked, self._whole = self._whole < 0, None
        self._received.clear()
        status = int(head[9:12])
        keep = number % self._client.load.sample == 0
        self._client.answered(number, self._began, status, _joined(body) if chunked and keep else body)
        if b"connection: close" in head:
            self._transport.close()
        else:
            self._client.free(self)

    def connection_lost(self, error: Exception | None) -> None:
        if self._timer:
            self._timer.cancel()
        if self._number >= 0:
            self._number = -1
            self._client.broke()
        self._client.closed(self)

    def _leave(self) -> None:
        if self._number >= 0:
            self._number = -1
            self._client.left()
            self._transport.close()


def _length(head: bytes, start: int) -> int:
    """Bytes of an answer with this head, in lower case, whose body begins there; -1: it comes in chunks."""
    if b"transfer-encoding: chunked" in head:
        return -1
    _, found, rest = head.partition(b"content-length:")
    return start + (int(rest.split(b"\r\n", 1)[0]) if found else 0)


def _joined(body: bytes) -> bytes:
    """A body of chunks, put together."""
    pieces: list[bytes] = []
    place = 0
    while True:
        start = body.index(b"\r\n", place) + 2
        length = int(body[place : start - 2], 16)
        if not length:
            return b"".join(pieces)
        pieces.append(body[start : start + length])
        place = start + length + 2
