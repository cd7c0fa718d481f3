"""Fonts whose glyphs are all identified, while the client waits: one after the other (`service.one_by_one`).

A font is read in another process, and its glyphs are recognised together (`scoring.identify`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from typing import TypeVar

from glyphs.errors import BadFont
from glyphs.raster import RasterSettings
from recognition.candidates import Candidates
from recognition.recogniser import Answer
from scoring import reader
from scoring.identify import IdentifiedFace, identify
from scoring.sandbox import Limits, ReaderKilled, Sandbox
from service.engine import Engine
from service.errors import NotReady, TooLate, TooManyGlyphs, UnusableFont
from service.models import ServedModel
from service.one_by_one import RECOVERY, OneByOne
from service.settings import Settings

T = TypeVar("T")
_MOST = 16  # fonts that wait or are at work
_FIRST_GUESS = 1.0  # seconds a font, before any has been identified
_MOST_SECONDS = 60.0  # of computing, which reading a font may take however long requests may
_MOST_MEMORY = 768 * 2**20  # bytes of address space of the process that reads, of fonts as small as these
# Bytes that a font may be told in: nothing else is done in this process while they are parsed.
_MOST_TOLD = 16 * 2**20


class Identifier:
    """Has fonts identified, for one application."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._most_glyphs = settings.max_identified_glyphs
        self._sandbox = Sandbox(
            Limits(
                max_glyphs=self._most_glyphs,
                seconds=min(settings.timeout, _MOST_SECONDS),
                max_memory=_MOST_MEMORY,
                max_answer=_MOST_TOLD,
            )
        )
        self._drawn_for: RasterSettings | None = None
        self.fonts = OneByOne("identify-fonts", engine, self._sandbox, most=_MOST, seconds=_FIRST_GUESS)

    async def identify(
        self,
        font: bytes,
        model: ServedModel,
        candidates: Candidates,
        k: int,
        finish: Callable[[list[IdentifiedFace]], T],
        *,
        keep_rasters: bool,
        deadline: float,
    ) -> T:
        """What becomes of a font's faces.

        candidates: of the model
        finish: called in the thread
        keep_rasters: glyphs have them
        deadline: on `time.monotonic`'s clock

        Raises:
            Overloaded; TooLate; NotReady; UnusableFont; TooManyGlyphs.
        """

        def work(answer: Answer, left: float) -> T:
            with closing(self._reading_for(model).read(font, left)) as messages:
                found = identify(messages, answer, candidates, k, keep_rasters=keep_rasters)
                return finish(list(found))

        try:
            return await self.fonts.do(work, model, deadline)
        except ReaderKilled as error:
            raise NotReady(error.message, "Ask again later.", retry_after=RECOVERY) from None
        except reader.TooManyGlyphs:
            raise TooManyGlyphs(self._most_glyphs) from None
        except BadFont as error:
            if time.monotonic() >= deadline:  # by which it was cut short
                raise TooLate from None
            raise UnusableFont(str(error)) from None

    def _reading_for(self, model: ServedModel) -> Sandbox:
        """The sandbox, which draws as the model sees glyphs; another in place of one that died meanwhile."""
        settings = model.bundle.manifest.raster
        if settings != self._drawn_for or self._sandbox.start().poll() is not None:
            self._sandbox.close()
            self._sandbox.draw_for(None, settings)
            self._drawn_for = settings
        return self._sandbox
