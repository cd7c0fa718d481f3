"""What jobs there are, in SQLite: written by the processes of the service and by the runner, read by all.

Every method is one transaction on a connection of its own, so that any thread and process may call it, and
that whoever is killed leaves nothing half done. All raise sqlite3.OperationalError where the disk is full.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from scoring.verdicts import Status
from service.errors import QueueFull
from service.jobs.record import UNFINISHED, Current, FontDone, Job, Pinned, PostedFont, Skipped, State

_VERSION = 1
_PATIENCE = 10.0  # seconds for which another's transaction is waited for
_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
  number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, owner TEXT NOT NULL,
  state TEXT NOT NULL, model TEXT NOT NULL, created REAL NOT NULL, started REAL, finished REAL,
  reason TEXT NOT NULL DEFAULT '', total INTEGER NOT NULL, done INTEGER NOT NULL DEFAULT 0,
  lines INTEGER NOT NULL DEFAULT 0, glyphs TEXT NOT NULL DEFAULT '{}', fonts TEXT NOT NULL DEFAULT '{}',
  skipped TEXT NOT NULL, skipped_total INTEGER NOT NULL, bytes INTEGER NOT NULL,
  revision INTEGER NOT NULL DEFAULT 0, current TEXT
);
CREATE INDEX IF NOT EXISTS by_state ON jobs (state, number);
CREATE TABLE IF NOT EXISTS fonts (
  job INTEGER NOT NULL REFERENCES jobs (number) ON DELETE CASCADE, number INTEGER NOT NULL,
  name TEXT NOT NULL, bytes INTEGER NOT NULL, status TEXT, counts TEXT, lines INTEGER,
  crashes INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (job, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS totals (
  kind TEXT NOT NULL, status TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (kind, status)
) WITHOUT ROWID;
"""
_UNFINISHED = f"state IN ({', '.join(repr(str(state)) for state in UNFINISHED)})"
_MOST_SKIPPED = 100  # files that a job tells of
_MOST_NAMED = 3  # fonts
_SELECT = f"""
SELECT *, (SELECT json_group_array(name) FROM (SELECT name FROM fonts WHERE job = jobs.number
                                               ORDER BY number LIMIT {_MOST_NAMED})) AS names FROM jobs
"""


class Store:
    """The database in a folder of jobs."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError or sqlite3.Error where the folder cannot be made, or written to."""
        self.folder = folder
        self._file = folder / "jobs.db"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._connection() as database:
            database.execute("PRAGMA journal_mode = WAL")
            [version] = database.execute("PRAGMA user_version").fetchone()
            if version not in (0, _VERSION):
                raise sqlite3.DatabaseError(f"it is of version {version}, not {_VERSION}")
            database.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT")
        # While one connection is open, the files beside the database stay: it can be read on a full disk.
        self._anchor = sqlite3.connect(self._file, check_same_thread=False)
        self._anchor.execute("SELECT count(*) FROM jobs").fetchone()

    def close(self) -> None:
        """Let go of the files."""
        self._anchor.close()

    # What clients ask for.

    def add(
        self, id: str, owner: str, model: Pinned, fonts: Sequence[PostedFont], skipped: Sequence[Skipped],
        most: int,
    ) -> Job:  # fmt: skip
        """A new job. Raises QueueFull where `most` are waiting or running."""
        with self._writing() as database:
            self._check_queue(database, most)
            row = database.execute(
                "INSERT INTO jobs (id, owner, state, model, created, total, skipped, skipped_total, bytes)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (id, owner, State.QUEUED, json.dumps(asdict(model)), time.time(), len(fonts),
                 json.dumps([asdict(each) for each in skipped[:_MOST_SKIPPED]]), len(skipped),
                 sum(font.bytes for font in fonts)),
            )  # fmt: skip
            database.executemany(
                "INSERT INTO fonts (job, number, name, bytes) VALUES (?, ?, ?, ?)",
                [(row.lastrowid, font.number, font.name, font.bytes) for font in fonts],
            )
            return _job(database.execute(f"{_SELECT} WHERE id = ?", (id,)).fetchone())

    def check_queue(self, most: int) -> None:
        """Raises QueueFull where as many are waiting or running."""
        with self._connection() as database:
            self._check_queue(database, most)

    def find(self, id: str) -> Job | None:
        with self._connection() as database:
            row = database.execute(f"{_SELECT} WHERE id = ?", (id,)).fetchone()
        return _job(row) if row else None

    def newest(self, owner: str, limit: int, before: int | None) -> list[Job]:
        """The newest first.

        owner: whose; empty for everybody's
        before: number of a job, of which only older ones are wanted
        """
        with self._connection() as database:
            rows = database.execute(
                f"{_SELECT} WHERE (? = '' OR owner = ?) AND number < ? ORDER BY number DESC LIMIT ?",
                (owner, owner, 2**62 if before is None else before, limit),
            ).fetchall()
        return list(map(_job, rows))

    def fonts_done(self, job: Job, after: int) -> list[FontDone]:
        """What has been scored of a job behind font number `after`, in order."""
        with self._connection() as database:
            rows = database.execute(
                "SELECT number, name, status, counts, lines FROM fonts WHERE job = ? AND number > ?"
                " AND status IS NOT NULL ORDER BY number",
                (job.number, after),
            ).fetchall()
        return [FontDone(row[0], row[1], Status(row[2]), json.loads(row[3]), row[4]) for row in rows]

    def remove(self, job: Job) -> None:
        self._begin_log_anew()
        with self._writing() as database:
            database.execute("DELETE FROM jobs WHERE number = ?", (job.number,))

    # What the runner does.

    def has_work(self) -> bool:
        """Whether a job waits, or was left behind."""
        with self._connection() as database:
            found = database.execute(f"SELECT 1 FROM jobs WHERE {_UNFINISHED} LIMIT 1").fetchone()
        return found is not None

    def next(self) -> Job | None:
        """The oldest job that waits or was left behind, which runs from now on."""
        with self._writing() as database:
            row = database.execute(
                f"SELECT number FROM jobs WHERE {_UNFINISHED} ORDER BY state != 'running', number LIMIT 1"
            ).fetchone()
            if row is None:
                return None
            database.execute(
                "UPDATE jobs SET state = ?, started = coalesce(started, ?), revision = revision + 1"
                " WHERE number = ?",
                (State.RUNNING, time.time(), row[0]),
            )
            return _job(database.execute(f"{_SELECT} WHERE number = ?", row).fetchone())

    def is_running(self, job: Job) -> bool:
        """Whether it has been neither cancelled nor removed."""
        with self._connection() as database:
            row = database.execute("SELECT state FROM jobs WHERE number = ?", (job.number,)).fetchone()
        return row is not None and row[0] == State.RUNNING

    def fonts_left(self, job: Job) -> list[tuple[PostedFont, int]]:
        """The fonts not scored yet, and how often each brought a runner down."""
        with self._connection() as database:
            rows = database.execute(
                "SELECT number, name, bytes, crashes FROM fonts WHERE job = ? AND status IS NULL"
                " ORDER BY number",
                (job.number,),
            ).fetchall()
        return [(PostedFont(*font), crashes) for *font, crashes in rows]

    def progress(self, job: Job, current: Current | None, reason: str = "") -> bool:
        """How far the font at work is, or what is in its way. False where the job does not run any more."""
        with self._writing() as database:
            changed = database.execute(
                "UPDATE jobs SET current = ?, reason = ?, revision = revision + 1"
                " WHERE number = ? AND state = ?",
                (current and json.dumps(asdict(current)), reason, job.number, State.RUNNING),
            )
            return changed.rowcount > 0

    def wait(self, job: Job, reason: str) -> None:
        """Say what a job waits for."""
        self._begin_log_anew()
        self.progress(job, None, reason)

    def font_done(self, job: Job, font: FontDone) -> bool:
        """A font has been scored, and its files are there. False where the job does not run any more."""
        with self._writing() as database:
            row = database.execute(
                "SELECT glyphs, fonts FROM jobs WHERE number = ? AND state = ?", (job.number, State.RUNNING)
            ).fetchone()
            if row is None:
                return False
            glyphs, fonts = (json.loads(text) for text in row)
            database.execute(
                "UPDATE fonts SET status = ?, counts = ?, lines = ? WHERE job = ? AND number = ?",
                (font.status, json.dumps(dict(font.counts)), font.lines, job.number, font.number),
            )
            database.execute(
                "UPDATE jobs SET done = done + 1, lines = lines + ?, glyphs = ?, fonts = ?, reason = '',"
                " current = NULL, revision = revision + 1 WHERE number = ?",
                (font.lines, json.dumps(_sum(glyphs, font.counts)),
                 json.dumps(_sum(fonts, {font.status: 1})), job.number),
            )  # fmt: skip
            _count(database, "fonts", {font.status: 1})
            _count(database, "glyphs", font.counts)
            return True

    def finish(self, job: Job, state: State, reason: str = "", bytes: int | None = None) -> bool:
        """A job has come to its end, whichever. False where it had done so before.

        bytes: what is kept of it
        """
        self._begin_log_anew()
        with self._writing() as database:
            changed = database.execute(
                "UPDATE jobs SET state = ?, finished = ?, reason = ?, current = NULL,"
                f" bytes = coalesce(?, bytes), revision = revision + 1 WHERE number = ? AND {_UNFINISHED}",
                (state, time.time(), reason, bytes, job.number),
            )
            if changed.rowcount:
                _count(database, "jobs", {state: 1})
            return changed.rowcount > 0

    def blame(self) -> None:
        """A runner died at work by itself: it may be the fault of the font it was at."""
        with self._writing() as database:
            database.execute(
                "UPDATE fonts SET crashes = crashes + 1 WHERE (job, number) = (SELECT job, fonts.number"
                " FROM fonts JOIN jobs ON jobs.number = job WHERE state = 'running' AND status IS NULL"
                " ORDER BY job, fonts.number LIMIT 1)"
            )

    # What the operator wants to know, and what is in the way.

    def finished(self) -> list[tuple[Job, int]]:
        """Jobs that have come to their end, and the bytes that are kept of each; the newest first."""
        with self._connection() as database:
            rows = database.execute(
                f"{_SELECT} WHERE NOT {_UNFINISHED} ORDER BY finished DESC, number DESC"
            ).fetchall()
        return [(_job(row), row["bytes"]) for row in rows]

    def bytes_of_unfinished(self) -> int:
        with self._connection() as database:
            row = database.execute(f"SELECT coalesce(sum(bytes), 0) FROM jobs WHERE {_UNFINISHED}")
            found: int = row.fetchone()[0]
            return found

    def states(self) -> dict[str, int]:
        """How many jobs there are at this moment, by state."""
        with self._connection() as database:
            found = dict(database.execute("SELECT state, count(*) FROM jobs GROUP BY state").fetchall())
        return {str(state): found.get(state, 0) for state in State}

    def totals(self) -> dict[tuple[str, str], int]:
        """`jobs` that ended, `fonts` and `glyphs` that were scored since the folder was made, by status."""
        with self._connection() as database:
            rows = database.execute("SELECT kind, status, count FROM totals").fetchall()
        return {(kind, status): count for kind, status, count in rows}

    @staticmethod
    def _check_queue(database: sqlite3.Connection, most: int) -> None:
        [waiting] = database.execute(f"SELECT count(*) FROM jobs WHERE {_UNFINISHED}").fetchone()
        if waiting >= most:
            raise QueueFull(most)

    def _begin_log_anew(self) -> None:
        """Have the log written over from its beginning. That a job ends, or waits, is to be written down on a
        full disk, too: as a rule there is place for it where something else was written before.
        """
        with self._connection() as database:
            database.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()

    @contextmanager
    def _connection(self) -> Generator[sqlite3.Connection, None, None]:
        database = sqlite3.connect(self._file, timeout=_PATIENCE, isolation_level=None)
        try:
            database.row_factory = sqlite3.Row
            database.execute("PRAGMA foreign_keys = ON")
            yield database
        finally:
            database.close()

    @contextmanager
    def _writing(self) -> Generator[sqlite3.Connection, None, None]:
        with self._connection() as database:
            database.execute("BEGIN IMMEDIATE")
            with database:  # commits, or takes all of it back
                yield database


def _job(row: Mapping[str, Any]) -> Job:
    current = row["current"]
    return Job(
        number=row["number"], id=row["id"], owner=row["owner"], state=State(row["state"]),
        model=Pinned(**json.loads(row["model"])), created=row["created"], started=row["started"],
        finished=row["finished"], reason=row["reason"], names=json.loads(row["names"]),
        total=row["total"], done=row["done"],
        lines=row["lines"], glyphs=json.loads(row["glyphs"]), fonts=json.loads(row["fonts"]),
        skipped=[Skipped(**each) for each in json.loads(row["skipped"])],
        skipped_total=row["skipped_total"], revision=row["revision"],
        current=Current(**json.loads(current)) if current else None,
    )  # fmt: skip


def _sum(some: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    return {key: some.get(key, 0) + more.get(key, 0) for key in {**some, **more}}


def _count(database: sqlite3.Connection, kind: str, counts: Mapping[str, int]) -> None:
    rows: Iterable[tuple[str, str, int]] = ((kind, str(status), count) for status, count in counts.items())
    database.executemany(
        "INSERT INTO totals VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count",
        [row for row in rows if row[2]],
    )
