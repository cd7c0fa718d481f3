"""What the processes of one service tell one another: which bundles were loaded at work.

A folder that they share holds one file, which is replaced whole. A process that loads a model posts
it there; the others read it every second and load what they do not serve yet, as does a process that
starts later. So all come to serve the same within seconds, whichever was asked.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import math
import os
import time
from dataclasses import dataclass
from pathlib import Path

from glyphs.errors import BadBundle
from recognition.recogniser import Device
from service.engine import Engine
from service.errors import Unavailable
from service.logs import Trouble
from service.models import Models, ServedModel

_EVERY = 1.0  # seconds
_LONGEST = 64.0  # seconds until what failed is tried again, twice as many each time
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Notice:
    """A bundle that was loaded, where from, and which it was."""

    path: Path
    digest: str


@dataclass(frozen=True, slots=True)
class _Failure:
    """A bundle that could not be read, which may pass: files are copied slowly, or are too many open. Or one
    that failed at work.
    """

    reason: str
    pause: float
    until: float


class Noticeboard:
    """The board in a folder."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "models.json"
        self._failures: dict[str, _Failure] = {}  # by digest

    def read(self) -> dict[str, Notice]:
        """The latest notice for each name of a model."""
        try:
            found = json.loads(self._file.read_bytes())
        except FileNotFoundError:
            return {}
        return {name: Notice(Path(path), digest) for name, (path, digest) in found.items()}

    def post(self, model: ServedModel) -> None:
        """Raises OSError where the folder cannot be written to; the board is then as it was."""
        with self._file.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            notices = {name: (str(notice.path), notice.digest) for name, notice in self.read().items()}
            notices[model.name] = (str(model.bundle.address.absolute()), model.digest)
            new = self._file.with_suffix(".new")
            new.write_text(json.dumps(notices), encoding="utf-8")
            os.replace(new, self._file)

    async def catch_up(self, models: Models, device: Device, engine: Engine | None = None) -> None:
        """Serve what is posted and not served yet.

        engine: whose executors try a model out before it is served; None where there are none yet
        """
        served = {model.name: model.digest for model in models.all}
        for name, notice in self.read().items():
            failed = self._failures.get(notice.digest)
            if notice.digest == served.get(name) or (failed and time.monotonic() < failed.until):
                continue
            try:
                model = await ServedModel.load_aside(notice.path, device)
                if model.digest != notice.digest:
                    raise BadBundle(f"The bundle {notice.path} is not the one it was.")
            except Exception as error:
                pause = min(2 * failed.pause, _LONGEST) if failed else _EVERY
                self._note(notice.digest, str(error), pause)
                continue
            try:
                if engine:
                    await engine.rehearse(model)
            except Unavailable:
                continue  # no fault of the bundle: it is tried at the next look
            except Exception as error:  # as where a model is loaded by an admin: the bundle is to blame
                self._note(notice.digest, str(error), math.inf)
                continue
            self._failures.pop(notice.digest, None)
            models.put(model)

    def _note(self, digest: str, reason: str, pause: float) -> None:
        """A bundle failed, and is not tried again for so many seconds; said where it is news."""
        before = self._failures.get(digest)
        self._failures[digest] = _Failure(reason, pause, time.monotonic() + pause)
        if before is None or before.reason != reason:
            log.error("a model that another process loaded cannot be used here: %s", reason)

    async def follow(self, engine: Engine, device: Device, loading: asyncio.Lock) -> None:
        """Catch up again and again, as long as nobody cancels it.

        loading: held by whoever loads a model, so that what is being replaced is not put back
        """
        trouble = Trouble(log, "what other processes loaded could not be looked up")
        while True:
            with trouble:
                async with loading:
                    await self.catch_up(engine.models, device, engine)
            await asyncio.sleep(_EVERY)
