"""How the processes of one service share connections and processors.

They all listen at one socket. Left to themselves, whichever wakes first takes every connection that
waits there, and as callers keep their connections, one process may be overrun for good while another
has nothing to do. So each says in a file that all map into memory how many it has open, and lets those
with fewer go first: for a moment only, and for a shorter one each time that was in vain, so that one
that hangs keeps nobody out.

Where there are as many processors for each process, each keeps to its own: its threads then find the
model's weights in their cache, and do not wait for Python's lock while the other's run elsewhere.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import math
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_SLOTS = 1024  # processes, far more than there ever are
_RECORD = np.dtype([("pid", "i4"), ("connections", "i4"), ("share", "i4"), ("order", "i4")])
_YIELD = 0.1  # seconds for which those with fewer connections may go first
_LOOK = 0.001  # seconds between two looks whether they did
_FRESH = 0.1  # seconds between two looks at who is alive
_TCP_INFO = getattr(socket, "TCP_INFO", None)  # Linux has it
_CLOSE_WAIT = 8  # what its first byte says where the other side has closed; include/net/tcp_states.h
_REST = 1.0  # seconds before the next try where the system has no more connections to give
# Before any process keeps to its share, since this is read as each starts.
_PROCESSORS = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
log = logging.getLogger(__name__)


class Tally:
    """What processes say of themselves: how many connections each has open, and its share of the processors.

    share: of this process, counted from 0
    """

    def __init__(self, folder: Path, shares: int) -> None:
        """folder: that the processes have in common; shares: how many there are"""
        with (folder / "tally").open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.truncate(_SLOTS * _RECORD.itemsize)
            self._all = np.memmap(file, _RECORD, "r+").view(np.ndarray)  # quicker to look into
            living = self._all[self._living()]
            # The share with the fewest; if all have as many, that of the oldest, which is being replaced.
            self.share = min(
                range(shares), key=lambda share: (np.sum(living["share"] == share), _oldest(living, share))
            )
            slot = next(slot for slot, row in enumerate(self._all) if not _lives(row["pid"]))
            self._all[slot] = (os.getpid(), 0, self.share, 1 + self._all["order"].max())
            self._mine = self._all[slot : slot + 1]
            self._left = False
            self._slots, self._looked = list[int](), -math.inf  # of processes that were alive, and when
            fcntl.flock(file, fcntl.LOCK_UN)  # closing does not: the map keeps a copy of the descriptor

    @property
    def connections(self) -> int:
        """Of this process."""
        return int(self._mine["connections"][0])

    @property
    def fewest(self) -> int:
        """Connections of the process that has the fewest; who came or died is noticed a moment later."""
        now = time.monotonic()
        if now > self._looked + _FRESH:
            self._slots, self._looked = self._living(), now
        living = self._all[self._slots]
        return int(living["connections"][living["pid"] > 0].min(initial=self.connections))

    def add(self, connections: int) -> None:
        """Tell that this process has so many more than before."""
        if not self._left:
            self._mine["connections"] += connections

    def leave(self) -> None:
        """Tell that this process takes no more: nobody is to wait for it, and another may have its place."""
        self._left = True
        self._mine["pid"] = 0

    def _living(self) -> list[int]:
        """Slots of the processes that are alive."""
        return [slot for slot, pid in enumerate(self._all["pid"].tolist()) if _lives(pid)]


def _oldest(living: np.ndarray[Any, np.dtype[np.void]], share: int) -> float:
    return min(living["order"][living["share"] == share], default=math.inf)


def _lives(pid: int) -> bool:
    if not pid:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _has_hung_up(connection: socket.socket) -> bool:
    """Whether the client has left while its connection waited to be taken.

    Where many wait for long, many have: to read what they asked first would leave no time for the others.
    """
    if _TCP_INFO is None:
        return False
    try:
        return connection.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, 1)[0] == _CLOSE_WAIT
    except OSError:
        return False


def keep_to_share(share: int, shares: int) -> None:
    """Keep this thread, and those that it will start, to a share of the processors, if they divide evenly."""
    each, rest = divmod(len(_PROCESSORS), shares)
    if each and not rest:
        os.sched_setaffinity(0, _PROCESSORS[share * each : (share + 1) * each])


def set_free(pid: int) -> None:
    """Let another process, just started, use all processors that this one might when it was started."""
    if _PROCESSORS:
        os.sched_setaffinity(pid, _PROCESSORS)


class Listener:
    """Takes connections at a socket that others listen at, too. What uvicorn asks of a server it has."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        shared: socket.socket,
        protocol: Callable[[], HttpToolsProtocol],
        tally: Tally,
    ) -> None:
        """protocol: of a connection; it tells the tally when the connection is lost"""
        self._loop, self._socket, self._protocol, self._tally = loop, shared, protocol, tally
        self._closed = False
        self._patience = _YIELD
        self._yielding_until = math.inf  # while others may go first
        self._again: asyncio.TimerHandle | None = None
        self._opening: set[asyncio.Task[Any]] = set()
        self._listen()

    def close(self) -> None:
        """Take no more connections; those that are open stay."""
        self._closed = True
        self._deaf_for(None)
        self._tally.leave()

    async def wait_closed(self) -> None:
        """Nothing is left to be done once it is closed."""

    def _listen(self) -> None:
        self._again = None
        self._loop.add_reader(self._socket.fileno(), self._knocked)

    def _deaf_for(self, seconds: float | None) -> None:
        if self._again:
            self._again.cancel()
        self._loop.remove_reader(self._socket.fileno())
        self._again = None if seconds is None else self._loop.call_later(seconds, self._listen)

    def _knocked(self) -> None:
        if self._tally.fewest < self._tally.connections:
            now = self._loop.time()
            self._yielding_until = min(self._yielding_until, now + self._patience)
            if now < self._yielding_until:
                self._deaf_for(_LOOK)
                return
            self._patience /= 2
        self._yielding_until = math.inf
        try:
            connection, _ = self._socket.accept()
        except (BlockingIOError, ConnectionAbortedError):  # another took it, or the client has left
            self._patience = _YIELD
            return
        except OSError as error:
            log.error("no connection can be taken: %s", error)
            self._deaf_for(_REST)
            return
        if _has_hung_up(connection):
            connection.close()
            return
        connection.setblocking(False)
        self._tally.add(1)
        task = self._loop.create_task(self._open(connection))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _open(self, connection: socket.socket) -> None:
        try:
            _, protocol = await self._loop.connect_accepted_socket(self._protocol, connection)
            if self._closed:  # meanwhile: it was not there yet when the server told all that are open
                protocol.shutdown()
        except OSError:  # it broke before there was anybody who could be told
            self._tally.add(-1)
            connection.close()


def loop_that_shares(tally: Tally) -> Callable[[], asyncio.AbstractEventLoop]:
    """A maker of event loops whose servers share the sockets that they are given with other processes."""

    class Loop(uvloop.Loop):
        async def create_server(  # type: ignore[override]
            self,
            protocol_factory: Callable[[], HttpToolsProtocol],
            *,
            sock: socket.socket,
            backlog: int,
            **_: Any,
        ) -> Listener:
            sock.setblocking(False)
            sock.listen(backlog)
            return Listener(self, sock, protocol_factory, tally)

    return Loop
