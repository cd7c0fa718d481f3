"""/embed, /models, /healthz, /readyz."""

import asyncio
import time

import pytest


def test_an_embedding_has_the_models_width_and_length_one(client, picture):
    answer = client.post("/embed", content=picture("65")).json()
    assert set(answer) == {"model", "embedding"}
    assert len(answer["embedding"]) == 128
    assert sum(x * x for x in answer["embedding"]) == pytest.approx(1, abs=1e-5)


def test_pictures_that_look_alike_have_close_embeddings(client, picture):
    def embedding(label, variant=0):
        return client.post("/embed", content=picture(label, variant)).json()["embedding"]

    def inner(first, second):
        return sum(a * b for a, b in zip(first, second, strict=True))

    assert inner(embedding("98"), embedding("98", 3)) > 0.98 > inner(embedding("98"), embedding("65"))


def test_the_models_say_what_they_are(client):
    [model] = client.get("/models").json()["models"]
    digest = model.pop("digest")
    assert digest.startswith("sha256:")
    assert model == {
        "name": "stars",
        "version": "1.0",
        "precision": "fp32",
        "labels": 10,
        "embedding": 128,
        "raster": {"size": 128, "box": 112},
        "quality": {"top_1": 0.5},
        "index": True,
        "references": 30,
        "primitives": False,
        "fast": None,
    }


def test_a_warm_server_is_ready(client):
    assert client.get("/healthz").json() == {"status": "ok"}
    providers = {"stars": "CPUExecutionProvider"}
    assert client.get("/readyz").json() == {"status": "ready", "providers": providers}


def test_a_server_is_not_ready_before_its_engine_is_warm(cold, is_problem):
    async def ask() -> None:
        async with cold() as (client, engine):
            answer = await client.get("/readyz")
            is_problem(answer, 503, "not-ready")
            assert answer.headers["retry-after"] == "1"
            assert (await client.get("/healthz")).status_code == 200
            await engine.warm_up()
            assert (await client.get("/readyz")).json()["status"] == "ready"
            engine.close()
            is_problem(await client.get("/readyz"), 503, "not-ready")

    asyncio.run(ask())


def test_a_model_that_fails_at_work_is_never_ready_and_its_failure_stays_inside(
    serve, broken_bundle, picture, is_problem, caplog
):
    with serve(bundles=[broken_bundle], wait=False) as running:
        until = time.monotonic() + 10
        while "failed to warm up" not in caplog.text:
            assert time.monotonic() < until
            is_problem(running.client.get("/readyz"), 503, "not-ready")
        is_problem(running.client.get("/readyz"), 503, "not-ready")
        document = is_problem(running.client.post("/classify", content=picture("65")), 500, "internal-error")
        assert document["detail"] == "The service failed to answer; the failure is in its log."
