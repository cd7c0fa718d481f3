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
    """End this process, without a word, when anything ends its parent.

    A terminal's Ctrl-C, which reaches this process, too, is for the parent: it would wait for ever for the
    rest of what a process was handing over when it died.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_outlive_nobody, daemon=True).start()


def _outlive_nobody() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
