"""What the engine tells of its work to whoever keeps count of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class Course:
    """How a batch went through an executor; the times are on `time.monotonic`'s clock.

    waits: seconds that each piece of its work had waited
    taken: when the executor took it up
    decoded: when the network's inputs were ready
    inferred: when the network had answered
    finished: when everything had been told
    glyphs: how many the network was asked about
    unsure: of how many the fast model of a cascade was not sure
    dropped: glyphs that it was not asked about any more, because nobody waited for them
    in_vain: glyphs that it was asked about, whereupon nobody waited for the answer any more
    """

    model: str
    waits: list[float]
    taken: float
    decoded: float = 0.0
    inferred: float = 0.0
    finished: float = 0.0
    glyphs: int = 0
    unsure: int = 0
    dropped: int = 0
    in_vain: int = 0


class Observer:
    """Told what happens, in whichever thread it happens; this one makes nothing of it."""

    def batch_done(self, course: Course) -> None:
        """An executor is through with a batch."""

    def dropped(self, glyphs: int) -> None:
        """Glyphs left the waiting room because nobody waited for them any more."""

    def executor_replaced(self) -> None:
        """An executor died, and another has taken its place."""
