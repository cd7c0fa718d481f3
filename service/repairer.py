"""PDFs whose text is repaired, while the client waits: one after the other (`service.one_by_one`).

A document is read, and written, in a process that has seen no other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from documents import sandbox
from documents.contents import Text
from documents.repair import ReadDocumentFont, read_fonts
from documents.sandbox import BadDocument, Limits, Reader, ReaderKilled
from recognition.candidates import Candidates
from recognition.recogniser import Answer
from service.engine import Engine
from service.errors import NotReady, TooLate, TooManyCodes, UnusableDocument
from service.models import ServedModel
from service.one_by_one import RECOVERY, OneByOne
from service.settings import Settings

T = TypeVar("T")
# What becomes of a document: its text, what its fonts show, and its bytes, or None where nothing was to be
# repaired.
Finish = Callable[[Text, Sequence[ReadDocumentFont], bytes | None], T]

_MOST = 4  # documents that wait or are at work
_FIRST_GUESS = 3.0  # seconds a document, before any has been repaired
_MOST_MEMORY = 768 * 2**20  # bytes of the process that reads
# Bytes that a document may be told in.
_MOST_TOLD = 16 * 2**20


class Repairer:
    """Has documents repaired, for one application."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._most_codes = settings.max_document_codes
        self._reader = Reader(Limits(self._most_codes, settings.document_timeout, _MOST_MEMORY, _MOST_TOLD))
        self.documents = OneByOne("repair-documents", engine, self._reader, most=_MOST, seconds=_FIRST_GUESS)

    async def repair(
        self,
        document: bytes,
        model: ServedModel,
        candidates: Candidates,
        finish: Finish[T],
        *,
        everything: bool,
        deadline: float,
    ) -> T:
        """What becomes of a document.

        candidates: of the model
        finish: called in the thread
        everything: what the document says is not believed
        deadline: on `time.monotonic`'s clock

        Raises:
            Overloaded; TooLate; NotReady; UnusableDocument; TooManyCodes.
        """

        def work(answer: Answer, left: float) -> T:
            began = time.monotonic()
            text, fonts = self._reader.read(document, model.bundle.manifest.raster, left)
            read = read_fonts(text, fonts, answer, candidates, everything=everything)
            texts = {font.font.number: font.texts() for font in read if font.repaired}
            left -= time.monotonic() - began
            return finish(text, read, self._reader.written(texts, left) if texts else None)

        try:
            return await self.documents.do(work, model, deadline)
        except ReaderKilled as error:
            raise NotReady(error.message, "Ask again later.", retry_after=RECOVERY) from None
        except sandbox.TooManyCodes:
            raise TooManyCodes(self._most_codes) from None
        except BadDocument as error:
            if time.monotonic() >= deadline:  # by which it was cut short
                raise TooLate from None
            raise UnusableDocument(str(error)) from None
