"""A font file's bytes become its score: read and drawn in the sandbox, recognised here, judged.

The rasters come in chunks and are recognised in the same batches whoever asks, so that a score is
the same, bit for bit, whatever machine, engine or job it was made in.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
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
from scoring.sandbox import DrawnFace, Limits, Rasters, Sandbox
from scoring.verdicts import FaceScore, Finding, FontScore, Status

Progress = Callable[[int, int], None]  # glyphs of a face that are recognised, and how many there will be


class Scorer:
    """Scores fonts, one after the other; owns the process that parses them. Close it when done.

    Attributes:
        seconds: what the stages took so far: read (parsing, drawing and waiting for them), recognise, judge
    """

    def __init__(
        self,
        recogniser: Recogniser,
        *,
        limits: Limits = Limits(),
        thresholds: Thresholds = Thresholds(),
        keep: Path | None = None,
    ) -> None:
        """keep: a folder where scores are kept, and taken from when the same is asked again"""
        bundle = self._bundle = recogniser.bundle
        self._thresholds = thresholds
        self._mapper = Mapper(recogniser, thresholds.suspicious)
        self._sandbox = Sandbox(bundle.labels, bundle.manifest.raster, limits)
        self._sandbox.start()
        self._kept = KeptScores(keep, bundle.digest, thresholds, limits) if keep else None
        self.seconds: dict[str, float] = defaultdict(float)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
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
            faces = tuple(self._faces(data, progress))
        except BadFont as error:
            return FontScore(font=font, sha256=digest, findings=(unreadable(error),))
        return FontScore(font=font, sha256=digest, faces=faces)

    def _faces(self, data: bytes, progress: Progress) -> Iterator[FaceScore]:
        face: DrawnFace | None = None
        asked: list[list[int]] = []
        evidence: dict[int, Evidence] = {}
        for message in self._timed("read", self._sandbox.read(data)):
            if isinstance(message, Rasters):
                assert face is not None
                evidence |= self._recognise(face, asked, message)
                progress(message.first + len(message.pixels), face.rasters)
                continue
            if face is not None:
                yield self._judge(face, evidence)
            face, asked, evidence = message, self._asked(message), {}
        if face is not None:
            yield self._judge(face, evidence)

    def _asked(self, face: DrawnFace) -> list[list[int]]:
        """By raster, the places of the claims that the model can judge."""
        asked: list[list[int]] = [[] for _ in range(face.rasters)]
        for number, claim in enumerate(face.claims):
            raster = face.drawings[claim.drawing].raster
            if raster is not None and claim.label in self._mapper.places:
                asked[raster].append(number)
        return asked

    def _recognise(self, face: DrawnFace, asked: list[list[int]], rasters: Rasters) -> dict[int, Evidence]:
        start = time.perf_counter()
        metrics = np.full((len(rasters.pixels), 4), np.nan, np.float32)
        numbers, rows = [], []
        for row in range(len(rasters.pixels)):
            claims = asked[rasters.first + row]
            if claims:
                metrics[row] = face.drawings[face.claims[claims[0]].drawing].metrics
            numbers += claims
            rows += [row] * len(claims)
        labels = [face.claims[number].label for number in numbers]
        found = self._mapper.look(rasters.pixels, metrics, np.array(rows, np.intp), labels)
        self.seconds["recognise"] += time.perf_counter() - start
        return dict(zip(numbers, found, strict=True))

    def _judge(self, face: DrawnFace, evidence: dict[int, Evidence]) -> FaceScore:
        start = time.perf_counter()
        score = judge(face, evidence, self._bundle, self._mapper.places, self._thresholds)
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
