"""Every error is a problem document, and every problem has a type of its own."""

import pytest

from glyphs.errors import BadBundle, BadFont, GlypheryError
from service import errors
from service.app import create_app
from service.problems import INTERNAL, KINDS, kind_of
from service.settings import Settings


def test_an_unknown_path_is_a_problem(client, is_problem):
    is_problem(client.get("/nothing"), 404, "not-found")
    is_problem(client.post("/classify/"), 404, "not-found")


def test_a_wrong_method_is_a_problem_that_names_the_right_one(client, is_problem):
    response = client.get("/classify")
    is_problem(response, 405, "method-not-allowed")
    assert response.headers["allow"] == "POST"


@pytest.mark.parametrize("text", ["%E9", "%C3", "%c3x%a9", "%ED%A0%80"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/classify?charset="),
        ("POST", "/similar?families="),
        ("POST", "/primitives?model="),
        ("POST", "/fonts/identify?charset="),
        ("GET", "/similar/65?families="),
        ("GET", "/healthz?"),
    ],
)
def test_a_query_that_is_not_utf_8_is_refused_and_not_read_as_something_else(
    client, is_problem, picture, method, path, text
):
    answer = client.request(method, path + text, content=picture("65"))
    assert is_problem(answer, 422, "invalid-request")["errors"][0]["location"] == ["query"]


@pytest.mark.parametrize("kind", [ZeroDivisionError, BadBundle, GlypheryError])
def test_an_unexpected_error_tells_the_log_and_not_the_client(serve, bundle, is_problem, caplog, kind):
    app = create_app(Settings(bundles=[bundle], executors=1))

    @app.get("/trouble")
    async def trouble() -> None:
        raise kind("secret")

    with serve(app) as running:
        response = running.client.get("/trouble")
        is_problem(response, 500, "internal-error")
        assert "secret" not in response.text
        assert "Traceback" not in response.text
        assert running.client.get("/readyz").status_code == 200
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [kind]


def test_statuses_types_and_titles_are_consistent():
    kinds = set(KINDS.values())
    assert len({kind.name for kind in kinds}) == len(kinds) == len(KINDS)
    for kind in kinds:
        assert 400 <= kind.status < 600
        assert kind.type == f"urn:glyphery:problem:{kind.name}"
        assert kind.name == kind.name.lower().replace(" ", "-").replace("_", "-")


def test_every_error_of_the_service_is_in_the_table():
    def leaves(kind):
        below = kind.__subclasses__()
        return {leaf for sub in below for leaf in leaves(sub)} if below else {kind}

    assert leaves(errors.BadRequest) | leaves(errors.Unavailable) <= set(KINDS)


def test_errors_of_the_operator_are_internal_to_a_client():
    assert kind_of(BadBundle("x")) is kind_of(BadFont("x")) is kind_of(errors.BadSettings("x")) is INTERNAL
