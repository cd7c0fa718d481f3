"""A PDF as a whole: read in a process of its own, whose memory and computing have an end, and written."""

from __future__ import annotations

import io
import resource
from collections.abc import Callable, Mapping
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import pikepdf
from pdfminer.pdfdocument import PDFEncryptionError

from documents.fonts import DocumentFont, draw_fonts
from documents.text import Text, read_text
from glyphs.errors import BadInput
from glyphs.processes import Crew
from glyphs.raster import RasterSettings

T = TypeVar("T")


class BadDocument(BadInput):
    """A PDF that cannot be read."""


@dataclass(frozen=True, slots=True)
class Limits:
    """seconds: of computing that reading, and writing, a document may take; gibibytes: of memory"""

    seconds: int = 600
    gibibytes: int = 4


class Reader:
    """Reads and writes documents in a process of its own; use it in a `with`."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._crew = Crew(1, _limit, limits)

    def read(self, path: Path, settings: RasterSettings) -> tuple[Text, list[DocumentFont]]:
        """The text of a document, and what the codes that it uses draw.

        Raises:
            BadDocument: no PDF, broken, encrypted, or beyond the limits.
        """
        return self._done(path, _read, path, settings)

    def repaired(self, path: Path, maps: Mapping[int, str]) -> bytes:
        """The document with other ToUnicode maps, by the numbers of fonts' objects.

        Raises:
            BadDocument: as above.
        """
        return self._done(path, _repaired, path, maps)

    def _done(self, path: Path, task: Callable[..., T], *told: object) -> T:
        try:
            return self._crew.submit(task, *told).result()
        except BrokenProcessPool:
            raise BadDocument(
                f"{path} takes more than {self._limits.seconds} s of computing, or broke what reads it.",
                "Allow more with --max-seconds, or split it.",
            ) from None
        except MemoryError:
            raise BadDocument(f"{path}: reading it takes more than {self._limits.gibibytes} GiB.") from None

    def __enter__(self) -> Self:
        self._crew.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._crew.__exit__(kind, error, trace)


def _limit(limits: Limits) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (limits.seconds, limits.seconds))
    resource.setrlimit(resource.RLIMIT_DATA, (limits.gibibytes << 30, limits.gibibytes << 30))


def _read(path: Path, settings: RasterSettings) -> tuple[Text, list[DocumentFont]]:
    try:
        with path.open("rb") as file:
            text = read_text(file)
        with pikepdf.open(path) as document:
            return text, draw_fonts(document, text.advances_by_font(), settings)
    except (OSError, MemoryError):
        raise
    except Exception as error:  # parsers raise anything on a broken file
        raise _as_ours(path, error) from None


def _repaired(path: Path, maps: Mapping[int, str]) -> bytes:
    out = io.BytesIO()
    try:
        with pikepdf.open(path) as document:
            for number, cmap in maps.items():
                document.get_object((number, 0)).ToUnicode = document.make_stream(cmap.encode())
            document.save(out, encryption=document.is_encrypted)  # as it was
        return out.getvalue()
    except (OSError, MemoryError):
        raise
    except Exception as error:
        raise _as_ours(path, error) from None


def _as_ours(path: Path, error: Exception) -> BadDocument:
    if isinstance(error, pikepdf.PasswordError | PDFEncryptionError):
        return BadDocument(f"{path} is encrypted.", "Remove its password first.")
    return BadDocument(f"{path} is no PDF that can be read: {type(error).__name__}.")
