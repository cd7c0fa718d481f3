"""Sees to it that a runner lives while there is work, and removes what is no longer kept.

Each process of the service has a keeper, and they need not know of each other: a runner holds a lock on
the folder for as long as it lives, and one that comes second leaves again. When a process of the service
ends, its runner does, and the next keeper to look starts another.
"""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import time
from contextlib import suppress

from service.jobs.files import holding, runner_lock
from service.jobs.retention import tidy
from service.jobs.store import Store
from service.logs import Trouble
from service.settings import Settings
from service.sharing import set_free

_LOOK = 1.0  # seconds between two looks at the work there is
_TIDY = 60.0  # seconds between two looks at what may go
_PATIENCE = 2.0  # seconds in which a runner has to end; killing it costs no more than a font
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0  # seconds before a runner that died is replaced
log = logging.getLogger(__name__)


class Keeper:
    """Keeps a runner for one folder."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings, self._store = settings, store
        self._runner: subprocess.Popen[bytes] | None = None
        self._wanted = asyncio.Event()
        self._pause, self._not_before = _FIRST_PAUSE, 0.0

    def wake(self) -> None:
        """There is work."""
        self._wanted.set()

    async def keep(self) -> None:
        """Look again and again, as long as nobody cancels it."""
        tidied = -_TIDY
        trouble = Trouble(log, "jobs could not be looked after")
        while True:
            with trouble:
                if time.monotonic() >= tidied + _TIDY:
                    tidied = time.monotonic()
                    await asyncio.to_thread(tidy, self._store, self._settings)
                if self._is_gone() and await asyncio.to_thread(self._is_needed):
                    self._start()
            self._wanted.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK):
                    await self._wanted.wait()

    def close(self) -> None:
        """End the runner, wherever it is; the next goes on from there."""
        if self._runner is not None:
            self._runner.terminate()
            try:
                self._runner.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                self._runner.kill()
                self._runner.wait()
            self._let_go(self._runner)

    def _is_gone(self) -> bool:
        """Whether this keeper has no runner (any more)."""
        if self._runner is None:
            return True
        code = self._runner.poll()
        if code is None:
            return False
        self._let_go(self._runner)
        if code == 0:
            self._pause = _FIRST_PAUSE
        else:
            log.error("the runner of jobs died (%d); another takes its place in %g s", code, self._pause)
            self._not_before = time.monotonic() + self._pause
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)
            self._store.blame()
        return True

    def _is_needed(self) -> bool:
        if time.monotonic() < self._not_before or not self._store.has_work():
            return False
        with holding(runner_lock(self._store.folder)) as is_free:
            return is_free

    def _start(self) -> None:
        # Its standard input stays open for as long as this process lives, and tells it when that ends.
        self._runner = subprocess.Popen(
            [sys.executable, "-P", "-m", "service.jobs.runner"],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        set_free(self._runner.pid)
        assert self._runner.stdin is not None
        with suppress(BrokenPipeError):  # it died already, and will be found dead
            self._runner.stdin.write(self._settings.model_dump_json().encode() + b"\n")
            self._runner.stdin.flush()

    def _let_go(self, runner: subprocess.Popen[bytes]) -> None:
        assert runner.stdin is not None
        with suppress(BrokenPipeError):
            runner.stdin.close()
        self._runner = None
