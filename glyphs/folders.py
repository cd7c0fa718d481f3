"""Files and folders that are written whole or not at all, and disks that are full."""

from __future__ import annotations

import errno
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from glyphs.errors import BadInput

_FULL = (errno.ENOSPC, errno.EDQUOT)
_SQLITE_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE)


def is_free(folder: Path, is_like: Callable[[Path], bool]) -> bool:
    """Whether a folder may be put there: nothing is there, or its like."""
    if not folder.exists():
        return True
    return folder.is_dir() and (is_like(folder) or not any(folder.iterdir()))


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """A folder beside `folder` to write in; it takes the place of `folder` if the block ends well.

    A link stays, and what it leads to is replaced.

    Raises:
        BadInput: it cannot be written, or is not to be replaced: work goes on in it, or it is a mount.
    """
    with ExitStack() as open_:
        with written(folder):
            folder = folder.resolve()
            if Path.cwd().is_relative_to(folder) or folder.is_mount():
                raise BadInput(
                    f"{folder} cannot be replaced: it is where you work, or a mount.", "Name a folder in it."
                )
            folder.parent.mkdir(parents=True, exist_ok=True)
            place = tempfile.TemporaryDirectory(prefix=prefix_beside(folder), dir=folder.parent)
            beside = Path(open_.enter_context(place))
            work, old = beside / "new", beside / "old"
            work.mkdir()
        yield work
        with written(folder):
            if folder.exists():
                folder.rename(old)
            work.rename(folder)


def prefix_beside(path: Path) -> str:
    """How the name of what is made beside `path` begins: short, for `path`'s own may be of the longest.

    Raises:
        OSError: it is longer than names may be, which would show only in the end.
    """
    with suppress(FileNotFoundError):
        path.lstat()
    return f".{path.name[:50]}-"


@contextmanager
def written(path: Path) -> Iterator[None]:
    """Raises BadInput where `path` cannot be written; of a full disk an OSError, for that may pass."""
    try:
        yield
    except OSError as error:
        if is_full(error):
            raise
        raise BadInput(f"{path} cannot be written: {error.strerror}.") from None


def is_full(error: Exception) -> bool:
    """Whether an error of files or of a database says that there is no place left."""
    if isinstance(error, sqlite3.OperationalError):
        return error.sqlite_errorcode in _SQLITE_FULL
    return isinstance(error, OSError) and error.errno in _FULL


def put(content: bytes | memoryview, path: Path) -> None:
    """Write a file whole or not at all: beside its place, and then there. A link stays, and what it leads to
    is replaced.

    Raises:
        OSError: it cannot be written.
    """
    path = Path(os.path.realpath(path))
    unfinished = path.with_name(f"{prefix_beside(path)}{os.getpid()}")
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
