"""Trials, which choose each peer's setting, and rounds, in which all are measured in turn.

In a round every server is started afresh, warmed up, asked, and ended before the next begins, so that
none disturbs another. Their order is drawn anew for each round.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial

import numpy as np

from benchmarks.serving import bare, environments, subjects
from benchmarks.serving.asked import Asked
from benchmarks.serving.bare import ONE_BY_ONE, Arrangement
from benchmarks.serving.catalogue import CORES, Peer
from benchmarks.serving.servers import NotMeasured, Running, running
from benchmarks.serving.statistics import Figures
from benchmarks.serving.subjects import Questions, Subject
from benchmarks.serving.workshop import Workshop

INFERENCE, DECODING = "bare inference", "bare decoding and inference"


def bare_trial(asked: Asked, workshop: Workshop) -> Figures:
    """Which arrangement is best for either kind of bare work."""
    found: Figures = {}
    tried = bare.arrangements(CORES)
    for kind in (INFERENCE, DECODING):
        rates = _bare(asked, kind, tried, workshop.extent.trial / 2)
        found[kind] = {
            "tried": [
                {"arrangement": asdict(of), "rate": rate} for of, rate in zip(tried, rates, strict=True)
            ],
            "best": int(np.argmax(rates)),
        }
    return found


def peer_trial(peer: Peer, asked: Asked, workshop: Workshop) -> Figures:
    """Which of a peer's settings is best: the highest rate, as a geometric mean over the numbers of callers.

    Raises:
        NotMeasured: the peer cannot be installed, or no setting of it can be started.
    """
    python = environments.install(workshop.folder / "peers" / peer.name, peer.requirements)
    tried: list[Figures] = []
    for setting in peer.settings:
        subject = subjects.peer(peer, setting, python, asked)
        try:
            with running(subject.server, workshop.log(peer.name)) as server:
                measured = _measured(subject.questions[0], server, workshop, workshop.extent.trial)
        except NotMeasured as error:
            tried.append({"setting": dict(setting), "failed": str(error)})
        else:
            tried.append({"setting": dict(setting), "by_callers": measured})
    started = [row for row, of in enumerate(tried) if "by_callers" in of]
    if not started:
        raise NotMeasured(tried[0]["failed"])
    return {"tried": tried, "best": max(started, key=lambda row: _mean_rate(tried[row]["by_callers"]))}


def repeat(
    number: int, asked: Asked, peers: Sequence[tuple[Peer, Figures]], bare_work: Figures, workshop: Workshop
) -> Figures:
    """Everybody once, in an order that depends on the number of the repeat.

    peers: with their trials
    bare_work: its trial

    Returns:
        name -> callers -> figures; for the bare work, name -> glyphs a second, and that of reading and
        recognising one after the other; what failed -> why
    """
    seconds = workshop.extent.seconds
    of_peers = [
        subjects.peer(
            peer, trial["tried"][trial["best"]]["setting"],
            workshop.folder / "peers" / peer.name / "bin" / "python", asked,
        )
        for peer, trial in peers
    ]  # fmt: skip
    found: Figures = {"bare": {}, "served": {}, "failed": {}}

    def measure_bare(kind: str) -> None:
        best = bare_work[kind]["tried"][bare_work[kind]["best"]]["arrangement"]
        [found["bare"][kind]] = _bare(asked, kind, [Arrangement(**best)], seconds)

    def measure_server(subject: Subject) -> None:
        try:
            with running(subject.server, workshop.log(subject.name)) as server:
                for questions in subject.questions:
                    if reason := _unanswered(questions, server):
                        found["failed"][questions.name] = reason
                    else:
                        found["served"][questions.name] = _measured(questions, server, workshop, seconds)
        except NotMeasured as error:
            found["failed"][subject.name] = str(error)

    def measure_one_by_one() -> None:
        [found["one_by_one"]] = _bare(asked, DECODING, [ONE_BY_ONE], seconds)

    work = [measure_one_by_one, *(partial(measure_bare, kind) for kind in (INFERENCE, DECODING))]
    work += [partial(measure_server, subject) for subject in (subjects.glyphery(asked), *of_peers)]
    for place in np.random.default_rng(number).permutation(len(work)):
        work[place]()
    return found


def _measured(questions: Questions, server: Running, workshop: Workshop, seconds: float) -> Figures:
    """By the number of callers, as text: so JSON has it."""
    generator, most = workshop.generator, max(questions.callers)
    generator.run(questions.load(server, seconds=workshop.extent.warm_up, callers=most))
    return {
        str(callers): questions.measured(generator, server, seconds=seconds, callers=callers)
        for callers in questions.callers
    }


def _unanswered(questions: Questions, server: Running) -> str:
    """Why the server cannot be asked so, or nothing."""
    status, _ = server.ask(questions.requests[0])
    return "" if status == 200 else f"It answers {status}."


def _bare(asked: Asked, kind: str, arrangements: Sequence[Arrangement], seconds: float) -> list[float]:
    pictures = asked.pictures if kind == DECODING else None
    return bare.rates(asked.bundle.address, arrangements, seconds, asked.rasters, pictures)


def _mean_rate(by_callers: Figures) -> float:
    rates = [of["rate"] for of in by_callers.values()]
    return float(math.prod(rates) ** (1 / len(rates)))
