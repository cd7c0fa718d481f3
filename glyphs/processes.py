"""Processes that work for another one, and how many of them have a processor."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading


def affinity() -> int:
    """Processors that this process may run on, whatever its container's quota of their time."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def end_with_parent() -> None:
    """End this process, without a word, when a terminal's Ctrl-C ends its parent, or anything else does."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as it is of what runs in the background
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_outlive_nobody, daemon=True).start()


def _outlive_nobody() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
