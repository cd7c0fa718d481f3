from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.serving import report, subjects, wire
from benchmarks.serving.asked import Asked, asked
from benchmarks.serving.bare import Arrangement, rates
from benchmarks.serving.catalogue import PEERS
from benchmarks.serving.load import Load, Outcome, generator, send
from benchmarks.serving.rounds import DECODING, INFERENCE
from benchmarks.serving.run import PARTS, Wanted, peers_of, run
from benchmarks.serving.servers import NotMeasured, Server, ask, running
from benchmarks.serving.similar import padded
from benchmarks.serving.statistics import Figures, count_wrong, percentiles, spread, summary
from benchmarks.serving.workshop import Extent, Workshop
from bundles import default_bundle
from index.search import ReferenceIndex
from recognition.bundle import Bundle

TINY = Extent(
    pictures=16, seconds=0.2, trial=0.1, repeats=1, overload=0.4, requests=40, swaps=2, references=50
)  # fmt: skip

# Answers each request with what its path says: /ok, /busy, /broken, /slow, /chunks, /bye.
SERVER = """
import asyncio, sys

ANSWERS = {
    "ok": b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nhi",
    "busy": b"HTTP/1.1 429 Too Many Requests\\r\\ncontent-length: 0\\r\\n\\r\\n",
    "broken": b"HTTP/1.1 500 Oh\\r\\nContent-Length: 0\\r\\n\\r\\n",
    "slow": b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n",
    "chunks": b"HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n"
    b"2\\r\\nab\\r\\n3\\r\\ncde\\r\\n0\\r\\n\\r\\n",
    "bye": b"HTTP/1.1 200 OK\\r\\nConnection: close\\r\\nContent-Length: 0\\r\\n\\r\\n",
}

async def serve(reader, writer):
    try:
        while True:
            head = (await reader.readuntil(b"\\r\\n\\r\\n")).decode()
            length = [line for line in head.splitlines() if line.lower().startswith("content-length")]
            if length:
                await reader.readexactly(int(length[0].split(":")[1]))
            name = head.split()[1][1:]
            if name == "slow":
                await asyncio.sleep(30)
            if name == "die":
                writer.close()
                return
            answer = ANSWERS[name]
            writer.write(answer[:20])  # in two pieces, as networks do
            await asyncio.sleep(0)
            writer.write(answer[20:])
            await writer.drain()
            if name == "bye":
                writer.close()
                return
    except (asyncio.IncompleteReadError, ConnectionError):
        pass

async def main():
    async with await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1])) as server:
        await server.serve_forever()

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A tiny server in a process of its own."""
    log = tmp_path_factory.mktemp("tiny") / "log"
    server = Server(command=lambda port: [sys.executable, "-c", SERVER, str(port)], probe=wire.get("/ok"))
    with running(server, log) as at_work:
        yield at_work.port


@pytest.fixture(scope="module")
def questions() -> Asked:
    return asked(Bundle.load(default_bundle()), most=24)


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    with generator() as loads:
        yield Workshop(loads, tmp_path, TINY)


# --- statistics ---------------------------------------------------------------------------------


def test_percentiles_of_nothing_are_none() -> None:
    assert percentiles([]) == {"p50": None, "p90": None, "p99": None}


def test_percentiles_and_spread() -> None:
    values = list(range(101))
    random.Random(0).shuffle(values)
    assert percentiles(values) == {"p50": 50, "p90": 90, "p99": 99}
    assert spread([5, 1, 3, 2, 4]) == {"median": 3, "low": 2, "high": 4}


def test_a_summary_counts_glyphs_not_requests() -> None:
    outcome = Outcome(seconds=2.0, accepted=[1.0, 2.0, 3.0], refused=[0.5])
    outcome.failed["status 500"] += 1
    found = summary(outcome, glyphs=16)
    assert found["rate"] == 24
    assert (found["requests"], found["accepted"], found["refused"]) == (5, 3, 1)
    assert found["p50"] == 2
    assert found["refusal"]["p50"] == 0.5


def test_wrong_answers_of_the_sample_are_counted() -> None:
    right = b'{"predictions": [{"label": "65"}]}'
    outcome = Outcome(sample=[(0, right), (1, right), (0, b"not JSON"), (0, b"{}")])
    assert count_wrong(outcome, wire.best_prediction, [["65"], ["66"]]) == 3


# --- the load generator -------------------------------------------------------------------------


def test_a_closed_loop_stops_after_so_many_requests(port: int) -> None:
    outcome = send(Load(port=port, requests=(wire.get("/ok"),), most=100, callers=7, sample=10))
    assert len(outcome.accepted) == outcome.asked == 100
    assert outcome.sample == [(0, b"hi")] * 10
    assert all(taken > 0 for taken in outcome.accepted)
    assert not outcome.failed


def test_a_closed_loop_stops_after_its_time(port: int) -> None:
    outcome = send(Load(port=port, requests=(wire.get("/ok"),), seconds=0.3, callers=2))
    assert outcome.seconds >= 0.3
    assert len(outcome.accepted) > 1
    assert outcome.busy > 0


def test_answers_are_told_apart(port: int) -> None:
    paths = ("/ok", "/busy", "/broken", "/chunks", "/bye", "/die")
    requests = tuple(wire.post(path, b"body", "text/plain") for path in paths)
    outcome = send(Load(port=port, requests=requests, most=60, callers=3, sample=1))
    assert len(outcome.accepted) == 30
    assert len(outcome.refused) == 10
    assert outcome.failed == {"status 500": 10, "connection lost": 10}
    assert set(outcome.sample) == {(0, b"hi"), (3, b"abcde"), (4, b"")}


def test_an_open_loop_asks_at_its_rate_whatever_is_answered(port: int) -> None:
    requests = (wire.get("/ok"), wire.get("/busy"))
    outcome = send(Load(port=port, requests=requests, seconds=1.0, rate=400, seed=3))
    due = np.random.default_rng(3).exponential(1 / 400, 1000).cumsum()
    assert outcome.asked == np.count_nonzero(due < 1.0)
    assert len(outcome.lateness) == outcome.asked
    assert abs(len(outcome.accepted) - len(outcome.refused)) <= 1


def test_clients_hang_up_when_their_patience_is_over(port: int) -> None:
    load = Load(port=port, requests=(wire.get("/slow"),), seconds=0.4, callers=3, patience=0.1)
    closed = send(load)
    opened = send(replace(load, rate=50))
    for outcome in (closed, opened):
        assert outcome.departed == outcome.asked > 3
        assert not outcome.failed


def test_the_generator_is_a_process_of_its_own(port: int) -> None:
    with generator() as loads:
        assert len(loads.run(Load(port=port, requests=(wire.get("/ok"),), most=5)).accepted) == 5


# --- servers ------------------------------------------------------------------------------------


def test_a_server_ends_with_its_children(tmp_path: Path) -> None:
    parent = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-c', {SERVER!r}, sys.argv[1]])\n"
        "time.sleep(60)\n"
    )
    server = Server(command=lambda port: [sys.executable, "-c", parent, str(port)], probe=wire.get("/ok"))
    with running(server, tmp_path / "log") as at_work:
        assert at_work.resident() > 1
        port = at_work.port
        assert ask(port, wire.get("/chunks")) == (200, b"abcde")
    with pytest.raises(OSError, match="refused"):
        ask(port, wire.get("/ok"))


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    broken = Server(command=lambda port: [sys.executable, "-c", "exit('no such model')"], probe=b"")
    with pytest.raises(NotMeasured, match="ended with 1: no such model"), running(broken, tmp_path / "log"):
        pass


# --- requests and answers -----------------------------------------------------------------------


def test_requests_say_how_long_they_are() -> None:
    request = wire.post("/x?k=5", b"abc", "image/png", X_API_Key="secret")
    head, body = request.split(b"\r\n\r\n")
    assert head.startswith(b"POST /x?k=5 HTTP/1.1\r\nHost: ")
    assert {b"Content-Length: 3", b"Content-Type: image/png", b"X-API-Key: secret"} <= set(
        head.split(b"\r\n")
    )
    assert body == b"abc"


def test_best_labels_are_read_from_every_kind_of_answer() -> None:
    answer = {"predictions": [{"label": "65"}, {"label": "66"}]}
    text = json.dumps(answer)
    classification = {"shape": [2, 2], "data": ["0.9:1:65", "0.1:2:66", "0.8:3:1593_init", "0.2:2:66"]}
    assert wire.best_prediction(text.encode()) == ["65"]
    assert wire.best_of_list(f"[{text}, {text}]".encode()) == ["65", "65"]
    assert wire.best_of_lines(f"{text}\n{text}\n".encode()) == ["65", "65"]
    assert wire.best_of_tensor(json.dumps({"outputs": [{"data": [text]}]}).encode()) == ["65"]
    assert wire.best_of_classification(json.dumps({"outputs": [classification]}).encode()) == [
        "65",
        "1593_init",
    ]


def test_pictures_are_asked_whose_best_label_is_beyond_doubt(questions: Asked) -> None:
    assert len(questions.pictures) == len(questions.rasters) == len(questions.best) == 24
    assert len(set(questions.pictures)) == 24
    assert questions.best != questions.plain  # the prior makes a difference


def test_peers_are_chosen_by_name() -> None:
    assert [peer.title for peer in peers_of("mosec, fastapi", PEERS)] == ["mosec", "FastAPI"]
    assert peers_of("", PEERS) == ()
    with pytest.raises(ValueError, match="nginx: the peers are fastapi,"):
        peers_of("nginx", PEERS)


# --- the parts, on real servers -----------------------------------------------------------------


def test_bare_work_has_a_rate(questions: Asked) -> None:
    path, tried = questions.bundle.path, [Arrangement(1, 2, 1, 4), Arrangement(2, 1, 1, 1)]
    for pictures in (None, questions.pictures):
        assert all(rate > 0 for rate in rates(path, tried, 0.1, questions.rasters, pictures))


def test_a_peer_answers_like_the_network(questions: Asked, workshop: Workshop) -> None:
    [fastapi] = peers_of("fastapi", PEERS)  # which is installed here, too
    subject = subjects.peer(fastapi, fastapi.settings[0], Path(sys.executable), questions)
    [way] = subject.questions
    with running(subject.server, workshop.log("fastapi")) as server:
        found = way.measured(workshop.generator, server, most=48, callers=4, sample=1)
        status, body = server.ask(wire.picture("/classify", b"no picture"))
    assert (found["accepted"], found["checked"], found["wrong"]) == (48, 48, 0)
    assert found["computed"] > 0
    assert status == 422
    assert b"no picture of a known format" in body


def test_a_run_measures_every_part(tmp_path: Path) -> None:
    wanted = Wanted(bundles=(default_bundle(),), peers=(), parts=frozenset(PARTS), extent=TINY)
    told: list[tuple[int, int | None]] = []
    found = run(wanted, tmp_path, lambda done, total=None, note="": told.append((done, total)))

    assert told[-1] == (6, 6)
    assert list(report._missing(found)) == []
    [of] = found["bundles"].values()
    for one in of["rounds"]:
        assert set(one["bare"]) == {INFERENCE, DECODING}
        assert set(one["served"]) == {
            "Glyphery, /classify", "Glyphery, /classify/batch of 16", "Glyphery, /v2 tensors of 16"
        }  # fmt: skip
        for by_callers in one["served"].values():
            assert all(of["checked"] and not of["wrong"] and not of["failed"] for of in by_callers.values())
    assert found["overload"]["peak"] > 0
    assert found["overload"]["departures"]["crowd"]["inferred"] > 0
    assert [step["requests"] for step in found["memory"]["steps"]][-1] == 40
    assert found["swap"]["by_digest"]["inconsistent"] == found["swap"]["swapping"]["wrong"] == 0
    assert set(found["similar"]["rounds"][0]["served"]) == {"1", "2", "4", "8", "16", "32", "64"}

    written = (tmp_path / "serving.md").read_text(encoding="utf-8")
    for table in report.tables(found):
        assert all(len(row) == len(table.columns) for row in table.rows)
        assert table.markdown() in written
    assert json.loads((tmp_path / "serving.json").read_text(encoding="utf-8")) == found
    assert (tmp_path / "serving-levit_128s.png").stat().st_size > 10_000


def test_a_part_that_is_there_is_not_measured_again(tmp_path: Path) -> None:
    wanted = Wanted(bundles=(default_bundle(),), peers=(), parts=frozenset({"memory"}), extent=TINY)

    def once() -> tuple[int, Figures]:
        found = run(wanted, tmp_path, lambda done, total=None, note="": None)
        [part] = (tmp_path / "parts").rglob("*.json")
        return part.stat().st_mtime_ns, found["memory"]

    assert once() == once()


def test_an_index_is_padded_with_what_looks_like_it(questions: Asked, tmp_path: Path) -> None:
    own = ReferenceIndex.load(questions.bundle.path)
    more = len(own.references) + 100
    found = ReferenceIndex.load(padded(questions.bundle, tmp_path / "more", more).path)
    assert len(found.references) == more
    np.testing.assert_allclose(np.linalg.norm(found.embeddings, axis=1), 1, atol=2e-3)
    again = (found.embeddings[len(own.references) :] * own.embeddings[:100]).sum(axis=1)
    assert ((again > 0.99) & (again < 1)).all()
    assert found.references.labels[len(own.references) :] == own.references.labels[:100]


# --- the report ---------------------------------------------------------------------------------


def test_what_was_not_measured_is_said() -> None:
    bare = {
        kind: {"tried": [{"arrangement": {"batch": 1}, "rate": 1.0}], "best": 0}
        for kind in (INFERENCE, DECODING)
    }
    found = {
        "machine": {"processor": "a|b", "cores": 2, "onnxruntime": "1", "python": "3", "load": 0.0},
        "extent": {"repeats": 1, "seconds": 1.0},
        "bundles": {"small": {"bare": bare, "trials": {"mosec": {"skipped": "No wheel."}}, "rounds": []}},
        "swap": {"skipped": "It answers 404."},
    }
    text = report.markdown(found)
    assert "| mosec | No wheel. |" in text
    assert "| swap | It answers 404. |" in text


def test_a_peer_is_set_beside_glyphery_in_the_same_repeat() -> None:
    def measured(rate: float) -> Figures:
        of = summary(Outcome(seconds=1.0, accepted=[1000 / rate] * int(rate)))
        return {"1": of, "16": of}

    rounds = [
        {"bare": {INFERENCE: 400.0, DECODING: 200.0}, "one_by_one": 200.0 * speed, "failed": {},
         "served": {subjects.SINGLE: measured(100 * speed), "mosec": measured(50 * speed)}}
        for speed in (1, 2, 3)
    ]  # fmt: skip
    table = report._ratios("small", {"rounds": rounds})
    alone, *peers = table.rows
    assert alone[1:] == ("1", "0.50 (0.50–0.50)", "2.00 (2.00–2.00)", "–")
    twice = "2.00 (2.00–2.00)", "0.50 (0.50–0.50)", "0.50 (0.50–0.50)"
    assert peers == [("mosec", callers, *twice) for callers in ("1", "16")]


def test_the_command_line_refuses_what_it_does_not_know() -> None:
    for wrong in (["--part", "speed"], ["--peers", "nginx"]):
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.serving", *wrong], capture_output=True, text=True, check=False
        )
        assert done.returncode == 2
        assert wrong[1] in done.stderr
