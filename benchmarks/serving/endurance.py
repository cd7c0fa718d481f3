"""Whether memory grows with the number of requests."""

from __future__ import annotations

from benchmarks.serving import subjects
from benchmarks.serving.asked import Asked
from benchmarks.serving.servers import running
from benchmarks.serving.statistics import Figures
from benchmarks.serving.workshop import Workshop

_FIRST = 1_000  # requests after which memory is looked at first
_CALLERS = 16


def endurance(asked: Asked, workshop: Workshop) -> Figures:
    """Resident memory in MiB after so many requests. Raises NotMeasured."""
    questions = subjects.classify(asked)
    last = workshop.extent.requests
    first = min(_FIRST, last // 2)
    found = []
    with running(
        subjects.serving([asked.bundle.address], questions.requests[0]), workshop.log("endurance")
    ) as server:
        done = failed = 0
        for requests in sorted({first, max(first, last // 10), last // 2, last}):
            measured = questions.measured(workshop.generator, server, most=requests - done, callers=_CALLERS)
            done += measured["requests"]
            failed += sum(measured["failed"].values()) + measured["wrong"]
            found.append({"requests": done, "resident": server.resident(), "failed": failed})
    return {"steps": found, "growth": found[-1]["resident"] / found[0]["resident"] - 1}
