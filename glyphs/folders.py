"""Folders that are written whole or not at all."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def is_free(folder: Path, mark: str) -> bool:
    """Whether a folder that holds a file `mark` may be put there: nothing is there, or its like."""
    if not folder.exists():
        return True
    return folder.is_dir() and ((folder / mark).exists() or not any(folder.iterdir()))


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """A folder beside `folder` to write in; it takes the place of `folder` if the block ends well."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as beside:
        work, old = Path(beside) / "new", Path(beside) / "old"
        work.mkdir()
        yield work
        if folder.exists():
            folder.rename(old)
        work.rename(folder)
