"""The folder of jobs, and in it a folder for each: what was posted, and what has come of it.

    jobs.db            `service.jobs.store`
    runner.lock        held by whoever runs jobs here
    tidy.lock          held by whoever removes what is no longer kept
    <id>/arriving/     an upload that is coming in
    <id>/fonts/        the fonts, until they are scored
    <id>/scores/       a `FontScore` each: a job goes on behind the last of them
    <id>/lines/        the same as results, a line a glyph
    <id>/reports/      once all is done

Every file has a number for a name: nothing that was posted becomes a path. What a file holds is on
the disk before it has its name.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from glyphs.folders import is_full
from service.errors import StorageFull

_ID_BYTES = 16
_ID = re.compile(rf"[0-9a-f]{{{2 * _ID_BYTES}}}")


class JobFiles:
    """Where things of one job are."""

    def __init__(self, folder: Path, id: str) -> None:
        """folder: of all jobs"""
        self.folder = folder / id
        self.arriving = self.folder / "arriving"
        self.fonts = self.folder / "fonts"
        self.reports = self.folder / "reports"

    def font(self, number: int) -> Path:
        return self.fonts / f"{number:06}"

    def score(self, number: int) -> Path:
        return self.folder / "scores" / f"{number:06}.json"

    def lines(self, number: int) -> Path:
        return self.folder / "lines" / f"{number:06}.ndjson"

    def make(self) -> None:
        """Raises OSError where there is no place."""
        for folder in (self.arriving, self.fonts, self.score(0).parent, self.lines(0).parent):
            folder.mkdir(parents=True, mode=0o700)

    def remove_fonts(self) -> None:
        """They have been scored, or will never be."""
        shutil.rmtree(self.fonts, ignore_errors=True)

    def remove(self) -> None:
        """All of it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def bytes(self) -> int:
        """What all of it takes; files that go meanwhile do not count."""
        found = 0
        for folder, _, names in os.walk(self.folder):
            for name in names:
                with suppress(OSError):
                    found += os.stat(os.path.join(folder, name)).st_size
        return found


def new_id() -> str:
    """What a job is called, and its folder."""
    return secrets.token_hex(_ID_BYTES)


def is_id(name: str) -> bool:
    """Whether a folder of that name may be a job's; what else lies beside them is not ours."""
    return _ID.fullmatch(name) is not None


@contextmanager
def full_disk(what: str) -> Generator[None, None, None]:
    """Raises StorageFull where there is no place for `what`."""
    try:
        yield
    except Exception as error:
        if is_full(error):
            raise StorageFull("the disk is full", what) from None
        raise


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all, though the machine lose its power.

    Raises:
        OSError: as where the disk is full; nothing is left of it then.
    """
    unfinished = path.with_name(f".{path.name}")
    try:
        with unfinished.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise


@contextmanager
def holding(path: Path) -> Iterator[bool]:
    """Whether a file or folder could be locked; held until the block or the process ends."""
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def runner_lock(folder: Path) -> Path:
    """What the runner holds for as long as it lives."""
    return folder / "runner.lock"
