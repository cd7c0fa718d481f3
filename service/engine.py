"""The engine: a loaded model, the threads that work with it, and the limit on who may wait.

Routes hand it a posted glyph and what to make of the model's answer; everything from decoding
the picture to the finished answer is one job in one thread, off the event loop. ONNX Runtime
and FAISS release Python's lock while they compute, so the threads share one session.
"""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import BoundedSemaphore
from typing import TypeVar

import numpy as np
from PIL import Image

from glyphs.errors import BadIndex
from glyphs.labels import Label
from glyphs.picture import PictureLimits, read_picture
from index.search import FILE as INDEX
from index.search import Filter, ReferenceIndex
from recognition.bundle import Bundle
from recognition.candidates import Candidates, Prior
from recognition.recogniser import Answers, Recogniser
from service.errors import NoIndex, NotReady, Overloaded
from service.reading import PostedGlyph
from service.settings import Settings

T = TypeVar("T")
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a caller knows of the glyph beforehand; see `recognition.candidates`."""

    prior: Prior = Prior.FONTS
    scripts: frozenset[str] = frozenset()
    charset: str = ""
    labels: frozenset[Label] = frozenset()


class ServedModel:
    """A bundle, its model and its index, loaded together. Never changes once it is made."""

    def __init__(self, bundle: Bundle, recogniser: Recogniser, index: ReferenceIndex | None) -> None:
        """Raises BadIndex where the index holds embeddings of another width than the model's."""
        if index and index.dimension != bundle.manifest.embedding:
            raise BadIndex(
                f"The index of {bundle.path} holds embeddings of {index.dimension} numbers, "
                f"the model gives {bundle.manifest.embedding}.",
                "Build the index anew.",
            )
        self.bundle = bundle
        self.recogniser = recogniser
        self._index = index
        self.candidates = lru_cache(maxsize=64)(self._make_candidates)

    @classmethod
    def load(cls, path: Path) -> ServedModel:
        """Raises BadBundle or BadIndex where a part is missing, altered or does not fit the rest."""
        bundle = Bundle.load(path)
        index = ReferenceIndex.load(path) if bundle.has(INDEX) else None
        return cls(bundle, Recogniser(bundle, threads=1), index)

    @property
    def identity(self) -> dict[str, str]:
        """What every answer says of the model it comes from."""
        manifest = self.bundle.manifest
        return {"name": manifest.name, "version": manifest.version, "digest": self.bundle.digest}

    @property
    def references(self) -> int:
        """How many reference glyphs there are; 0 without an index."""
        return len(self._index.references) if self._index else 0

    @property
    def has_index(self) -> bool:
        return self._index is not None

    @property
    def index(self) -> ReferenceIndex:
        """Raises NoIndex where the bundle has none."""
        if self._index is None:
            raise NoIndex(
                f"The bundle {self.bundle.manifest.name} has no reference glyphs.", "Serve one with an index."
            )
        return self._index

    def _make_candidates(self, context: Context) -> Candidates:
        return Candidates(
            self.bundle,
            prior=context.prior,
            scripts=context.scripts,
            charset=context.charset,
            labels=context.labels,
        )


class Engine:
    """Runs jobs over a served model, `settings.workers` at a time.

    `model` is read once per job, so that a job is answered by one model from end to end.
    """

    def __init__(self, model: ServedModel, settings: Settings) -> None:
        self.model = model
        self._workers = settings.workers
        self._limits = PictureLimits(max_bytes=settings.max_body_bytes, max_pixels=settings.max_pixels)
        self._slots = BoundedSemaphore(settings.workers + settings.max_waiting)
        self._threads = ThreadPoolExecutor(settings.workers, "engine")
        self._open = True
        self._warm = False

    @property
    def ready(self) -> bool:
        """Whether requests are answered at full speed."""
        return self._warm and self._open

    async def recognise(self, glyph: PostedGlyph, finish: Callable[[ServedModel, Answers], T]) -> T:
        """Decode a glyph, ask the model, and finish its answer, all in one worker.

        Raises:
            BadPicture: one of its kinds; Overloaded; NotReady; and whatever `finish` raises.
        """

        def job(model: ServedModel) -> T:
            return finish(model, _answer(model, glyph, self._limits))

        return await self.run(job)

    async def run(self, job: Callable[[ServedModel], T]) -> T:
        """Run a job in a worker.

        Raises:
            Overloaded: as many jobs wait already as may.
            NotReady: the engine is closed.
        """
        if not self._open:
            raise NotReady("The service is shutting down.")
        if not self._slots.acquire(blocking=False):
            raise Overloaded("Too many requests are waiting.", "Ask again a little later.")
        try:
            future = self._threads.submit(job, self.model)
        except RuntimeError:
            self._slots.release()
            raise NotReady("The service is shutting down.") from None
        # Released by the job and not by its waiter: a job whose client has gone still takes a thread.
        future.add_done_callback(lambda _: self._slots.release())
        return await asyncio.wrap_future(future)

    async def warm_up(self) -> None:
        """Send a glyph the whole way through every worker; the engine is ready after that."""
        jobs = [self._threads.submit(self._rehearse) for _ in range(self._workers)]
        try:
            await asyncio.gather(*map(asyncio.wrap_future, jobs))
        except Exception:
            log.exception("the engine failed to warm up and will not become ready")
        else:
            self._warm = True

    def close(self) -> None:
        """Finish the jobs that were taken, and take no more. Blocks until then."""
        self._open = False
        self._threads.shutdown(wait=True)

    def _rehearse(self) -> None:
        picture = Image.new("L", (64, 64), 255)
        picture.paste(0, (16, 8, 40, 56))
        file = io.BytesIO()
        picture.save(file, "PNG")
        glyph = PostedGlyph(file.getvalue(), np.full(4, np.nan, np.float32))
        answers = _answer(self.model, glyph, PictureLimits())
        self.model.candidates(Context()).recognise(answers, 1)
        if self.model.has_index:
            self.model.index.search(answers.embeddings, 1, Filter())


def _answer(model: ServedModel, glyph: PostedGlyph, limits: PictureLimits) -> Answers:
    raster = read_picture(glyph.data, model.bundle.manifest.raster, limits)
    return model.recogniser.answer(raster[None], glyph.metrics[None])
