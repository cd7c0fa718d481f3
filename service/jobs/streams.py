"""What is told of a job while it goes on: events, and results as they come.

Another process runs the job, so both look into the store again and again. Both can be taken up where
they broke off. They end when the service does, which would otherwise wait for them.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

from service.jobs.files import JobFiles
from service.jobs.record import FontDone, Job
from service.jobs.store import Store

_LOOK = 0.5  # seconds between two looks
_HEARTBEAT = 15.0  # seconds after which something is sent, lest a proxy take the stream for dead
_PIECE = 2**18
_ID = re.compile(r"(\d{1,9})\.(\d{1,15})")


@dataclass(frozen=True, slots=True)
class Seen:
    """What somebody knows of a job: so many fonts, and one of its revisions. The id of an event."""

    fonts: int = 0
    revision: int = 0

    @classmethod
    def of(cls, text: str) -> Self:
        """Of an event's id; what is none is as good as knowing nothing."""
        found = _ID.fullmatch(text)
        return cls(int(found[1]), int(found[2])) if found else cls()

    def __str__(self) -> str:
        return f"{self.fonts}.{self.revision}"


async def events(
    store: Store, job: Job, seen: Seen, is_closing: Callable[[], bool]
) -> AsyncGenerator[bytes, None]:
    """`font` for each that has been scored, `progress` with the job as it is, and in the end `end`."""
    quiet = 0.0
    yield b"retry: 2000\n\n"
    while not is_closing():
        found = await asyncio.to_thread(store.find, job.id)
        if found is None:  # removed
            return
        if found.revision > seen.revision:
            for font in await asyncio.to_thread(store.fonts_done, found, seen.fonts):
                seen = Seen(font.number, 0)
                yield _event("font", seen, _font(font))
            # What was told may be ahead of the job as it was found, by fonts that were done in between.
            seen, quiet = Seen(seen.fonts, found.revision), 0.0
            yield _event("end" if found.is_finished else "progress", seen, found.document())
        if found.is_finished:
            return
        await asyncio.sleep(_LOOK)
        quiet += _LOOK
        if quiet >= _HEARTBEAT:
            quiet = 0.0
            yield b": nothing new\n\n"


async def results(
    store: Store, job: Job, start: int, follow: bool, is_closing: Callable[[], bool]
) -> AsyncGenerator[bytes, None]:
    """The lines of all fonts that have been scored, in order.

    start: how many lines to leave out, for who has them already
    follow: go on until the job is finished
    """
    files, after = JobFiles(store.folder, job.id), 0
    with suppress(FileNotFoundError):  # the job was removed: that not all lines came, its reader will see
        while not is_closing():
            found = await asyncio.to_thread(store.find, job.id)
            if found is None:
                return
            for font in await asyncio.to_thread(store.fonts_done, found, after):
                after = font.number
                if start >= font.lines:
                    start -= font.lines
                    continue
                async for piece in _pieces(files.lines(font.number), start):
                    yield piece
                start = 0
            if found.is_finished or not follow:
                return
            await asyncio.sleep(_LOOK)


async def _pieces(path: Path, start: int) -> AsyncGenerator[bytes, None]:
    def open_behind() -> IO[bytes]:
        file = path.open("rb")
        for _ in range(start):
            file.readline()
        return file

    with await asyncio.to_thread(open_behind) as file:
        while piece := await asyncio.to_thread(file.read, _PIECE):
            yield piece


def _font(font: FontDone) -> dict[str, Any]:
    return {
        "number": font.number, "font": font.name, "status": str(font.status), "counts": dict(font.counts)
    }  # fmt: skip


def _event(kind: str, id: Seen, data: dict[str, Any]) -> bytes:
    return f"event: {kind}\nid: {id}\ndata: {json.dumps(data)}\n\n".encode("ascii")
