"""The Python client and `--server`, against real servers: ours, and small ones that misbehave."""

import asyncio
import base64
import io
import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bundles import default_bundle
from glyphery import AsyncClient, Client
from glyphery.client import Glyph, ServiceError
from glyphs.errors import BadFont, BadInput, BadPicture
from recognition.bundle import Bundle, seal
from tests.service.waits import at_work

SILENT = Path(__file__).parents[1] / "data" / "silent.pdf"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    for name in ("GLYPHERY_SERVER", "GLYPHERY_API_KEY"):
        monkeypatch.delenv(name, raising=False)


class Asyncio:
    """An AsyncClient that is called like a Client: each call has an event loop of its own."""

    def __init__(self, *args, **kwargs):
        self.made = args, kwargs

    def __getattr__(self, name):
        def call(*args, **kwargs):
            async def ask():
                async with AsyncClient(*self.made[0], **self.made[1]) as client:
                    answer = getattr(client, name)(*args, **kwargs)
                    return [each async for each in answer] if hasattr(answer, "__aiter__") else await answer

            return asyncio.run(ask())

        return call


@pytest.fixture(params=[Client, Asyncio], ids=["blocking", "asyncio"])
def kind(request):
    return request.param


@pytest.fixture
def asking(kind, server):
    return kind(server.url, retries=0)


def document(response):
    assert response.status_code == 200, response.text
    return response.json()


def test_a_picture_is_classified_with_all_that_may_be_said_of_it(asking, server, picture):
    data = picture("79")
    expected = document(server.client.post("/classify", content=data))
    found = asking.classify(data)
    assert found.known is expected["known"]
    assert {"digest": found.model.digest, "name": found.model.name}.items() <= expected["model"].items()
    assert [(p.label, p.probability, list(p.equivalents)) for p in found.predictions] == [
        (p["label"], p["probability"], p["equivalents"]) for p in expected["predictions"]
    ]
    assert found.best.character == expected["predictions"][0]["character"]
    told = asking.classify(
        data, k=2, model="stars", prior="uniform", scripts=["Latn", "Grek"], charset="Oo", labels="79,111",
        metrics={"height": 0.5}, timeout=9,
    )  # fmt: skip
    assert [p.label for p in told.predictions] == ["111", "79"]


def test_a_picture_may_be_bytes_a_file_or_pillows(asking, picture, tmp_path):
    data = picture("1593_init")
    file = tmp_path / "ain.png"
    file.write_bytes(data)
    expected = asking.classify(data)
    image = Image.open(file)
    assert [asking.classify(way) for way in (file, str(file), image)] == [expected] * 3
    with pytest.raises(BadPicture, match=r"nowhere\.png cannot be read"):
        asking.classify(tmp_path / "nowhere.png")


@pytest.mark.filterwarnings("error::DeprecationWarning")  # of what a Pillow to come will not do
@pytest.mark.parametrize(
    "modes",
    [["CMYK"], ["F"], ["I"], ["I", "I;16"], ["LA"], ["LA", "La"], ["P"], ["PA"], ["RGBA"], ["RGBA", "RGBa"]],
    ids="-".join,
)
def test_pillows_pictures_may_be_of_any_mode(asking, picture, modes):
    image = Image.open(io.BytesIO(picture("1593_init")))
    if modes[0] == "I":  # of 16 bits
        image = Image.fromarray(np.asarray(image).astype(np.int32) * 257)
    for mode in modes:
        image = image.convert(mode)
    assert asking.classify(image).best.label == "1593_init"


def test_a_picture_of_pillows_without_pixels_cannot_be_sent(asking):
    with pytest.raises(BadPicture, match=r"The picture cannot be sent: .*empty"):
        asking.classify(Image.new("L", (0, 5)))


def test_neighbours_of_a_picture_and_of_a_label(asking, picture):
    families = ["Amiri", "Vollkorn"]
    first, *others = asking.similar(picture("98"), k=4, metrics={"height": 0.7}, families=families)
    assert (first.label, first.family, len(others)) == ("98", "Amiri", 3)
    assert first.similarity > 0.9
    assert first.raster.startswith("/references/")
    assert {n.label for n in asking.similar_to("1593_init", scripts="Arab", exclude_same=True)} == {
        "1593_isol", "1593_medi", "1608_isol"
    }  # fmt: skip
    distinct = [n.label for n in asking.similar(picture("98"), k=5, distinct=True)]
    assert len(set(distinct)) == len(distinct) == 5


def test_a_font_is_identified(asking, server, font_dir):
    path = font_dir / "phagspa.ttf"
    said = {"k": 2, "prior": "uniform", "scripts": "Latn,Arab", "charset": "AOb\u0639"}
    found = asking.identify_font(path, timeout=9, model="stars", labels=["65", "98", "1593_init"], **said)
    expected = document(
        server.client.post(
            "/fonts/identify", content=path.read_bytes(), params={**said, "labels": "65,98,1593_init"}
        )
    )
    assert json.loads(json.dumps(asdict(found))) == expected
    [face] = found.faces
    blank, shown = (
        [glyph for glyph in face.glyphs if (glyph.best is None) is none] for none in (True, False)
    )
    assert all(glyph.reason and glyph.known is None for glyph in blank)
    assert {glyph.best.label for glyph in shown} <= {"65", "98", "1593_init"}
    assert asking.identify_font(path.read_bytes()) == asking.identify_font(str(path), k=3)
    [face] = asking.identify_font(path, pictures=True).faces
    for glyph in face.glyphs:
        assert glyph.picture or not glyph.best
        if glyph.picture:
            Image.open(io.BytesIO(glyph.picture)).verify()
    with pytest.raises(BadFont, match=r"nowhere\.ttf cannot be read"):
        asking.identify_font(font_dir / "nowhere.ttf")
    with pytest.raises(ServiceError, match="no font") as refused:
        asking.identify_font(b"nothing of the kind")
    assert refused.value.type == "urn:glyphery:problem:bad-font"


@pytest.fixture(scope="module")
def shipped(serve):
    with serve(bundles=[default_bundle()]) as running:
        yield running


def test_a_document_is_repaired(kind, shipped):
    asking = kind(shipped.url, retries=0)
    said = {"scripts": "Latn,Cyrl,Zyyy", "k": 2, "model": "levit_128s", "timeout": 30}
    found = asking.repair(SILENT, **said)
    expected = document(
        shipped.client.post(
            "/documents/repair", content=SILENT.read_bytes(), params={**said, "format": "json"}
        )
    )
    assert found.document == base64.b64decode(expected["document"])
    told = json.loads(json.dumps(asdict(replace(found, document=None))))
    assert told == expected | {"document": None}
    [font] = asking.repair(SILENT, pictures=True).fonts
    assert all((code.picture is None) == (not code.predictions) for code in font.codes)
    again = asking.repair(found.document)
    assert (again.document, again.repaired) == (None, 0)
    assert asking.repair(str(SILENT), scripts=["Cyrl"], everything=True).fonts[0].unknown > 0
    with pytest.raises(BadInput, match=r"nowhere\.pdf cannot be read"):
        asking.repair("nowhere.pdf")
    with pytest.raises(ServiceError, match="no PDF") as refused:
        asking.repair(b"nothing of the kind")
    assert refused.value.type == "urn:glyphery:problem:bad-document"


def test_what_a_server_repaired_is_what_the_command_line_repairs(shipped, tmp_path):
    for name, way in (("local", ()), ("asked", ("--server", shipped.url))):
        done = run("repair", SILENT, "--out", tmp_path / f"{name}.pdf", *way, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "63 codes say what they show" in done.stderr
    assert (tmp_path / "local.pdf").read_bytes() == (tmp_path / "asked.pdf").read_bytes()
    (tmp_path / "no.pdf").write_text("nothing of the kind")
    done = run("repair", "no.pdf", "--out", "out.pdf", "--server", shipped.url, cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("glyphery: no.pdf: It is no PDF")
    assert not (tmp_path / "out.pdf").exists()


def test_embeddings_are_arrays(asking, server, picture):
    found = asking.embed(picture("98"), metrics={"width": 0.5}, model="stars", timeout=5)
    assert (found.shape, found.dtype) == ((128,), np.float32)
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-5)
    by_hand = document(server.client.post("/embed?width=0.5", content=picture("98")))["embedding"]
    assert found.tolist() == np.array(by_hand, np.float32).tolist()


def test_models_and_readiness(asking, kind):
    [model] = asking.models()
    assert (model.name, model.embedding, model.index) == ("stars", 128, True)
    assert model.raster["size"] == 128
    assert model.primitives is False
    assert asking.ready()
    assert not kind("http://127.0.0.1:1").ready()


def test_a_batch_of_any_size_is_answered_in_order(asking, picture):
    some = [picture(label, i) for i in range(5) for label in ("65", "98", "1608_isol", "79")]
    alone = [asking.classify(data, k=2) for data in some]
    told = []
    found = list(asking.classify_batch(iter(some * 30), k=2, progress=told.append))
    assert found == alone * 30
    assert told == list(range(1, 601))


def test_a_batch_takes_its_pictures_as_it_needs_them(server, picture):
    taken = []

    def pictures():
        for i in range(1000):
            taken.append(i)
            yield picture("65")

    with Client(server.url) as client:
        found = client.classify_batch(pictures())
        assert not taken
        assert next(found).best.label == "65"
        assert 0 < len(taken) < 500
        found.close()
        assert client.classify(picture("98")).best.label == "98"


def test_metrics_go_with_each_picture_of_a_batch(asking, picture):
    metrics = [{"height": 0.7}, {"height": np.float32(0.5)}, None]
    only = {"labels": ["79", "111"], "prior": "uniform"}
    expected = [asking.classify(picture("79"), metrics=known, **only) for known in metrics]
    assert list(asking.classify_batch([Glyph(picture("79"), known) for known in metrics], **only)) == expected
    assert [found.best.label for found in expected[:2]] == ["79", "111"]


def test_what_is_wrong_with_an_item_is_raised_or_returned_as_one_chooses(asking, picture):
    pictures = [picture("65")] * 300 + [b"no picture", picture("98")]
    with pytest.raises(ServiceError, match="Item 300: ") as raised:
        list(asking.classify_batch(pictures))
    assert (raised.value.index, raised.value.status) == (300, 415)
    *_, wrong, last = asking.classify_batch(pictures, errors="return")
    assert isinstance(wrong, ServiceError)
    assert (wrong.type, wrong.index) == ("urn:glyphery:problem:unsupported-image", 300)
    assert last.best.label == "98"


def test_what_comes_before_a_file_that_cannot_be_read_is_answered(kind, server, picture, tmp_path):
    for errors in ("raise", "return"):
        told = []
        pictures = [picture("65"), picture("98"), tmp_path / "nowhere.png", picture("65")]
        with pytest.raises(BadPicture, match=r"nowhere\.png cannot be read"):
            list(kind(server.url).classify_batch(pictures, errors=errors, progress=told.append))
        assert told == [1, 2]


def test_embeddings_of_a_batch_are_one_array(asking, picture):
    told = []
    found = asking.embed_batch(
        [picture("65"), b"x", picture("98")] * 100, model="stars", progress=told.append
    )
    assert (found.shape, found.dtype, told) == ((300, 128), np.float32, [256, 300])
    assert np.isnan(found[1::3]).all()
    assert np.abs(found[0] - asking.embed(picture("65"))).max() < 1e-6
    assert asking.embed_batch([]).shape == (0, 0)
    assert list(asking.classify_batch([])) == []


def test_embeddings_of_a_batch_are_of_one_model_whatever_takes_its_name(
    kind, serve, bundle, naming_bundle, picture, tmp_path
):
    keys = tmp_path / "keys.txt"
    keys.write_text(f"admin:{sha256(b'the-key').hexdigest()}:admin\n")
    namesake = shutil.copytree(naming_bundle, tmp_path / "namesake")
    seal(namesake, Bundle.load(bundle).manifest)
    with serve(keys=keys) as running:

        def pictures():
            yield from [picture("65")] * 256
            load = {"headers": {"X-API-Key": "the-key"}, "json": {"path": str(namesake)}}
            assert document(running.client.post("/admin/models/stars/load", **load))["replaced"]
            yield picture("65")

        with pytest.raises(ServiceError) as raised:
            kind(running.url, api_key="the-key").embed_batch(pictures())
        assert raised.value.type == "urn:glyphery:problem:unknown-model"


def test_problems_are_raised_as_the_service_says_them(asking, picture):
    with pytest.raises(ServiceError, match="The models served here are stars") as raised:
        asking.classify(picture("65"), model="moons")
    error = raised.value
    assert (error.type, error.status, error.exit_code) == ("urn:glyphery:problem:unknown-model", 404, 2)
    assert error.detail == str(error)
    with pytest.raises(ServiceError) as raised:
        list(asking.classify_batch([picture("65")], model="moons"))
    assert (raised.value.status, raised.value.index) == (404, None)


def test_misspelt_options_are_not_passed_over(asking, picture):
    with pytest.raises(TypeError, match="colour"):
        asking.classify(picture("65"), colour="red")
    with pytest.raises(TypeError, match="breadth"):
        asking.classify(picture("65"), metrics={"breadth": 1})
    with pytest.raises(BadInput, match="ignore"):
        asking.classify_batch([], errors="ignore")


def test_characters_that_cannot_be_sent_are_said_to_be_such(asking, picture):
    with pytest.raises(BadInput, match=r"^charset has characters that cannot be sent\.$"):
        asking.classify(picture("65"), charset="A\udcff")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("all_proxy", "socks5://127.0.0.1:1"),
        ("http_proxy", "foo://127.0.0.1"),
        ("http_proxy", "http://127.0.0.1:port"),
        ("SSL_CERT_FILE", "/nonexist"),
    ],
)
def test_an_environment_that_allows_no_connection_is_one_line(kind, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(
        BadInput, match=r"^No connection can be made as the environment says: .*[^.]\. See ALL_PRO"
    ):
        kind("http://127.0.0.1:1").models()


def test_a_password_of_an_address_is_sent_but_not_told(kind):
    with scripted(NO_MODELS, (502, {}, b"<html>")) as server:
        client = kind(server.url.replace("://", "://u:s:ecret@"))
        assert client.models() == []
        with pytest.raises(ServiceError, match=r"http://u:\*\*\*@127\.0\.0\.1:\d+ answers 502 Bad Gateway"):
            client.models()
        assert {headers["Authorization"] for _, _, headers in server.requests} == {"Basic dTpzOmVjcmV0"}
    for address in ("http://u:secret@127.0.0.1:1", "u:secret@localhost:eighty", "foo://u:secret@localhost"):
        with pytest.raises((BadInput, ServiceError)) as refused:
            kind(address, retries=0).models()
        assert "u:***@" in str(refused.value)
        assert "secret" not in str(refused.value)


def test_an_address_needs_no_scheme_and_may_come_from_the_environment(kind, server, monkeypatch):
    assert kind(server.url.removeprefix("http://")).ready()
    monkeypatch.setenv("GLYPHERY_SERVER", server.url)
    assert kind().ready()
    with pytest.raises(BadInput, match="no address"):
        kind("http://localhost:eighty").ready()


def test_a_server_that_cannot_be_reached_is_one_line(kind):
    with pytest.raises(
        ServiceError, match=r"connection to http://127\.0\.0\.1:1 failed: .*(refused|failed)"
    ) as raised:
        kind("http://127.0.0.1:1", retries=1).models()
    assert (raised.value.status, raised.value.exit_code) == (0, 1)
    assert "\n" not in str(raised.value)


class Script(BaseHTTPRequestHandler):
    """Answers each request with the next of the server's answers: status, headers, body.

    A body longer than its Content-Length says is cut off there; None hangs up.
    """

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append((time.monotonic(), self.path, dict(self.headers)))
        answer = self.server.answers.pop(0)
        if answer is None:
            self.close_connection = True
            return
        status, headers, body = answer
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = int(headers.get("Content-Length", 0)) > len(body)

    do_POST = do_DELETE = do_GET

    def log_message(self, *_):
        pass


@contextmanager
def scripted(*answers):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Script)
    server.answers, server.requests = list(answers), []
    server.url = f"http://127.0.0.1:{server.server_port}"
    with at_work(server):
        yield server


def refusal(status, **headers):
    problem = {"type": "urn:glyphery:problem:overloaded", "status": status, "detail": "Later."}
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, headers, json.dumps(problem).encode()


NO_MODELS = 200, {}, b'{"models": []}'
MODEL = {"name": "m", "version": "1", "digest": "d"}
LINE = json.dumps({"index": 0, "id": None, "model": MODEL, "known": True, "predictions": []}).encode() + b"\n"


def test_what_is_refused_for_the_moment_is_asked_again_as_late_as_the_service_wishes(kind):
    with scripted(refusal(429, Retry_After="1"), None, refusal(503), NO_MODELS) as server:
        assert kind(server.url).models() == []
        first, second, *_ = (at for at, _, _ in server.requests)
        assert len(server.requests) == 4
        assert second - first >= 1  # not a limit on time: sooner would be too soon


TOMORROW = datetime.now(UTC) + timedelta(days=1)


@pytest.mark.parametrize(
    ("after", "least", "most"),
    [
        ("3600", 3600, 3600),
        ("1" + "0" * 5000, 3600, np.inf),
        (format_datetime(TOMORROW, usegmt=True), 1, 86400),
        (TOMORROW.strftime("%a %b %d %H:%M:%S %Y"), 1, 86400),  # asctime's, which HTTP allows
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),
        ("Wed, 21 Oct 99999 07:28:00 GMT", 0, 0),
        ("Mon, 01 Jan 2024 00:00:00 +99999999999999999999", 0, 0),
        ("-5", 0, 0),
        ("soon", 0, 0),
    ],
)
def test_how_long_to_wait_is_told_in_seconds_or_by_a_date_and_by_a_gateway_too(kind, after, least, most):
    for status, headers, body in (refusal(503, Retry_After=after), (503, {"Retry-After": after}, b"<html>")):
        with scripted(*[(status, headers, body)] * 2) as server:
            with pytest.raises(ServiceError) as raised:
                kind(server.url, retries=1).models()
            assert least <= raised.value.retry_after <= most
            assert len(server.requests) == (1 if least else 2)


@pytest.mark.parametrize(
    ("answers", "retries", "requests"),
    [
        ([refusal(503)] * 3, 2, 3),
        ([refusal(503)] * 3, 0, 1),
        ([refusal(429, Retry_After="3600")] * 3, 3, 1),
        ([refusal(504)] * 3, 3, 1),
        ([refusal(422)] * 3, 3, 1),
        ([None] * 3, 1, 2),
    ],
)
def test_there_is_an_end_to_asking(kind, answers, retries, requests):
    with scripted(*answers) as server:
        with pytest.raises(ServiceError, match=r"Later\.|failed"):
            kind(server.url, retries=retries).models()
        assert len(server.requests) == requests


def test_what_is_not_to_be_done_twice_is_asked_again_only_where_it_was_refused(kind):
    asked = [
        lambda client: client.score_fonts(("a.ttf", b"a font")),
        lambda client: client.cancel("5e0d"),
    ]
    for ask in asked:
        with scripted(refusal(503), None) as server:
            with pytest.raises(
                ServiceError, match=r"failed: .*\. What was asked may have been done all the same"
            ):
                ask(kind(server.url))
            assert len(server.requests) == 2
        with pytest.raises(ServiceError, match=r"failed: [^.]*\.$") as raised:
            ask(kind("http://127.0.0.1:1", retries=0))
        assert raised.value.transient
    with scripted(None, (200, {}, b"")) as server:
        kind(server.url).cancel("5e0d", keep=True)
        assert [path for _, path, _ in server.requests] == ["/jobs/5e0d?keep=true"] * 2


def test_a_request_of_a_batch_is_repeated_until_its_first_answer(kind):
    with scripted(refusal(503), None, (200, {}, LINE)) as server:
        assert [found.known for found in kind(server.url).classify_batch([b"x"])] == [True]
        assert len(server.requests) == 3
    with scripted((200, {"Content-Length": "9999"}, LINE), (200, {}, LINE)) as server:
        with pytest.raises(ServiceError, match="failed"):
            list(kind(server.url).classify_batch([b"x", b"y"]))
        assert len(server.requests) == 1
    with scripted((200, {}, LINE)) as server, pytest.raises(ServiceError, match=r"1 items .* not answered"):
        list(kind(server.url).classify_batch([b"x", b"y"]))


def test_a_problem_of_the_whole_batch_is_raised_whatever_becomes_of_items(kind):
    whole = {"index": None, "problem": {"type": "t", "title": "T", "status": 408, "detail": "Too slow."}}
    with scripted((200, {}, LINE + json.dumps(whole).encode() + b"\n")) as server:
        with pytest.raises(ServiceError, match=r"^Too slow\.$") as raised:
            list(kind(server.url).classify_batch([b"x", b"y"], errors="return"))
        assert raised.value.index is None


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"models": 3}', b"[" * 200_000])
def test_what_is_no_answer_of_ours_is_said_to_be_none(kind, body):
    with scripted((200, {}, body), (502, {}, body)) as server:
        with pytest.raises(ServiceError, match="not one of a Glyphery service"):
            kind(server.url).models()
        with pytest.raises(ServiceError, match="answers 502 Bad Gateway") as raised:
            kind(server.url).models()
        assert raised.value.status == 502


def test_an_older_service_says_less(kind):
    glyph = {
        "glyph": 1,
        "name": "a",
        "mapped": [],
        "known": None,
        "predictions": [],
        "reason": "It has no ink.",
    }
    answer = {
        "model": {"name": "a", "version": "1", "digest": "b"},
        "faces": [{"face": 0, "family": "A", "style": "B", "glyphs": [glyph]}],
    }
    with scripted((200, {}, json.dumps(answer).encode())) as server:
        [face] = kind(server.url).identify_font(b"a font").faces
    assert [(glyph.reason, glyph.advance, glyph.picture) for glyph in face.glyphs] == [
        ("It has no ink.", None, None)
    ]


def test_what_an_older_service_does_not_know_is_said_to_be_that(kind):
    problem = {"type": "urn:glyphery:problem:not-found", "status": 404, "detail": "POST: Not Found."}
    with scripted((404, {}, json.dumps(problem).encode())) as server:
        said = rf"{server.url} does not know POST /documents/repair: it may be older than this client"
        with pytest.raises(ServiceError, match=said) as refused:
            kind(server.url).repair(SILENT)
    assert (refused.value.type, refused.value.status) == (problem["type"], 404)


def test_the_key_is_sent_as_bearer(kind, monkeypatch):
    with scripted(NO_MODELS, NO_MODELS, NO_MODELS) as server:
        kind(server.url).models()
        kind(server.url, api_key="one").models()
        monkeypatch.setenv("GLYPHERY_API_KEY", "two\n")  # as of a file
        kind(server.url).models()
        assert [headers.get("Authorization") for _, _, headers in server.requests] == [
            None, "Bearer one", "Bearer two"
        ]  # fmt: skip


def test_a_body_that_is_not_packed_as_it_says_is_one_line(kind):
    packed = {"Content-Encoding": "gzip"}
    with scripted((200, packed, b"{}"), (503, packed, b"{}"), (200, packed, b"{}")) as server:
        client = kind(server.url)
        for ask in (client.models, client.models, lambda: list(client.classify_batch([b"x"]))):
            with pytest.raises(ServiceError, match="failed: Error"):
                ask()
        assert not kind(server.url).ready()


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize(
    "body",
    [
        b"", b"PK\3\4 a zip", b"\x80\4 a pickle", b"\x93NUMPY\1\0\6\0{((((\n",
        b"\x93NUMPY\1\0\xff\xff" + b"(" * 65534 + b"\n", npy(np.float32(1)), npy(np.zeros((3, 8), "f4")),
    ],
    ids=["nothing", "zip", "pickle", "header", "deep header", "a number", "other rows"],
)  # fmt: skip
def test_what_are_no_embeddings_is_said_to_be_none(kind, body):
    headers = {"X-Glyphery-Model": "d"}
    not_ours = pytest.raises(ServiceError, match="not one of a Glyphery service")
    with scripted((200, headers, body)) as server, not_ours:
        kind(server.url).embed_batch([b"x", b"y"])


@pytest.mark.parametrize("key", ["\N{LATIN SMALL LETTER E WITH ACUTE}", "one\ntwo", "one\0"])
def test_a_key_that_cannot_be_sent_is_said_to_be_such_and_not_printed(kind, server, key):
    with pytest.raises(BadInput, match=r"^The API key has characters that cannot be sent\.$"):
        kind(server.url, api_key=key).models()


def test_the_client_is_loaded_when_it_is_asked_for():
    code = (
        "import sys, glyphery.cli; print('httpx' in sys.modules);"
        "from glyphery import Client; print('httpx' in sys.modules, Client.__name__)"
    )
    said = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert said.split() == ["False", "True", "Client"]
    with pytest.raises(ImportError):
        from glyphery import Server  # noqa: F401


def run(*arguments, cwd=None, **environment):
    program = Path(sys.executable).with_name("glyphery")
    return subprocess.run(
        [program, *map(str, arguments)], cwd=cwd, env=os.environ | environment, capture_output=True,
        text=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def files(picture, font_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    shutil.copy(font_dir / "phagspa.ttf", folder / "font.ttf")
    for i, label in enumerate(["65", "98", "1593_init", "79", "1608_isol"]):
        (folder / f"{i}.png").write_bytes(picture(label))
    blank = io.BytesIO()
    Image.new("L", (9, 9), 255).save(blank, "PNG")
    (folder / "blank.png").write_bytes(blank.getvalue())
    return folder


@pytest.mark.parametrize(
    "arguments",
    [
        ("classify", "0.png", "-k", 2),
        ("classify", "0.png", "1.png", "--json", "--prior", "uniform", "--scripts", "latn,Grek"),
        ("classify", *(f"{i}.png" for i in range(5)), "--json", "--charset", "AOb\u0639\u0648"),
        ("classify", "1.png", "--json", "--width", 0.5, "--height", 0.7, "--bottom", -0.1, "--advance", 0.6),
        ("similar", "2.png", "-k", 3, "--json", "--scripts", "latn"),
        ("similar", "2.png", "-k", 3, "--others"),
        ("similar", "1593_init", "--scripts", "Arab", "--others", "--json"),
        ("identify", "font.ttf"),
        (
            "identify",
            "font.ttf",
            "-k",
            2,
            "--json",
            "--prior",
            "uniform",
            "--scripts",
            "latn",
            "--charset",
            "AOb",
        ),
    ],
)
def test_a_server_answers_on_the_command_line_as_its_bundle_does(server, bundle, files, arguments):
    local = run(*arguments, "--bundle", bundle, cwd=files)
    assert local.returncode == 0, local.stderr
    assert local.stdout
    asked = run(*arguments, "--server", server.url, cwd=files)
    assert (asked.stdout, asked.stderr, asked.returncode) == (local.stdout, "", 0)
    if arguments[0] != "classify":
        assert run(*arguments, cwd=files, GLYPHERY_SERVER=server.url).stdout == local.stdout


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        (("classify", "blank.png"), "blank.png: ", 2),
        (("classify", "nowhere.png"), "nowhere.png cannot be read", 2),
        (("classify", "0.png", "--scripts", "Thai"), "No", 2),
        (("classify", "0.png", "--prior", "x"), "prior", 2),
        (("classify", "0.png", "--bundle", "b"), "--bundle or --server", 2),
        (("similar", "neither"), "neither a file nor a label", 2),
        (("similar", "122"), "122", 2),
        (("similar", "x" * 5000), "neither a file nor a label", 2),
        (("classify", "x" * 5000), "cannot be read: File name too long", 2),
        (("similar", "blank.png"), "blank.png: ", 2),
        (("identify", "blank.png"), "blank.png: It is no font", 2),
        (("identify", "font.ttf", "--scripts", "Thai"), "No", 2),
        (("identify", "font.ttf", "--bundle", "b"), "--bundle or --server", 2),
    ],
)
def test_mistakes_with_a_server_get_one_line_and_an_exit_code(server, files, arguments, said, code):
    done = run(*arguments, "--server", server.url, cwd=files)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("glyphery: ")
    assert said in done.stderr


def test_what_a_server_identified_is_written_as_what_its_bundle_did(server, bundle, files, tmp_path):
    for name, way in (("local", ("--bundle", bundle)), ("asked", ("--server", server.url))):
        out = [tmp_path / f"{name}{suffix}" for suffix in (".jsonl", ".csv")]
        done = run(
            "identify", "font.ttf", *(part for path in out for part in ("--out", path)), *way, cwd=files
        )
        assert done.returncode == 0, done.stderr
    for suffix in (".jsonl", ".csv"):
        local, asked = (tmp_path / f"{name}{suffix}" for name in ("local", "asked"))
        assert local.read_text() == asked.read_text() != ""


def test_what_comes_before_a_mistake_is_answered(server, files):
    names = "0.png", "1.png", "2.png", "3.png", "blank.png"
    done = run("classify", *names, "--json", "--server", server.url, cwd=files)
    assert [json.loads(line)["file"] for line in done.stdout.splitlines()] == list(names[:4])
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("glyphery: blank.png: ")


def test_a_server_that_is_not_there_gets_one_line(files):
    done = run("classify", "0.png", "--server", "127.0.0.1:1", cwd=files)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "127.0.0.1:1 failed" in done.stderr
