"""The jobs of an application: opened with it, and closed."""

from __future__ import annotations

import asyncio
import logging
import signal
import sqlite3
import threading
from types import FrameType

from service.jobs.keeper import Keeper
from service.jobs.store import Store
from service.settings import Settings

log = logging.getLogger(__name__)


class Desk:
    """Where jobs are handed in: the store, and the keeper that has them done."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.store = store
        self.keeper = Keeper(settings, store)
        self._keeping: asyncio.Task[None] | None = None
        self.is_closing = False

    @classmethod
    def open(cls, settings: Settings) -> Desk | None:
        """None where there is no folder that jobs can be kept in, which the log says."""
        if settings.jobs is None:
            log.info("no jobs are taken, for there is no folder for them (GLYPHERY_JOBS)")
            return None
        try:
            store = Store(settings.jobs)
        except (OSError, sqlite3.Error) as error:
            log.warning("no jobs are taken, for %s cannot be used: %s", settings.jobs, error)
            return None
        return cls(settings, store)

    def start(self) -> None:
        """Begin to look after jobs; on the event loop."""
        self._keeping = asyncio.create_task(self.keeper.keep())
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._close_at(number)

    async def close(self) -> None:
        """End the runner; jobs go on where they were when the next service is there."""
        self.is_closing = True
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait([self._keeping])
        await asyncio.to_thread(self.keeper.close)
        self.store.close()

    def _close_at(self, number: signal.Signals) -> None:
        """Have streams end when the server is told to stop: it waits for them before it tells us."""
        former = signal.getsignal(number)

        def close(received: int, frame: FrameType | None) -> None:
            self.is_closing = True
            if callable(former):
                former(received, frame)

        signal.signal(number, close)
