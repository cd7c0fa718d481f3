"""/v2: what Triton's own client asks of the server and its models."""

import asyncio

import pytest
from tritonclient.utils import InferenceServerException


def test_the_server_says_what_it_is(triton, server):
    assert triton.is_server_live()
    assert triton.is_server_ready()
    metadata = triton.get_server_metadata()
    assert metadata["name"] == "glyphery"
    assert metadata["version"] == server.app.version
    assert metadata["extensions"] == ["binary_tensor_data", "classification"]


def test_health_has_the_bodies_that_kserves_client_reads(client):
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}
    assert client.get("/v2/models/stars/ready").json() == {"name": "stars", "ready": True}


@pytest.mark.parametrize("version", ["", "1.0"])
def test_a_model_says_what_it_takes_and_gives(triton, client, version):
    assert triton.is_model_ready("stars", version)
    metadata = triton.get_model_metadata("stars", version)
    assert (metadata["name"], metadata["versions"]) == ("stars", ["1.0"])
    assert metadata["platform"] == "onnxruntime_onnx"
    assert metadata["parameters"]["digest"] == client.get("/models").json()["models"][0]["digest"]
    tensors = {t["name"]: (t["datatype"], t["shape"]) for t in metadata["inputs"] + metadata["outputs"]}
    assert tensors == {
        "image": ("UINT8", [-1, 1, 128, 128]),
        "metrics": ("FP32", [-1, 4]),
        "picture": ("BYTES", [-1]),
        "logits": ("FP32", [-1, 10]),
        "embedding": ("FP32", [-1, 128]),
    }
    assert all(t["parameters"]["optional"] and t["parameters"]["description"] for t in metadata["inputs"])


def test_the_index_lists_the_models(triton):
    assert triton.get_model_repository_index() == [
        {"name": "stars", "version": "1.0", "state": "READY", "reason": ""}
    ]


def test_an_unknown_model_or_version_is_not_found(triton, client, is_problem):
    assert not triton.is_model_ready("other")
    assert not triton.is_model_ready("stars", "2")
    with pytest.raises(InferenceServerException, match="The models served here are stars") as raised:
        triton.get_model_metadata("other")
    assert raised.value.status() == "404"
    with pytest.raises(InferenceServerException, match=r"The version of stars served here is 1\.0"):
        triton.get_model_metadata("stars", "2")
    document = is_problem(client.post("/v2/models/stars/versions/2/infer"), 404, "unknown-model")
    assert document["error"] == document["detail"]


def test_a_path_that_is_none_is_an_error_that_tritons_client_can_read(triton, client, is_problem):
    with pytest.raises(InferenceServerException, match="Not Found"):
        triton.get_model_config("stars")
    assert "error" in is_problem(client.get("/v2/models/stars/infer"), 405, "method-not-allowed")
    assert "error" not in is_problem(client.get("/v3"), 404, "not-found")


def test_the_server_does_not_live_once_no_executor_is_left(cold, is_problem):
    async def ask() -> None:
        async with cold() as (client, engine):
            for path in ("/healthz", "/v2/health/live"):
                assert (await client.get(path)).status_code == 200
            await asyncio.to_thread(engine.close)
            for path in ("/healthz", "/v2/health/live"):
                is_problem(await client.get(path), 503, "not-ready")

    asyncio.run(ask())


def test_nothing_is_ready_before_the_engine_is_warm(cold, is_problem):
    async def ask() -> None:
        async with cold() as (client, engine):
            for path in ("/v2/health/ready", "/v2/models/stars/ready"):
                assert "error" in is_problem(await client.get(path), 503, "not-ready")
            assert (await client.post("/v2/repository/index")).json()[0]["state"] == "UNAVAILABLE"
            assert (await client.get("/v2/health/live")).status_code == 200
            await engine.warm_up()
            assert (await client.get("/v2/models/stars/ready")).status_code == 200

    asyncio.run(ask())
