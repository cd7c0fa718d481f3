"""The process that scores: `python -m service.jobs.runner`, started by `service.jobs.keeper`.

It takes one job after the other, at a low priority, so that who waits for a glyph hardly notices. A
font is what it does at once: a score is on the disk before the job counts it, whereby whoever kills this
process, at whatever moment, costs the font it was at. It ends when there has been nothing to do for a while,
and with the service, whose end it notices by its standard input.
"""

from __future__ import annotations

import json
import logging
import logging.config
import os
import select
import signal
import sqlite3
import sys
import threading
import time
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from glyphs.errors import BadBundle, BadFont, GlypheryError
from glyphs.folders import is_full
from recognition.bundle import Bundle
from recognition.recogniser import Recogniser
from scoring.reports.lines import records
from scoring.sandbox import Limits, Sandbox
from scoring.score import Scorer, unreadable
from scoring.verdicts import FontScore
from service import logs
from service.jobs.files import JobFiles, holding, runner_lock, write
from service.jobs.record import Current, FontDone, Job, Pinned, PostedFont, State
from service.jobs.reports import write_reports
from service.jobs.store import Store
from service.settings import Settings

_LOOK = 0.5  # seconds between two looks at what is wanted
_IDLE = 30.0  # seconds without work after which the model's memory is better given back
_FULL = 10.0  # seconds until a full disk is tried again
_GRACE = 3.0  # seconds to end in once the service has
_MOST_CRASHES = 3  # of the runner at one font, which is then passed over
_TRIES = 10  # to get the lock, which a keeper that looks whether it is free holds for a moment
log = logging.getLogger("service.jobs.runner")  # which is __main__ here


class _Stopped(BaseException):
    """Somebody wants this process to end."""


class _Withdrawn(BaseException):
    """The job at hand has been cancelled or removed."""


class Runner:
    """Works through the jobs of a folder."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings, self._store = settings, store
        self._at: Job | None = None
        self._withdrawn: Job | None = None
        self._recogniser: Recogniser | None = None  # of the bundle that was asked for last

    def run(self) -> None:
        """Until there has been no work for a while, or a signal says so."""
        idle_since = time.monotonic()
        with suppress(_Stopped):
            while time.monotonic() < idle_since + _IDLE:
                try:
                    job = self._store.next()
                    if job is not None:
                        self._work(job)
                        idle_since = time.monotonic()
                        continue
                except (OSError, sqlite3.OperationalError) as error:
                    if not is_full(error):
                        raise
                    log.error("jobs wait, for the disk is full")
                    time.sleep(_FULL)
                    idle_since = time.monotonic()
                time.sleep(_LOOK)

    def watch(self) -> None:
        """Look out for the end of the service and of the job at hand, in a thread of its own."""
        while True:
            if select.select([sys.stdin], [], [], _LOOK)[0]:
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(_GRACE)
                os._exit(1)
            job = self._at
            with suppress(sqlite3.Error):
                if job is not None and not self._store.is_running(job):
                    self._withdrawn = job
                    os.kill(os.getpid(), signal.SIGUSR1)

    def stop(self, *_: object) -> None:
        """For SIGTERM: end at once, whatever is at hand."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise _Stopped

    def withdraw(self, *_: object) -> None:
        """For SIGUSR1: leave the job at hand, if it still is the one that was withdrawn."""
        if self._at is not None and self._at is self._withdrawn:
            raise _Withdrawn

    def _work(self, job: Job) -> None:
        files = JobFiles(self._store.folder, job.id)
        try:
            self._at = job
            self._score(job, files)
        except _Withdrawn:
            log.info("job %s was withdrawn", job.id)
        except Exception as error:
            if not self._store.is_running(job):  # and its files went with it
                return
            if is_full(error):
                with suppress(sqlite3.OperationalError):
                    self._store.wait(job, "It waits, for the disk is full.")
                raise
            if not isinstance(error, GlypheryError):
                log.exception("job %s failed", job.id)
            reason = str(error) if isinstance(error, GlypheryError) else "It failed; the log says why."
            files.remove_fonts()
            self._store.finish(job, State.FAILED, reason, files.bytes())
        finally:
            self._at = None

    def _score(self, job: Job, files: JobFiles) -> None:
        recogniser = self._recogniser_of(job.model)
        left = self._store.fonts_left(job)
        if left:
            limits = Limits(max_bytes=self._settings.max_font_bytes)
            with Scorer(recogniser, Sandbox(limits)) as scorer:
                for font, crashes in left:
                    self._do(scorer, job, files, font, crashes)
        write_reports(job, files, recogniser.bundle)
        files.remove_fonts()
        self._store.finish(job, State.DONE, bytes=files.bytes())

    def _do(self, scorer: Scorer, job: Job, files: JobFiles, font: PostedFont, crashes: int) -> None:
        told = 0.0

        def progress(done: int, total: int) -> None:
            nonlocal told
            if time.monotonic() >= told + _LOOK:
                told = time.monotonic()
                self._store.progress(job, Current(font.name, done, total))

        data = files.font(font.number).read_bytes()
        if crashes < _MOST_CRASHES:
            score = scorer.score(font.name, data, progress)
        else:
            finding = unreadable(BadFont("Scoring it brought the process down, again and again."))
            score = FontScore(font=font.name, sha256=sha256(data).hexdigest(), findings=(finding,))
        # In ASCII: some readers of lines take U+2028, which is a character like others here, for an end.
        lines = [json.dumps(values, separators=(",", ":")) + "\n" for values in records(score)]
        write(files.lines(font.number), "".join(lines))
        write(files.score(font.number), score.to_json())
        counts = {str(status): count for status, count in score.counts().items()}
        done = FontDone(font.number, font.name, score.status, counts, len(lines))
        if not self._store.font_done(job, done):
            raise _Withdrawn

    def _recogniser_of(self, model: Pinned) -> Recogniser:
        """Raises BadBundle where the bundle is not the one it was, or not there any more."""
        if self._recogniser is None or self._recogniser.bundle.digest != model.digest:
            self._recogniser = None  # never two of them in memory
            bundle = Bundle.load(Path(model.path))
            if bundle.digest != model.digest:
                raise BadBundle(
                    f"The bundle that the job was put to, {model.digest}, is no longer there:"
                    f" {model.path} has {bundle.digest} now.",
                    "Post the job again.",
                )
            threads, device = self._settings.job_threads, self._settings.device
            self._recogniser = Recogniser(bundle, threads=threads, device=device)
        return self._recogniser


def main() -> None:
    """What the settings say comes in a line, from the service."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is for the service, which ends this
    settings = Settings(**json.loads(sys.stdin.readline()))
    assert settings.jobs is not None
    logging.config.dictConfig(logs.configuration(settings.log_format, settings.log_level))
    os.nice(settings.job_nice)
    for _ in range(_TRIES):
        with holding(runner_lock(settings.jobs)) as mine:
            if mine:
                _run(Runner(settings, Store(settings.jobs)))
                return
        time.sleep(_LOOK / _TRIES)


def _run(runner: Runner) -> None:
    signal.signal(signal.SIGTERM, runner.stop)
    signal.signal(signal.SIGUSR1, runner.withdraw)
    threading.Thread(target=runner.watch, daemon=True).start()
    runner.run()


if __name__ == "__main__":
    main()
