"""A font file's bytes become its score: read and drawn in the sandbox, recognised here, judged.

The rasters come in chunks and are recognised in the same batches whoever asks, so that a score is
the same, bit for bit, whatever machine, engine or job it was made in.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from glyphs.errors import BadFont
from recognition.recogniser import Recogniser
from scoring.judge import Thresholds, judge
from scoring.kept import KeptScores
from scoring.mapper import Evidence, Mapper
from scoring.sandbox import DrawnFace, Rasters, Sandbox
from scoring.verdicts import FaceScore, Finding, FontScore, Status

Progress = Callable[[int, int], None]  # glyphs of a face that are recognised, and how many there will be


@dataclass(slots=True)
class _Reading:
    """A face whose rasters come and are recognised, chunk by chunk.

    asked: by raster, the places of the claims that the model can judge
    waiting: chunks that are being recognised: how many rasters are then, and what will be found
    """

    face: DrawnFace
    asked: list[list[int]]
    waiting: deque[tuple[int, Future[dict[int, Evidence]]]] = field(default_factory=deque)
    evidence: dict[int, Evidence] = field(default_factory=dict)


class Scorer:
    """Scores fonts, one after the other; owns the process that parses them. Close it when done.

    Attributes:
        bundle: that of the recogniser
        seconds: what was waited for stages so far: read (parsing and drawing), recognise, judge
    """

    def __init__(
        self,
        recogniser: Recogniser,
        sandbox: Sandbox | None = None,
        *,
        thresholds: Thresholds = Thresholds(),
        keep: Path | None = None,
        lanes: int = 1,
    ) -> None:
        """sandbox: one that was started ahead, with limits of its own; it is the scorer's from now on
        keep: a folder where scores are kept, and taken from when the same is asked again
        lanes: how many chunks of glyphs are recognised at once, 0 for one a core. Lanes want a recogniser of
            one thread: what is done besides the model is then shared out, too
        """
        bundle = self.bundle = recogniser.bundle
        self._thresholds = thresholds
        self._sandbox = (sandbox or Sandbox()).draw_for(bundle.labels, bundle.manifest.raster)
        self._sandbox.start()
        self._mapper = Mapper(recogniser, thresholds.suspicious)
        self._kept = KeptScores(keep, bundle.digest, thresholds, self._sandbox.limits) if keep else None
        self._lanes = lanes or len(os.sched_getaffinity(0))
        self._recognisers = ThreadPoolExecutor(self._lanes, "recognise")
        self.seconds: dict[str, float] = defaultdict(float)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._recognisers.shutdown(cancel_futures=True)
        self._sandbox.close()

    def score(self, font: str, data: bytes, progress: Progress = lambda done, total: None) -> FontScore:
        """The score of a file's bytes; one that cannot be read gets an ERROR finding, never an exception.

        font: what to call it

        Raises:
            BadInput: scores cannot be kept where they should be.
        """
        if self._kept:
            return self._kept.get(font, data, lambda: self._score(font, data, progress))
        return self._score(font, data, progress)

    def _score(self, font: str, data: bytes, progress: Progress) -> FontScore:
        digest = sha256(data).hexdigest()
        try:
            faces = tuple(self.faces(self._timed("read", self._sandbox.read(data)), progress))
        except BadFont as error:
            return FontScore(font=font, sha256=digest, findings=(unreadable(error),))
        return FontScore(font=font, sha256=digest, faces=faces)

    def faces(
        self,
        messages: Iterable[DrawnFace | Rasters],
        progress: Progress = lambda done, total: None,
    ) -> Iterator[FaceScore]:
        """The scores of faces that were read and drawn, each followed by its rasters.

        Raises what the messages raise.
        """
        reading: _Reading | None = None
        try:
            for message in messages:
                if isinstance(message, DrawnFace):
                    if reading is not None:
                        yield self._judge(reading, progress)
                    reading = _Reading(message, self._asked(message))
                    continue
                assert reading is not None
                recognised = self._recognisers.submit(self._recognise, reading, message)
                reading.waiting.append((message.first + len(message.pixels), recognised))
                self._take(reading, self._lanes, progress)
            if reading is not None:
                yield self._judge(reading, progress)
        finally:
            for _, future in reading.waiting if reading is not None else ():
                future.cancel()

    def _take(self, reading: _Reading, most: int, progress: Progress) -> None:
        """Wait until no more than so many chunks are being recognised."""
        start = time.perf_counter()
        while len(reading.waiting) > most:
            done, recognised = reading.waiting.popleft()
            reading.evidence |= recognised.result()
            progress(done, reading.face.rasters)
        self.seconds["recognise"] += time.perf_counter() - start

    def _asked(self, face: DrawnFace) -> list[list[int]]:
        """By raster, the places of the claims that the model can judge."""
        asked: list[list[int]] = [[] for _ in range(face.rasters)]
        for number, claim in enumerate(face.claims):
            raster = face.drawings[claim.drawing].raster
            if raster is not None and claim.label in self._mapper.places:
                asked[raster].append(number)
        return asked

    def _recognise(self, reading: _Reading, rasters: Rasters) -> dict[int, Evidence]:
        face = reading.face
        metrics = np.full((len(rasters.pixels), 4), np.nan, np.float32)
        numbers, rows = [], []
        for row in range(len(rasters.pixels)):
            claims = reading.asked[rasters.first + row]
            if claims:
                metrics[row] = face.drawings[face.claims[claims[0]].drawing].metrics
            numbers += claims
            rows += [row] * len(claims)
        labels = [face.claims[number].label for number in numbers]
        found = self._mapper.look(rasters.pixels, metrics, np.array(rows, np.intp), labels)
        return dict(zip(numbers, found, strict=True))

    def _judge(self, reading: _Reading, progress: Progress) -> FaceScore:
        self._take(reading, 0, progress)
        start = time.perf_counter()
        score = judge(reading.face, reading.evidence, self.bundle, self._mapper.places, self._thresholds)
        self.seconds["judge"] += time.perf_counter() - start
        return score

    def _timed(self, stage: str, messages: Iterator[DrawnFace | Rasters]) -> Iterator[DrawnFace | Rasters]:
        while True:
            start = time.perf_counter()
            message = next(messages, None)
            self.seconds[stage] += time.perf_counter() - start
            if message is None:
                return
            yield message


def unreadable(error: BadFont) -> Finding:
    """The finding about a file that cannot be scored."""
    return Finding("readable", Status.ERROR, str(error))
