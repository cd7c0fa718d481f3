"""What the service counts and measures of itself, as a scraper sees it."""

import asyncio
import shutil
import socket
import threading
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from recognition.bundle import FAST, MODEL, Bundle, Cascade, seal
from service.app import create_app
from service.engine import Engine
from service.errors import ExecutorDied
from service.identifier import Identifier
from service.metrics import Metrics
from service.models import Models, ServedModel
from service.repairer import Repairer
from service.settings import Settings
from tests.service.waits import eventually


class Numbers(dict):
    """Samples by name and labels: `numbers("glyphery_requests_total", status="200")`; 0 if there is none."""

    def __call__(self, name, **labels):
        return self.get((name, frozenset(labels.items())), 0.0)


def read(text):
    return Numbers(
        ((sample.name, frozenset(sample.labels.items())), sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    )


def scraped(client):
    return read(client.get("/metrics").text)


def requests(numbers, endpoint, method, status):
    return numbers("glyphery_requests_total", endpoint=endpoint, method=method, status=status)


@pytest.fixture
def running(serve):
    with serve(executors=2) as running:
        yield running


@pytest.fixture
def client(running):
    return running.client


def test_requests_are_counted_and_timed_by_route_and_not_by_path(client):
    for number in range(3):
        assert client.get(f"/references/{number}.png").status_code == 200
    client.get("/references/999.png")
    client.head("/references/0.png")
    numbers = scraped(client)
    endpoint = "/references/{number}.png"
    assert requests(numbers, endpoint, "GET", "200") == 3
    assert requests(numbers, endpoint, "GET", "404") == 1
    assert requests(numbers, endpoint, "HEAD", "200") == 1
    assert numbers("glyphery_request_seconds_count", endpoint=endpoint) == 5
    assert numbers("glyphery_request_seconds_sum", endpoint=endpoint) > 0
    assert numbers("glyphery_problems_total", type="unknown-reference") == 1


def test_what_clients_make_up_makes_no_time_series(client, running):
    client.get("/one")
    client.post("/two/three")
    client.get("/classify")
    with socket.create_connection(("127.0.0.1", running.port)) as raw:
        raw.sendall(b"PURGE /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        while raw.recv(4096):
            pass
    numbers = scraped(client)
    assert requests(numbers, "none", "GET", "404") == requests(numbers, "none", "POST", "404") == 1
    assert requests(numbers, "/classify", "GET", "405") == 1
    assert requests(numbers, "/healthz", "other", "405") == 1


def test_the_engine_says_how_work_went_through_it(client, picture):
    before = scraped(client)
    for _ in range(3):
        client.post("/classify", content=picture("65"))
    client.post("/classify", content=b"no picture")
    client.get("/similar/65")
    after = scraped(client)

    def more(name, **labels):
        return after(name, **labels) - before(name, **labels)

    assert more("glyphery_glyphs_recognised_total", model="stars") == 3
    assert more("glyphery_batch_glyphs_count") == more("glyphery_batch_glyphs_sum") == 3
    assert more("glyphery_stage_seconds_count", stage="queue") == 5
    assert more("glyphery_stage_seconds_count", stage="infer") == 3
    for stage in ("queue", "decode", "infer", "finish"):
        assert more("glyphery_stage_seconds_sum", stage=stage) > 0


def test_a_cascade_is_served_like_any_model_and_says_how_often_it_asked_both(
    serve, bundle, tmp_path, picture
):
    """The fast model is the accurate one once more: whoever is asked, the answer is the same."""
    folder = shutil.copytree(bundle, tmp_path / "pair")
    shutil.copy(folder / MODEL, folder / FAST)
    plain = Bundle.load(bundle).manifest
    answers = {}
    for sure, unsure in ((0.0, 0), (2.0, 3)):
        cascade = Cascade(sure=sure, temperature=1.0, fast={"name": "stars"})
        seal(folder, replace(plain, cascade=cascade, name="pair"))
        with serve(bundles=[bundle, folder]) as running:
            told = running.client.get("/models").json()["models"]
            assert [model["fast"] for model in told] == [None, {"name": "stars"}]
            before = scraped(running.client)
            answers[sure] = [
                running.client.post(f"/classify?model={name}", content=picture("65")).json()["predictions"]
                for name in ("stars", "pair", "pair", "pair")
            ]
            eventually(partial(_were_unsure, running.client, before, {"pair": unsure, "stars": 0}))
    assert all(found == answers[0.0][0] for found in (*answers[0.0], *answers[2.0]))


def _were_unsure(client, before, glyphs):
    """Whether so many glyphs of each model have been counted since then; that is told behind the answers."""
    total, now = "glyphery_glyphs_unsure_total", scraped(client)
    return all(now(total, model=name) - before(total, model=name) == of for name, of in glyphs.items())


def test_states_are_those_of_the_moment(serve, picture, is_problem):
    with serve(executors=1, max_waiting=1) as running:
        go_on, busy = threading.Event(), threading.Event()

        def hold(_):
            busy.set()
            go_on.wait(20)

        def ask(job):
            return asyncio.run_coroutine_threadsafe(
                running.engine.run(running.engine.models.find(), job), running.loop
            )

        held = ask(hold)
        assert busy.wait(5)
        try:
            waiting = ask(lambda _: None)
            eventually(lambda: running.engine.room.waiting == 1)
            is_problem(running.client.post("/classify", content=picture("65")), 429, "overloaded")
            numbers = scraped(running.client)
            assert numbers("glyphery_glyphs_waiting", priority="interactive") == 1
            assert numbers("glyphery_glyphs_waiting", priority="batch") == 0
            assert numbers("glyphery_overloaded") == 1
            assert numbers("glyphery_requests_in_flight") == 1  # the scrape itself
            assert numbers("glyphery_problems_total", type="overloaded") == 1
            # It was refused before it was routed.
            assert requests(numbers, "/classify", "POST", "429") == 1
        finally:
            go_on.set()
        held.result(5)
        waiting.result(5)
        eventually(lambda: scraped(running.client)("glyphery_overloaded") == 0)
        assert scraped(running.client)("glyphery_ready") == 1


def test_an_executor_that_dies_is_replaced_and_counted(serve, bundle, picture, is_problem):
    app = create_app(Settings(bundles=[bundle], executors=2))

    @app.get("/die")
    async def die() -> None:
        def job(_):
            raise SystemExit("for good")

        await app.state.engine.run(app.state.engine.models.find(), job)

    with serve(app) as running:
        response = running.client.get("/die")
        is_problem(response, 503, "executor-died")
        assert response.headers["retry-after"] == "1"
        eventually(lambda: running.client.get("/readyz").status_code == 200)
        for _ in range(4):
            assert running.client.post("/classify", content=picture("65")).status_code == 200
        numbers = scraped(running.client)
        assert numbers("glyphery_executors_replaced_total") == 1
        assert numbers("glyphery_executors") == 2
        assert numbers("glyphery_ready") == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_executor_that_cannot_be_replaced_is_missed_by_the_probes(
    serve, bundle, picture, is_problem, monkeypatch
):
    app = create_app(Settings(bundles=[bundle], executors=2))
    start = threading.Thread.start

    def refuse(thread):  # as the system does where there are too many threads
        if thread.name.startswith("executor-"):
            raise RuntimeError("can't start new thread")
        start(thread)

    with serve(app) as running:
        monkeypatch.setattr(threading.Thread, "start", refuse)

        def die():
            def job(_):
                raise SystemExit

            model = running.engine.models.find()
            with pytest.raises(ExecutorDied):
                asyncio.run_coroutine_threadsafe(running.engine.run(model, job), running.loop).result(5)

        die()
        eventually(lambda: running.client.get("/readyz").status_code == 503)
        assert running.client.get("/healthz").status_code == 200
        assert running.client.post("/classify", content=picture("65")).status_code == 200
        assert scraped(running.client)("glyphery_executors") == 1
        die()
        eventually(lambda: running.client.get("/healthz").status_code == 503)
        is_problem(running.client.get("/healthz"), 503, "not-ready")
        assert scraped(running.client)("glyphery_executors_replaced_total") == 0


def test_a_client_that_leaves_the_queue_is_counted_as_dropped(serve, picture):
    with serve(executors=1) as running:
        go_on, busy = threading.Event(), threading.Event()

        def hold(_):
            busy.set()
            go_on.wait(20)

        held = asyncio.run_coroutine_threadsafe(
            running.engine.run(running.engine.models.find(), hold), running.loop
        )
        assert busy.wait(5)
        try:
            body = picture("65")
            with socket.create_connection(("127.0.0.1", running.port)) as raw:
                raw.sendall(
                    b"POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body
                )
                eventually(lambda: running.engine.room.waiting == 1)
            eventually(
                lambda: requests(scraped(running.client), "/classify", "POST", "499") == 1  # as nginx has it
            )
        finally:
            go_on.set()
        held.result(5)
        eventually(lambda: scraped(running.client)("glyphery_glyphs_departed_total", fate="dropped") == 1)


def test_an_answer_that_nobody_waits_for_any_more_is_counted_as_in_vain(bundle):
    model = ServedModel.load(bundle)
    metrics = Metrics()

    async def try_out() -> None:
        settings = Settings(bundles=[bundle], executors=1)
        engine = Engine(Models([model]), settings, metrics)
        taken, together, told, go_on = (threading.Event() for _ in range(4))

        def job(_):
            taken.set()
            together.wait(10)

        def finish(answers):
            told.set()
            go_on.wait(10)
            return answers

        def blank(_):
            return np.zeros((1, 128, 128), np.uint8), np.full((1, 4), np.nan, np.float32)

        holding = asyncio.create_task(engine.run(model, job))
        await asyncio.to_thread(taken.wait, 10)
        first, second = (asyncio.create_task(engine.answer(model, blank, finish)) for _ in range(2))
        await asyncio.sleep(0)
        together.set()
        await asyncio.to_thread(told.wait, 10)  # the network has answered for both
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        go_on.set()
        await asyncio.gather(holding, first)
        await asyncio.to_thread(engine.close)
        content, _ = metrics.exposition(
            engine, Identifier(engine, settings).fonts, Repairer(engine, settings).documents, ""
        )
        numbers = read(content.decode())
        assert numbers("glyphery_glyphs_departed_total", fate="in_vain") == 1
        assert numbers("glyphery_glyphs_departed_total", fate="dropped") == 0
        assert numbers("glyphery_batch_glyphs_sum") == 2

    asyncio.run(try_out())


def test_the_models_are_those_served_at_the_moment(running, client, bundle_without_index):
    def models():
        return {
            dict(labels)["digest"]: (value, dict(labels))
            for (name, labels), value in scraped(client).items()
            if name.endswith("_model_info")
        }

    [(digest, (value, served))] = models().items()
    assert value == 1
    assert served == {
        "name": "stars", "version": "1.0", "digest": digest, "precision": "fp32", "labels": "10",
        "provider": "CPUExecutionProvider",
    }  # fmt: skip
    other = ServedModel.load(bundle_without_index)
    running.engine.models.put(other)
    assert {digest: value for digest, (value, _) in models().items()} == {digest: 0, other.digest: 1}


def test_a_scraper_that_reads_openmetrics_gets_it(client):
    plain = client.get("/metrics")
    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
    open_metrics = client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert open_metrics.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert open_metrics.text.endswith("# EOF\n")


def test_each_application_counts_for_itself(serve):
    with serve() as first, serve() as second:
        first.client.get("/healthz")
        assert requests(scraped(first.client), "/healthz", "GET", "200") == 1
        assert requests(scraped(second.client), "/healthz", "GET", "200") == 0


@pytest.mark.parametrize("accept", ["text/plain; version=x", "application/openmetrics-text; version=1.x"])
def test_a_version_that_is_none_is_answered_with_the_plainest(client, accept):
    response = client.get("/metrics", headers={"accept": accept})
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain")
