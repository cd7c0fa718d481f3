"""Waiting for what another thread or process is about to do, and servers in threads."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from socketserver import BaseServer


def eventually(condition: Callable[[], object]) -> None:
    """Return as soon as the condition holds. A busy machine has two minutes; no test waits on purpose."""
    until = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.01)


@contextmanager
def at_work(server: BaseServer) -> Iterator[None]:
    """A server answers in a thread of its own, and is closed in the end."""
    with server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def unread(process: subprocess.Popen[bytes]) -> int:
    """Bytes that were sent to a process and that it has not read."""
    assert process.stdin is not None
    return int.from_bytes(fcntl.ioctl(process.stdin, termios.FIONREAD, bytes(4)), sys.byteorder)
