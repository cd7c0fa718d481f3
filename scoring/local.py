"""Scoring many fonts on one machine, in as many processes as asked for; results come in order.

What one process holds is one font at a time, and what waits to be read is a few scores: memory does
not grow with the number of fonts.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from glyphs.errors import BadFont, BadInput
from glyphs.processes import Crew, Task
from recognition.bundle import Bundle
from recognition.recogniser import Recogniser
from scoring import places
from scoring.judge import Thresholds
from scoring.places import Place
from scoring.sandbox import Limits, Sandbox
from scoring.score import Progress, Scorer, unreadable
from scoring.verdicts import FontScore

_ALONE = 2  # processes that a font gets alone, one after the other, once it may have brought one down
DEADLY = "Whatever scores it dies."
_AHEAD = 2  # fonts that are being scored or are done, for each process


@dataclass(frozen=True, slots=True)
class Setup:
    """What a scorer needs to know; small enough to send to any process on any machine.

    keep: a folder where scores are kept, and taken from when the same is asked again; None for none
    """

    bundle: Path
    limits: Limits = Limits()
    thresholds: Thresholds = Thresholds()
    keep: Path | None = None

    def scorer(self, lanes: int = 1) -> Scorer:
        """lanes: see `Scorer`

        Raises:
            BadBundle: the bundle cannot be used.
        """
        sandbox = Sandbox(self.limits)
        sandbox.start()  # which takes as long as the model
        try:
            recogniser = Recogniser(Bundle.load(self.bundle))
            return Scorer(recogniser, sandbox, thresholds=self.thresholds, keep=self.keep, lanes=lanes)
        except BaseException:
            sandbox.close()
            raise


def score_file(scorer: Scorer, of: Place, progress: Progress = lambda done, total: None) -> FontScore:
    """The score of a file, named by where it lies; one that cannot be opened gets an ERROR finding, too."""
    name = places.name(of)
    try:
        data = places.read(of)
    except BadFont as error:
        return FontScore(font=name, sha256="", findings=(unreadable(error),))
    return scorer.score(name, data, progress)


def score_all(fonts: Sequence[Place], setup: Setup, processes: int) -> Iterator[FontScore]:
    """The scores of fonts, in their order.

    processes: each with a model of its own; with one, the model is asked on all cores

    A font whose process dies is scored again, alone, and gets an ERROR verdict in the end.

    Raises:
        BadBundle: the bundle cannot be used.
        BadInput: processes die before they score.
    """
    if processes == 1:
        with setup.scorer(lanes=0) as scorer:
            for font in fonts:
                yield score_file(scorer, font)
        return
    Bundle.load(setup.bundle)  # a broken one is an error here, not of a process that died
    waiting: deque[tuple[Place, Task[FontScore]]] = deque()
    with ExitStack() as crews:
        crew = crews.enter_context(Crew(processes, _begin, setup))
        for font in fonts:
            try:
                waiting.append((font, crew.submit(_score, font)))
            except BrokenProcessPool:
                crew = crews.enter_context(Crew(processes, _begin, setup))
                waiting.append((font, crew.submit(_score, font)))
            if len(waiting) >= _AHEAD * processes:
                yield _result(*waiting.popleft(), setup)
        while waiting:
            yield _result(*waiting.popleft(), setup)


def _result(font: Place, future: Task[FontScore], setup: Setup) -> FontScore:
    """What a crew was asked for; if one of its processes died, it is asked anew, of a process alone."""
    with suppress(BrokenProcessPool):
        return future.result()
    for _ in range(_ALONE):
        with suppress(BrokenProcessPool), Crew(1, _begin, setup) as crew:
            _check_starts(crew)
            return crew.submit(_score, font).result()
    return FontScore(font=places.name(font), sha256="", findings=(unreadable(BadFont(DEADLY)),))


def _check_starts(crew: Crew) -> None:
    try:
        crew.submit(os.getpid).result()
    except BrokenProcessPool:
        raise BadInput(
            "The processes that score die as they start.",
            "Use fewer --jobs; with --keep the same command goes on.",
        ) from None


_scorer: Scorer | None = None  # of a process of a crew


def _begin(setup: Setup) -> None:
    global _scorer
    _scorer = setup.scorer()


def _score(font: Place) -> FontScore:
    assert _scorer is not None
    return score_file(_scorer, font)
