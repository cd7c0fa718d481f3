"""Four times as much as the service can do, and clients that hang up.

What it answers then (its goodput) is set against what it can answer at most, and how long that takes
against the same at nine tenths of the load it can bear. Of clients that hang up after a tenth of a
second it is counted for how many of them the network computed in vain.
"""

from __future__ import annotations

import math
import re
import statistics

from benchmarks.serving import subjects, wire
from benchmarks.serving.asked import Asked
from benchmarks.serving.servers import NotMeasured, Running, running
from benchmarks.serving.statistics import Figures
from benchmarks.serving.subjects import Questions
from benchmarks.serving.workshop import Workshop

TIMES = 4  # the capacity
NEARLY = 0.9  # of the capacity
PATIENCE = 0.1  # seconds
_CALLERS = 64  # at which the capacity is found
_TRIES = 3
_COUNTER = re.compile(r"^(\w+)(\{[^}]*\})? (\S+)$", re.M)


def overload(asked: Asked, workshop: Workshop) -> Figures:
    """Raises NotMeasured."""
    questions, generator, extent = subjects.classify(asked), workshop.generator, workshop.extent
    server_of = subjects.serving([asked.bundle.address], questions.requests[0])
    with running(server_of, workshop.log("overload")) as server:
        generator.run(questions.load(server, seconds=extent.warm_up, callers=_CALLERS))

        def measure(**how: float) -> Figures:
            return questions.measured(generator, server, **how)

        peaks = [measure(seconds=extent.seconds, callers=_CALLERS)["rate"] for _ in range(_TRIES)]
        peak = statistics.median(peaks)
        found = {
            "peak": peak,
            "nearly": measure(seconds=max(extent.seconds, extent.overload / 4), rate=NEARLY * peak),
            "overload": measure(seconds=extent.overload, rate=TIMES * peak),
        }
        try:
            found["departures"] = _departures(questions, server, workshop, peak)
        except NotMeasured as error:
            found["departures"] = {"skipped": str(error)}
    return found


def _departures(questions: Questions, server: Running, workshop: Workshop, peak: float) -> Figures:
    """Under the same overload; and of so many callers that each waits for longer than its patience."""
    generator, extent = workshop.generator, workshop.extent
    crowd = math.ceil(1.5 * peak * PATIENCE)
    seconds = max(extent.seconds, extent.overload / 4)
    found = {}
    for name, how in (("overload", {"rate": TIMES * peak}), ("crowd", {"callers": crowd})):
        before = counters(server)
        measured = questions.measured(generator, server, seconds=seconds, patience=PATIENCE, **how)
        after = counters(server)
        found[name] = {
            "load": measured,
            "callers": crowd if name == "crowd" else None,
            **{key: after[key] - before[key] for key in after},
        }
    return found


def counters(server: Running) -> dict[str, float]:
    """Glyphs inferred at all, inferred in vain, and dropped before inference, as /metrics counts them.

    Raises:
        NotMeasured: there are no such counters.
    """
    status, body = server.ask(wire.get("/metrics"))
    if status != 200:
        raise NotMeasured(f"GET /metrics answers {status}.")
    found = {"inferred": 0.0, "in_vain": 0.0, "dropped": 0.0}
    lines = [(name, labels or "", float(value)) for name, labels, value in _COUNTER.findall(body.decode())]
    for name, labels, value in lines:
        if name == "glyphery_glyphs_recognised_total":
            found["inferred"] += value
        for fate in ("in_vain", "dropped"):
            if name == "glyphery_glyphs_departed_total" and fate in labels:
                found[fate] += value
    if not found["inferred"]:
        raise NotMeasured("/metrics does not count the glyphs.")
    return found
