"""A font file's bytes become its score: read and drawn in the sandbox, recognised here, judged.

The rasters come in chunks and are recognised in the same batches whoever asks, so that a score is
the same, bit for bit, whatever machine, engine or job it was made in.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from glyphs.errors import BadFont
from glyphs.processes import affinity
from recognition.recogniser import Recogniser
from scoring.judge import Thresholds, judge
from scoring.kept import KeptScores
from scoring.mapper import Evidence, Mapper
from scoring.sandbox import DrawnFace, Rasters, Sandbox
from scoring.verdicts import FaceScore, Finding, FontScore, Status

Progress = Callable[[int, int], None]  # glyphs of a face that are recognised, and how many there will be
_REFLECTIONS = 16  # that are recognised at once
_UNCLAIMED = (math.nan,) * 4  # metrics of a raster that the process which drew it made for no claim


@dataclass(frozen=True, slots=True)
class _Batch:
    """Shapes of a face that are being recognised: rasters as they came, or reflections of doubtful ones.

    pixels: (N, S, S); claims: of each its claims that the model can judge, by their places in the face
    reflected: whether they are reflections
    done: how many of the face's rasters are recognised then
    """

    pixels: NDArray[np.uint8]
    claims: Sequence[Sequence[int]]
    reflected: bool
    done: int
    found: Future[dict[int, Evidence]]


@dataclass(slots=True)
class _Reading:
    """A face whose rasters come and are recognised, chunk by chunk.

    claims: by raster, the places of the claims that the model can judge
    doubtful: rasters whose reflections are yet to be recognised, each with its claims
    """

    face: DrawnFace
    claims: list[list[int]]
    waiting: deque[_Batch] = field(default_factory=deque)
    evidence: dict[int, Evidence] = field(default_factory=dict)
    doubtful: list[tuple[NDArray[np.uint8], Sequence[int]]] = field(default_factory=list)


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
        self._mapper = Mapper(recogniser)
        self._kept = KeptScores(keep, bundle.digest, thresholds, self._sandbox.limits) if keep else None
        self._lanes = lanes or affinity()
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
                    reading = _Reading(message, self._claims(message))
                    continue
                assert reading is not None
                first, end = message.first, message.first + len(message.pixels)
                self._submit(reading, message.pixels, reading.claims[first:end], done=end)
                self._take(reading, self._lanes, progress)
            if reading is not None:
                yield self._judge(reading, progress)
        finally:
            for batch in reading.waiting if reading is not None else ():
                batch.found.cancel()

    def _submit(
        self,
        reading: _Reading,
        pixels: NDArray[np.uint8],
        claims: Sequence[Sequence[int]],
        *,
        done: int,
        reflected: bool = False,
    ) -> None:
        found = self._recognisers.submit(self._recognise, reading.face, pixels, claims)
        reading.waiting.append(_Batch(pixels, claims, reflected, done, found))

    def _take(self, reading: _Reading, most: int, progress: Progress) -> None:
        """Wait until no more than so many batches are being recognised."""
        start = time.perf_counter()
        while len(reading.waiting) > most:
            batch = reading.waiting.popleft()
            found = batch.found.result()
            if batch.reflected:
                for number, evidence in found.items():
                    reading.evidence[number] = replace(reading.evidence[number], reflected=evidence.doubt)
                continue
            reading.evidence |= found
            progress(batch.done, reading.face.rasters)
            for raster, claims in zip(batch.pixels, batch.claims, strict=True):
                doubtful = [n for n in claims if found[n].doubt >= self._thresholds.suspicious]
                if doubtful:
                    reading.doubtful.append((np.ascontiguousarray(raster[:, ::-1]), doubtful))
            while len(reading.doubtful) >= _REFLECTIONS:
                self._reflect(reading)
        self.seconds["recognise"] += time.perf_counter() - start

    def _reflect(self, reading: _Reading) -> None:
        """Ask about reflections: a mirrored glyph looks like its claim then."""
        some, reading.doubtful = reading.doubtful[:_REFLECTIONS], reading.doubtful[_REFLECTIONS:]
        pixels = np.stack([raster for raster, _ in some])
        self._submit(reading, pixels, [claims for _, claims in some], done=0, reflected=True)

    def _claims(self, face: DrawnFace) -> list[list[int]]:
        """By raster, the places of the claims that the model can judge."""
        claims: list[list[int]] = [[] for _ in range(face.rasters)]
        for number, claim in enumerate(face.claims):
            raster = face.drawings[claim.drawing].raster
            if raster is not None and claim.label in self._mapper.places:
                claims[raster].append(number)
        return claims

    def _recognise(
        self, face: DrawnFace, pixels: NDArray[np.uint8], claims: Sequence[Sequence[int]]
    ) -> dict[int, Evidence]:
        """Evidence by the place of the claim; claims: of each raster."""
        metrics = [
            face.drawings[face.claims[its[0]].drawing].metrics if its else _UNCLAIMED for its in claims
        ]
        numbers = [number for its in claims for number in its]
        rows = np.repeat(np.arange(len(claims)), list(map(len, claims)))
        labels = [face.claims[number].label for number in numbers]
        found = self._mapper.look(pixels, np.array(metrics, np.float32), rows, labels)
        return dict(zip(numbers, found, strict=True))

    def _judge(self, reading: _Reading, progress: Progress) -> FaceScore:
        self._take(reading, 0, progress)
        if reading.doubtful:
            self._reflect(reading)
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
