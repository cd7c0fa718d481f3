"""Messages between a process that asks for something to be read and the one that reads it.

A message is two lengths, a JSON document and a body.
"""

from __future__ import annotations

import json
import os
import select
import struct
import time
from typing import Any

LENGTHS = struct.Struct("<QQ")  # of a message's JSON and of its body
_AT_ONCE = 2**20  # bytes
_LONGEST_POLL = 2**31 - 1  # milliseconds, an int of C


class Patience:
    """How long the parent waits on account of one file, in one silence or in a thousand."""

    def __init__(self, seconds: float) -> None:
        self._left = seconds

    def wait(self, pipe: int, event: int) -> None:
        """Until a pipe can be read from or written to.

        Raises:
            TimeoutError: it has been waited for long enough.
        """
        poll = select.poll()
        poll.register(pipe, event)
        start = time.monotonic()
        ready = poll.poll(min(max(0.0, self._left) * 1000, _LONGEST_POLL))
        self._left -= time.monotonic() - start
        if not ready:
            raise TimeoutError


def send(to: int, document: bytes, body: bytes = b"", patience: Patience | None = None) -> None:
    """patience: to wait with for the other side, of a pipe that does not block; None for one that does

    Raises:
        TimeoutError, BrokenPipeError: the other side does not read, or is gone.
    """
    for part in (LENGTHS.pack(len(document), len(body)), document, body):
        view = memoryview(part)
        while view:
            if patience is not None:
                patience.wait(to, select.POLLOUT)
            view = view[os.write(to, view) :]


def receive(source: int) -> tuple[dict[str, Any], bytes]:
    """Raises EOFError where the other side is gone."""
    document, body = LENGTHS.unpack(take(source, LENGTHS.size))
    return json.loads(take(source, document)), bytes(take(source, body))


def take(source: int, count: int, patience: Patience | None = None) -> bytearray:
    """Raises TimeoutError; EOFError where the other side is gone."""
    taken = bytearray()
    while len(taken) < count:
        if patience is not None:
            patience.wait(source, select.POLLIN)
        piece = os.read(source, min(count - len(taken), _AT_ONCE))
        if not piece:
            raise EOFError
        taken += piece
    return taken
