"""A job: what was posted, how far it has come, and what has become of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from scoring.verdicts import Status, worst


class State(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


UNFINISHED = (State.QUEUED, State.RUNNING)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that came with the fonts and is not scored."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Pinned:
    """The bundle a job is put to: which it is, and where it was."""

    name: str
    version: str
    digest: str
    path: str


@dataclass(frozen=True, slots=True)
class PostedFont:
    """A font of a job; `number` is its place, from 1."""

    number: int
    name: str
    bytes: int


@dataclass(frozen=True, slots=True)
class FontDone:
    """What is known of a font that has been scored.

    counts: glyphs by status; lines: of its results
    """

    number: int
    name: str
    status: Status
    counts: Mapping[str, int]
    lines: int


@dataclass(frozen=True, slots=True)
class Current:
    """The font at work, and how many of its glyphs have been asked about."""

    font: str
    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as the store has it.

    number: its place among all jobs; id: what clients call it
    owner: name of the key that posted it; empty where no keys are in use
    created, started, finished: seconds since 1970
    reason: why it failed, or why it does not get on
    names: of the first fonts; total, done: fonts; lines: of results
    glyphs: by status, of fonts that are done; fonts: those by status
    skipped: the first of `skipped_total` files that are not scored
    revision: goes up with every change
    """

    number: int
    id: str
    owner: str
    state: State
    model: Pinned
    created: float
    started: float | None
    finished: float | None
    reason: str
    names: Sequence[str]
    total: int
    done: int
    lines: int
    glyphs: Mapping[str, int]
    fonts: Mapping[str, int]
    skipped: Sequence[Skipped]
    skipped_total: int
    revision: int
    current: Current | None

    @property
    def is_finished(self) -> bool:
        return self.state not in UNFINISHED

    def document(self) -> dict[str, Any]:
        """As clients see it; `service.schemas.JobFields`."""
        path = f"/jobs/{self.id}"
        return {
            "id": self.id,
            "status": str(self.state),
            "created": stamp(self.created),
            "started": stamp(self.started),
            "finished": stamp(self.finished),
            "reason": self.reason or None,
            "model": {"name": self.model.name, "version": self.model.version, "digest": self.model.digest},
            "fonts": {
                "names": list(self.names),
                "total": self.total,
                "done": self.done,
                "counts": by_status(self.fonts),
            },
            "current": self.current
            and {"font": self.current.font, "done": self.current.done, "total": self.current.total},
            "glyphs_done": sum(self.glyphs.values()),
            "counts": by_status(self.glyphs),
            "worst": str(worst(map(Status, self.fonts))) if self.fonts else None,
            "lines": self.lines,
            "skipped": [{"name": skipped.name, "reason": skipped.reason} for skipped in self.skipped],
            "skipped_total": self.skipped_total,
            "links": {
                "self": path,
                "events": f"{path}/events",
                "results": f"{path}/results",
                "report": f"{path}/report",
            },
        }


def by_status(counts: Mapping[str, int]) -> dict[str, int]:
    """Counts of every status, those of which there is none among them."""
    return {str(status): counts.get(status, 0) for status in Status}


def stamp(seconds: float | None) -> str | None:
    """RFC 3339, in UTC."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
