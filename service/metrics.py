"""What the service measures of itself, for Prometheus.

Each application has a registry of its own. Where several processes share a port, prometheus_client
keeps their numbers in files (PROMETHEUS_MULTIPROC_DIR, which `service.run` sets) and whichever process
is scraped adds them up. Gauges are read when somebody scrapes; of other processes they
are then as old as the last `keep_fresh`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
from collections.abc import Iterator
from threading import Lock
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from service.engine import Engine
from service.jobs.store import Store
from service.logs import Trouble
from service.observer import Course, Observer
from service.one_by_one import OneByOne

# Most answers take a few milliseconds, those of batches and jobs up to minutes.
_REQUEST_SECONDS: Final = (
    0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60,
)  # fmt: skip
_STAGE_SECONDS: Final = (
    0.00025, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1, 5,
)  # fmt: skip
_GLYPHS: Final = (1, 2, 4, 8, 12, 16, 24, 32, 64, 128, 256)
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# What alerts and the autoscaler ask about: Prometheus sees no increase in a series that begins with 1.
_WATCHED: Final = ("internal-error", "overloaded", "storage-full", "too-late")
_FRESH: Final = 1.0  # seconds between two looks at the engine where other processes are scraped

log = logging.getLogger(__name__)

disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics(Observer):
    """The numbers of one application."""

    def __init__(self) -> None:
        self.several_processes = "PROMETHEUS_MULTIPROC_DIR" in os.environ
        self.in_flight = 0
        self._lock = Lock()  # one scrape at a time
        registry = CollectorRegistry()
        self._requests = Counter(
            "glyphery_requests", "Requests answered.", ["endpoint", "method", "status"], registry=registry
        )
        self._request_seconds = Histogram(
            "glyphery_request_seconds", "From a request's headers to its answer's last byte.", ["endpoint"],
            buckets=_REQUEST_SECONDS, registry=registry,
        )  # fmt: skip
        self._problems = Counter(
            "glyphery_problems", "Requests answered with a problem document.", ["type"], registry=registry
        )
        self._stage_seconds = Histogram(
            "glyphery_stage_seconds",
            "Wait of a piece of work in the queue; time of a batch in decoding, inference and finishing.",
            ["stage"], buckets=_STAGE_SECONDS, registry=registry,
        )  # fmt: skip
        self._batch_glyphs = Histogram(
            "glyphery_batch_glyphs", "Glyphs the network was asked about at once.",
            buckets=_GLYPHS, registry=registry,
        )  # fmt: skip
        self._recognised = Counter(
            "glyphery_glyphs_recognised", "Glyphs the network was asked about.", ["model"], registry=registry
        )
        self._unsure = Counter(
            "glyphery_glyphs_unsure", "Glyphs of which the fast model of a cascade was not sure.", ["model"],
            registry=registry,
        )  # fmt: skip
        departed = Counter(
            "glyphery_glyphs_departed",
            "Glyphs of clients that left: dropped before inference, or inferred in vain.",
            ["fate"], registry=registry,
        )  # fmt: skip
        self._dropped, self._in_vain = departed.labels("dropped"), departed.labels("in_vain")
        self._replaced = Counter(
            "glyphery_executors_replaced", "Executors that died and were replaced.", registry=registry
        )
        self._requests_in_flight = Gauge(
            "glyphery_requests_in_flight", "Requests not answered yet.",
            multiprocess_mode="livesum", registry=registry,
        )  # fmt: skip
        self._fonts_in_flight = Gauge(
            "glyphery_fonts_in_flight", "Fonts that are being identified, or wait for that.",
            multiprocess_mode="livesum", registry=registry,
        )  # fmt: skip
        self._documents_in_flight = Gauge(
            "glyphery_documents_in_flight", "Documents that are being repaired, or wait for that.",
            multiprocess_mode="livesum", registry=registry,
        )  # fmt: skip
        waiting = Gauge(
            "glyphery_glyphs_waiting", "Glyphs that wait for an executor.", ["priority"],
            multiprocess_mode="livesum", registry=registry,
        )  # fmt: skip
        self._interactive, self._batch = waiting.labels("interactive"), waiting.labels("batch")
        self._overloaded = Gauge(
            "glyphery_overloaded", "1 while fewer requests are let in, because too many waited.",
            multiprocess_mode="livemax", registry=registry,
        )  # fmt: skip
        self._ready = Gauge(
            "glyphery_ready", "1 while /readyz says so, of every process.",
            multiprocess_mode="livemin", registry=registry,
        )  # fmt: skip
        self._executors = Gauge(
            "glyphery_executors", "Executors alive.", multiprocess_mode="livesum", registry=registry
        )
        self._model = Gauge(
            "glyphery_model_info", "1 for each model served, 0 for one replaced.",
            ["name", "version", "digest", "precision", "labels", "provider"],
            multiprocess_mode="livemax", registry=registry,
        )  # fmt: skip
        self._served: set[tuple[str, ...]] = set()
        # Looking a child up by its labels costs more than counting in it.
        self._by_request: dict[tuple[str, str, int], Counter] = {}
        self._by_endpoint: dict[str, Histogram] = {}
        self._by_problem = {problem: self._problems.labels(problem) for problem in _WATCHED}
        self._by_stage = {
            stage: self._stage_seconds.labels(stage) for stage in ("queue", "decode", "infer", "finish")
        }
        if self.several_processes:
            self._scraped = CollectorRegistry()
            MultiProcessCollector(self._scraped)  # type: ignore[no-untyped-call]
        else:
            self._scraped = registry
            ProcessCollector(registry=registry)

    def answered(self, endpoint: str, method: str, status: int, seconds: float, problem: str) -> None:
        """A request has been answered.

        endpoint: the path of its route; a path that a client made up must not become a time series
        problem: the name of the problem it was answered with, or empty
        """
        if method not in _METHODS:
            method = "other"
        key = (endpoint, method, status)
        requests = self._by_request.get(key)
        if requests is None:
            requests = self._by_request[key] = self._requests.labels(endpoint, method, status)
            self._by_endpoint[endpoint] = self._request_seconds.labels(endpoint)
        requests.inc()
        self._by_endpoint[endpoint].observe(seconds)
        if problem:
            if problem not in self._by_problem:
                self._by_problem[problem] = self._problems.labels(problem)
            self._by_problem[problem].inc()

    def batch_done(self, course: Course) -> None:
        for wait in course.waits:
            self._by_stage["queue"].observe(wait)
        if course.glyphs:
            self._by_stage["decode"].observe(course.decoded - course.taken)
            self._by_stage["infer"].observe(course.inferred - course.decoded)
            self._batch_glyphs.observe(course.glyphs)
            self._recognised.labels(course.model).inc(course.glyphs)
        if course.unsure:
            self._unsure.labels(course.model).inc(course.unsure)
        self._by_stage["finish"].observe(course.finished - course.inferred)
        if course.dropped:
            self._dropped.inc(course.dropped)
        if course.in_vain:
            self._in_vain.inc(course.in_vain)

    def dropped(self, glyphs: int) -> None:
        self._dropped.inc(glyphs)

    def executor_replaced(self) -> None:
        self._replaced.inc()

    def include(self, more: Collector) -> None:
        """Numbers that are the same whichever process is asked."""
        self._scraped.register(more)

    def exposition(
        self, engine: Engine, fonts: OneByOne, documents: OneByOne, accept: str
    ) -> tuple[bytes, str]:
        """All numbers in a format that `accept` allows, and the format's content type."""
        try:
            encode, content_type = choose_encoder(accept)
        except (TypeError, ValueError):  # it asks for a version that is none
            encode, content_type = choose_encoder("")
        with self._lock:
            self._read(engine, fonts, documents)
            return encode(self._scraped), content_type

    async def keep_fresh(self, engine: Engine, fonts: OneByOne, documents: OneByOne) -> None:
        """Write the gauges down for whichever process is scraped, as long as nobody cancels it."""
        trouble = Trouble(log, "the gauges could not be written down")
        while True:
            with trouble:
                self._read(engine, fonts, documents)
            await asyncio.sleep(_FRESH)

    def _read(self, engine: Engine, fonts: OneByOne, documents: OneByOne) -> None:
        self._requests_in_flight.set(self.in_flight)
        self._fonts_in_flight.set(fonts.inside)
        self._documents_in_flight.set(documents.inside)
        self._interactive.set(engine.room.waiting)
        self._batch.set(engine.room.waiting_in_batches)
        self._overloaded.set(engine.room.overloaded)
        self._ready.set(engine.ready)
        self._executors.set(engine.alive)
        served: set[tuple[str, ...]] = {
            (
                model.name,
                manifest.version,
                model.digest,
                manifest.precision,
                str(manifest.labels),
                model.recogniser.provider,
            )
            for model in engine.models.all
            for manifest in [model.bundle.manifest]
        }
        for labels in self._served - served:  # not removed: of several processes that cannot be
            self._model.labels(*labels).set(0)
        for labels in served:
            self._model.labels(*labels).set(1)
        self._served = served


class JobNumbers(Collector):
    """The numbers of jobs, read from their store, where they outlast the service."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def collect(self) -> Iterator[Metric]:
        try:
            states, totals = self._store.states(), self._store.totals()
        except sqlite3.Error:  # a disk that fails must not hide the other numbers
            log.warning("the store of jobs cannot be read", exc_info=True)
            return
        jobs = GaugeMetricFamily("glyphery_jobs", "Jobs at this moment.", labels=["status"])
        for state, count in states.items():
            jobs.add_metric([state], count)
        yield jobs
        said = {
            "jobs": CounterMetricFamily("glyphery_jobs_finished", "Jobs that ended.", labels=["status"]),
            "fonts": CounterMetricFamily("glyphery_fonts_scored", "Fonts of jobs scored.", labels=["status"]),
            "glyphs": CounterMetricFamily("glyphery_glyphs_scored", "Glyphs of these.", labels=["status"]),
        }
        for (kind, status), count in totals.items():
            said[kind].add_metric([status], count)
        yield from said.values()
