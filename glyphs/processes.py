"""Processes that work for another one, and how many of them have a processor."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Generic, ParamSpec, TypeVar, TypeVarTuple

P = ParamSpec("P")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")


def affinity() -> int:
    """Processors that this process may run on, whatever its container's quota of their time."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Task(Generic[T]):
    """Something that a process of a `Crew` was asked to do."""

    def __init__(self, file: Future[Path]) -> None:
        self._file = file

    def result(self) -> T:
        """Wait for what it comes to; ask once.

        Raises:
            BrokenProcessPool: a process of the crew died.
            whatever the task raised.
        """
        file = self._file.result()
        out: T = pickle.loads(file.read_bytes())
        file.unlink()
        return out


class Crew:
    """Processes that do one task each at a time, and that end with this one. Use it in a `with`.

    What a task comes to is handed over in a file. `ProcessPoolExecutor` alone sends it through a pipe,
    and where a process is killed in the middle of that (for its memory, say) waits for the rest for ever.

    begin: what every process does first, with what it is `told`
    """

    def __init__(self, processes: int, begin: Callable[[*Ts], None], *told: *Ts) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="glyphery-"))
        self._pool = ProcessPoolExecutor(
            processes,
            multiprocessing.get_context("forkserver"),
            initializer=_begin,
            initargs=(self._folder, begin, *told),
        )

    def submit(self, task: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Task[T]:
        """Ask for a task; `task` and what it is given are pickled.

        Raises:
            BrokenProcessPool: a process of the crew died.
        """
        return Task(self._pool.submit(_hand_over, self._folder, partial(task, *args, **kwargs)))

    def __enter__(self) -> Crew:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=error is None, cancel_futures=True)
        if error is not None:  # Python's end would wait for what was begun
            for process in multiprocessing.active_children():
                if (self._folder / str(process.pid)).exists():
                    process.kill()
        shutil.rmtree(self._folder, ignore_errors=True)


def _hand_over(folder: Path, task: Callable[[], object]) -> Path:
    out = task()
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
        pickle.dump(out, file, protocol=pickle.HIGHEST_PROTOCOL)
    return Path(file.name)


def _begin(folder: Path, begin: Callable[[*Ts], None], *told: *Ts) -> None:
    """A terminal's Ctrl-C, which reaches this process, too, is for the parent."""
    (folder / str(os.getpid())).touch()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(folder,), daemon=True).start()
    begin(*told)


def _end_with_parent(folder: Path) -> None:
    """End this process, without a word, when anything ends its parent."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)
