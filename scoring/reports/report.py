"""What every report is: scores go in one by one, and a whole file comes out at the end or none."""

from __future__ import annotations

import os
import tempfile
import weakref
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Self

from glyphs.errors import BadInput
from glyphs.folders import prefix_beside, written
from scoring.verdicts import FontScore


class Draft:
    r"""A text file in the making, beside its place under another name until it is published.

    text: to write to, UTF-8; a lone surrogate (a file's name may hold one) becomes its escape `\udcXX`,
        which in JSON reads as the surrogate again
    """

    def __init__(self, path: Path, *, newline: str = "\n") -> None:
        """Raises BadInput where no file can be written there."""
        with written(path):
            if path.exists() and not path.is_file():  # a device or a pipe is nothing to be replaced
                raise BadInput(f"{path} is {'a folder' if path.is_dir() else 'no file'}.", "Name a file.")
            path = self._path = Path(os.path.realpath(path))  # a link stays
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, self._beside = tempfile.mkstemp(prefix=prefix_beside(path), dir=path.parent)
        self.text = open(handle, "w", encoding="utf-8", errors="backslashreplace", newline=newline)  # noqa: SIM115
        self._remove = weakref.finalize(self, os.unlink, self._beside)  # at the latest when nobody has it

    def publish(self) -> None:
        """Put it in its place, in one step, over what was there; a second time does nothing.

        Raises:
            BadInput: it cannot be written there any more.
        """
        if self._remove.alive:
            with written(self._path):
                self.text.close()
                os.chmod(self._beside, _mode_of_new_files())  # temporary files are their owner's alone
                os.replace(self._beside, self._path)
            self._remove.detach()

    def discard(self) -> None:
        """Leave nothing of it, and what was there before; after `publish` it does nothing."""
        if self._remove.alive:
            self._remove()
            self.text.close()


def check_place(path: Path) -> None:
    """Raises BadInput where no file can be written: before fonts are scored, for what is written after."""
    Draft(path).discard()


def write(path: Path, text: str) -> None:
    """Write a text file at once or not at all."""
    draft = Draft(path)
    try:
        draft.text.write(text)
        draft.publish()
    finally:
        draft.discard()


class Published(ABC):
    """What is published by `close`; as a context, discarded where the block raises."""

    @abstractmethod
    def close(self) -> None:
        """Put the report in its place, whole."""

    @abstractmethod
    def discard(self) -> None:
        """Leave nothing of it; after `close` it does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.close()
        finally:
            self.discard()


class Report(Published):
    """Takes scores."""

    @abstractmethod
    def add(self, score: FontScore) -> None:
        """Take one font's score; nothing of it is kept but what the report says."""


class DraftFile(Published):
    """One file, written piece by piece."""

    def __init__(self, path: Path, *, newline: str = "\n") -> None:
        self._draft = Draft(path, newline=newline)

    def close(self) -> None:
        self._draft.publish()

    def discard(self) -> None:
        self._draft.discard()


class DraftReport(DraftFile, Report):
    """A report that is one file, written as the scores come."""


def _mode_of_new_files() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
