"""How a posted glyph arrives, and what is refused on the way."""

import base64
import io
import json
import random
import socket
import struct
import time
import zlib
from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image


def as_json(data, **more):
    return {"json": {"image": base64.b64encode(data).decode(), **more}}


def typed(data, content_type):
    return {"content": data, "headers": {"Content-Type": content_type} if content_type else {}}


WAYS = {
    "raw": lambda data: typed(data, "image/png"),
    "raw, wrong image type": lambda data: typed(data, "image/jpeg"),
    "raw, octet-stream": lambda data: typed(data, "application/octet-stream"),
    "raw, no content type": lambda data: typed(data, None),
    "raw, as curl --data-binary": lambda data: typed(data, "application/x-www-form-urlencoded"),
    "raw, chunked": lambda data: {"content": iter([data[:10], data[10:]])},
    "form, image": lambda data: {"files": {"image": ("a.png", data, "image/png")}},
    "form, file": lambda data: {"files": {"file": ("a.bin", data)}},
    "form, with other fields": lambda data: {"files": {"image": ("a.png", data)}, "data": {"note": "x"}},
    "json": as_json,
    "json, with a charset": lambda data: typed(
        json.dumps(as_json(data)["json"]).encode(), "application/json; charset=utf-8"
    ),
    "json, wrapped lines": lambda data: {"json": {"image": base64.encodebytes(data).decode()}},
    "json, data URL": lambda data: {
        "json": {"image": "data:image/png;base64," + base64.b64encode(data).decode()}
    },
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_posting_gives_the_same_answer(client, picture, way):
    expected = client.post("/classify", content=picture("98"))
    response = client.post("/classify", **WAYS[way](picture("98")))
    assert (response.status_code, response.json()) == (200, expected.json()), response.text


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"])
def test_the_usual_picture_formats_are_read(client, picture, kind):
    found = client.post("/classify", content=picture("98", 0, kind)).json()["predictions"]
    assert found[0]["label"] == "98"


def test_metrics_may_come_in_the_query_the_form_or_the_json(client, picture):
    data, metrics = picture("79"), {"height": 0.5, "width": 0.4}
    expected = client.post("/classify", params=metrics, content=data).json()
    assert expected != client.post("/classify", content=data).json()
    assert client.post("/classify", **as_json(data, metrics=metrics)).json() == expected
    form = {"files": {"image": ("a.png", data)}, "data": {k: str(v) for k, v in metrics.items()}}
    assert client.post("/classify", **form).json() == expected
    mixed = client.post(
        "/classify", params={"width": 0.4, "height": 9}, **as_json(data, metrics={"height": 0.5})
    )
    assert mixed.json() == expected


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb(width, height):
    """A PNG of a few bytes that claims very many pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


def blank():
    file = io.BytesIO()
    Image.new("RGB", (100, 100), "white").save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("endpoint", ["/classify", "/similar", "/embed"])
def test_pictures_that_cannot_be_used_are_each_their_own_problem(client, picture, is_problem, endpoint):
    def post(data):
        return client.post(endpoint, content=data)

    is_problem(post(b""), 400, "empty-body")
    is_problem(post(b"What is this glyph?"), 415, "unsupported-image")
    is_problem(post(picture("65")[:-60]), 422, "broken-image")
    is_problem(post(blank()), 422, "blank-image")
    too_large = is_problem(post(bomb(50_000, 50_000)), 413, "image-too-large")
    assert (too_large["limit"], too_large["unit"]) == (24_000_000, "pixels")
    is_problem(post(bomb(6_000, 6_000)), 413, "image-too-large")


@pytest.mark.parametrize(
    ("request_parts", "status", "name"),
    [
        (typed(b"", "image/png"), 400, "empty-body"),
        (typed(b"glyph", "text/plain"), 415, "unsupported-media-type"),
        (typed(b"glyph", "video/mp4"), 415, "unsupported-media-type"),
        ({"content": b"x", "headers": {"Content-Encoding": "gzip"}}, 415, "unsupported-media-type"),
        (typed(b"", "application/json"), 400, "empty-body"),
        (typed(b"{", "application/json"), 400, "malformed-body"),
        (typed(b"\xff\xfe", "application/json"), 400, "malformed-body"),
        (typed(b"[" * 100_000, "application/json"), 400, "malformed-body"),
        (typed(b"[]", "application/json"), 422, "invalid-request"),
        (typed(b"{}", "application/json"), 422, "invalid-request"),
        ({"json": {"image": 7}}, 422, "invalid-request"),
        ({"json": {"image": "not base64!"}}, 422, "invalid-request"),
        ({"json": {"image": "\u0639"}}, 422, "invalid-request"),
        ({"json": {"image": ""}}, 400, "empty-body"),
        ({"json": {"image": "AAAA", "k": 5}}, 422, "invalid-request"),
        ({"json": {"image": "AAAA", "metrics": {"breadth": 1}}}, 422, "invalid-request"),
        ({"json": {"image": "AAAA", "metrics": {"width": 65}}}, 422, "invalid-request"),
        (typed(b'{"image": "AAAA", "metrics": {"width": NaN}}', "application/json"), 422, "invalid-request"),
        (typed(b"x", "multipart/form-data"), 400, "malformed-body"),
        (typed(b"x", "multipart/form-data; boundary=b"), 400, "malformed-body"),
        (typed(b"", "multipart/form-data; boundary=b"), 400, "empty-body"),
        (typed(b"--b--\r\n", "multipart/form-data; boundary=b; charset=x"), 422, "invalid-request"),
        ({"files": {"picture": ("a.png", b"x")}}, 422, "invalid-request"),
        ({"files": {"image": ("a.png", b"")}}, 400, "empty-body"),
        ({"files": {"note": ("a.txt", b"x")}, "data": {"image": "AAAA"}}, 422, "invalid-request"),
        ({"files": {"image": ("a.png", b"x")}, "data": {"width": "wide"}}, 422, "invalid-request"),
        ({"files": [("image", (f"{i}.png", b"x")) for i in range(9)]}, 422, "invalid-request"),
        ({"files": [("note", (f"{i}.txt", b"x")) for i in range(1001)]}, 400, "malformed-body"),
    ],
)
def test_bodies_that_cannot_be_used_are_problems(client, is_problem, request_parts, status, name):
    is_problem(client.post("/classify", **request_parts), status, name)


@pytest.mark.parametrize("second", ["image", "file"])
def test_of_two_pictures_none_is_passed_over(client, is_problem, picture, second):
    files = [("image", ("a.png", picture("65"))), (second, ("b.png", picture("98")))]
    told = is_problem(client.post("/classify", files=files), 422, "invalid-request")
    assert "one picture only" in told["detail"]
    assert "/classify/batch" in told["detail"]


def test_what_is_wrong_in_a_body_is_named_but_not_repeated(client, is_problem):
    secret = "s3cret" * 10_000
    response = client.post("/classify", json={"image": "!" + secret, "metrics": {secret: 1, "width": secret}})
    document = is_problem(response, 422, "invalid-request")
    assert ["body", "metrics", "width"] in [error["location"] for error in document["errors"]]
    assert "!s3cret" not in response.text
    assert len(response.content) < 2000


@pytest.fixture(scope="module")
def small(serve):
    """A server that takes bodies of a thousand bytes, for half a second."""
    with serve(max_body_bytes=1000, max_upload_seconds=0.5) as running:
        yield running


@pytest.mark.parametrize("way", ["length", "chunked", "form", "json"])
def test_a_body_beyond_the_limit_is_refused(small, is_problem, way):
    data = random.Random(1).randbytes(5000)
    parts = {
        "length": {"content": data},
        "chunked": {"content": iter([data[i : i + 100] for i in range(0, 5000, 100)])},
        "form": {"files": {"image": ("a.png", data)}},
        "json": as_json(data),
    }[way]
    document = is_problem(small.client.post("/classify", **parts), 413, "body-too-large")
    assert (document["limit"], document["unit"]) == (1000, "bytes")


def talk(port, *messages):
    """Send raw bytes and read what comes back until the answer's end or a second of silence."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        for message in messages:
            connection.sendall(message)
        answer = b""
        while b"\r\n\r\n" not in answer or not answer.endswith(b"}"):
            received = connection.recv(65536)
            if not received:
                break
            answer += received
        return answer


def test_a_too_large_content_length_is_refused_before_the_body_arrives(small):
    answer = talk(small.port, b"POST /classify HTTP/1.1\r\nHost: g\r\nContent-Length: 99999999999\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"body-too-large" in answer


def test_an_endless_chunked_body_is_refused_as_soon_as_it_passes_the_limit(small):
    head = b"POST /classify HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = talk(small.port, head, b"400\r\n" + b"x" * 1024 + b"\r\n")  # and no last chunk
    assert answer.startswith(b"HTTP/1.1 413")


def test_a_body_that_does_not_arrive_is_given_up(small):
    answer = talk(small.port, b"POST /classify HTTP/1.1\r\nHost: g\r\nContent-Length: 100\r\n\r\nonly this")
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"slow-body" in answer


def test_a_client_that_leaves_in_the_middle_disturbs_nobody(small, caplog):
    with socket.create_connection(("127.0.0.1", small.port)) as connection:
        connection.sendall(b"POST /classify HTTP/1.1\r\nHost: g\r\nContent-Length: 100\r\n\r\nonly this")
    assert small.client.get("/readyz").status_code == 200
    assert "Traceback" not in caplog.text


def is_well_answered(response):
    assert response.status_code == 200 or 400 <= response.status_code < 500, response.text
    if response.status_code != 200:
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["type"].startswith("urn:glyphery:problem:")


FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
FORM = "multipart/form-data; boundary=b"
TYPES = st.sampled_from(["", "image/png", "application/json", FORM, FORM + "; charset=idna"])
PREFIXES = st.sampled_from([b"", b"--b\r\n", b'{"image": "'])
KINDS = st.sampled_from(["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"])
PARAMETERS = st.sampled_from(["k", "prior", "scripts", "charset", "labels", "width"])


@FUZZ
@given(data=st.binary(max_size=400), content_type=TYPES, prefix=PREFIXES)
def test_random_bytes_never_upset_the_service(client, data, content_type, prefix):
    is_well_answered(client.post("/classify", **typed(prefix + data, content_type)))


@FUZZ
@given(seed=st.randoms(use_true_random=False), kind=KINDS)
def test_damaged_pictures_never_upset_the_service(client, picture, seed, kind):
    data = bytearray(picture("65", 0, kind))
    for _ in range(seed.randint(1, 8)):
        data[seed.randrange(len(data))] = seed.randrange(256)
    is_well_answered(client.post("/classify", content=bytes(data[: seed.randint(1, len(data))])))


@FUZZ
@given(query=st.dictionaries(PARAMETERS, st.text()))
def test_random_parameters_never_upset_the_service(client, picture, query):
    query = {name: value.encode("utf-8", "replace").decode() for name, value in query.items()}
    is_well_answered(client.post("/classify", params=query, content=picture("65")))


def test_the_time_that_a_request_may_wait_begins_when_its_body_is_there(serve, picture):
    raster = {"name": "image", "shape": [1, 1, 128, 128], "datatype": "UINT8", "data": [0] * 128**2}
    asked = {"/classify": picture("98"), "/v2/models/stars/infer": json.dumps({"inputs": [raster]}).encode()}
    with serve(timeout=1.0) as running, ExitStack() as stack:
        begun = []
        for path, body in asked.items():
            connection = socket.create_connection(("127.0.0.1", running.port), timeout=30)
            stack.enter_context(connection)
            head = f"POST {path} HTTP/1.1\r\nHost: g\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body[:100])
            begun.append((connection, body[100:]))
        until = time.monotonic() + 30
        while running.app.state.uploads.arriving < len(begun):
            assert time.monotonic() < until
            time.sleep(0.01)
        time.sleep(1.0)
        for connection, rest in begun:
            connection.sendall(rest)
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
