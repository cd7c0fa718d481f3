"""Waiting for what another thread or process is about to do."""

from __future__ import annotations

import time
from collections.abc import Callable


def eventually(condition: Callable[[], object]) -> None:
    """Return as soon as the condition holds. A busy machine has two minutes; no test waits on purpose."""
    until = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.01)
