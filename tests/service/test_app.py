"""The application as a whole: its description, its imports, its headers."""

import subprocess
import sys
from pathlib import Path

import pytest

from service import schemas, tensors
from service.app import create_app
from service.problems import KINDS
from service.settings import Settings

EXEMPLARY = (
    schemas.ClassifyResponse,
    schemas.SimilarResponse,
    schemas.EmbedResponse,
    schemas.PrimitivesResponse,
    schemas.IdentifyResponse,
    schemas.ModelsResponse,
    schemas.LoadResponse,
    schemas.JobFields,
    schemas.JobsResponse,
    schemas.PictureBody,
    schemas.Problem,
    tensors.InferenceRequest,
    tensors.InferenceResponse,
)
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def document(client):
    return client.get("/openapi.json").json()


def references(part):
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for value in part.values():
            yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


def test_the_description_lists_the_endpoints(document):
    assert document["openapi"].startswith("3.")
    assert {(path, method) for path, methods in document["paths"].items() for method in methods} == {
        ("/classify", "post"),
        ("/similar", "post"),
        ("/similar/{label}", "get"),
        ("/references/{number}.png", "get"),
        ("/embed", "post"),
        ("/primitives", "post"),
        ("/classify/batch", "post"),
        ("/embed/batch", "post"),
        ("/fonts/score", "post"),
        ("/fonts/identify", "post"),
        ("/documents/repair", "post"),
        ("/jobs", "get"),
        ("/jobs/{id}", "get"),
        ("/jobs/{id}", "delete"),
        ("/jobs/{id}/events", "get"),
        ("/jobs/{id}/results", "get"),
        ("/jobs/{id}/report", "get"),
        ("/models", "get"),
        ("/admin/models/{name}/load", "post"),
        ("/healthz", "get"),
        ("/metrics", "get"),
        ("/readyz", "get"),
        ("/v2", "get"),
        ("/v2/health/live", "get"),
        ("/v2/health/ready", "get"),
        ("/v2/repository/index", "post"),
        ("/v2/models/{name}", "get"),
        ("/v2/models/{name}/ready", "get"),
        ("/v2/models/{name}/infer", "post"),
        ("/v2/models/{name}/versions/{version}", "get"),
        ("/v2/models/{name}/versions/{version}/ready", "get"),
        ("/v2/models/{name}/versions/{version}/infer", "post"),
    }


def test_every_reference_in_the_description_leads_somewhere(document):
    found = set(references(document))
    assert found
    for reference in found:
        part = document
        for step in reference.removeprefix("#/").split("/"):
            part = part[step]


def test_the_description_has_an_example_of_every_answer(document):
    for schema in EXEMPLARY:
        assert document["components"]["schemas"][schema.__name__]["examples"]


def test_examples_are_what_their_schemas_say():
    for schema in EXEMPLARY:
        for example in schema.model_json_schema()["examples"]:
            assert schema.model_validate(example).model_dump(exclude_none=True)


def test_every_way_of_posting_is_described(document):
    content = document["paths"]["/classify"]["post"]["requestBody"]["content"]
    assert set(content) == {"image/*", "application/octet-stream", "multipart/form-data", "application/json"}


def test_every_problem_is_described_as_a_problem_document(document):
    described = set()
    for methods in document["paths"].values():
        for operation in methods.values():
            for status, response in operation["responses"].items():
                if status >= "400":
                    [media_type] = response["content"]
                    assert media_type == "application/problem+json"
                    described |= set(response["content"][media_type]["examples"])
    # bad-image stands for the kinds below it, which are described.
    assert described == {kind.name for kind in KINDS.values()} - {"bad-image"}


def test_every_problem_is_in_the_documentation():
    text = (ROOT / "docs" / "API.md").read_text(encoding="utf-8")
    names = {kind.name for kind in KINDS.values()} | {"not-found", "method-not-allowed"}
    assert {name for name in names if f"`{name}`" not in text} == set()


def test_the_docs_are_served(client):
    assert "swagger" in client.get("/docs").text.lower()


HEADED = ["/", "/page/app.js", "/healthz", "/readyz", "/models", "/metrics", "/docs", "/references/0.png"]


@pytest.mark.parametrize("path", [*HEADED, "/v2/models/stars", "/jobs", "/nothing", "/references/999.png"])
def test_head_is_answered_as_get_without_a_body(client, path):
    head, got = client.head(path), client.get(path)
    assert (head.status_code, head.content) == (got.status_code, b"")
    assert head.headers.keys() == got.headers.keys()
    for name in head.headers.keys() - {"date", "x-request-id", "content-length"}:
        assert head.headers[name] == got.headers[name]


def test_head_is_refused_where_get_is(client):
    assert client.head("/classify").status_code == 405


@pytest.mark.parametrize("path", ["/healthz", "/models", "/docs", "/nothing", "/references/0.png"])
def test_browsers_may_not_guess_content_types(client, path):
    assert client.get(path).headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("path", "schema"),
    [
        ("/classify?k=3", schemas.ClassifyResponse),
        ("/similar?k=3", schemas.SimilarResponse),
        ("/embed", schemas.EmbedResponse),
    ],
)
def test_answers_are_what_their_schemas_promise_and_nothing_more(client, picture, path, schema):
    answer = client.post(path, content=picture("1593_init")).json()
    assert schema.model_validate(answer, strict=True).model_dump() == answer


def test_making_an_app_opens_nothing(tmp_path):
    create_app(Settings(bundles=[tmp_path / "nothing here"]))


def test_importing_the_service_loads_nothing_that_trains():
    code = """
import sys
import service.app, service.run
print(sorted({name.split(".")[0] for name in sys.modules} & {"torch", "lightning", "pytorch_lightning",
      "transformers", "training", "export", "onnx", "glyphery"}))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"
