"""POST /classify/batch, /embed/batch: many pictures in one request."""

import asyncio
import base64
import http.client
import io
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image

from tests.service.waits import eventually

LABELS = ["65", "98", "1593_init", "1608_isol", "79", "111"]
NDJSON = {"Content-Type": "application/x-ndjson"}


def typed(content, media_type):
    return {"content": content, "headers": {"Content-Type": media_type}}


LINES = typed(b"", "application/jsonl")


def line(data, **more):
    return json.dumps({"image": base64.b64encode(data).decode(), **more}).encode() + b"\n"


def read(response):
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/x-ndjson"
    return [json.loads(text) for text in response.content.splitlines()]


def ask(client, body, path="/classify/batch", **params):
    return read(client.post(path, params=params, content=body, headers=NDJSON))


def blank():
    file = io.BytesIO()
    Image.new("L", (50, 50), 255).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def pictures(picture):
    """Forty pictures of six labels, all different."""
    return [picture(LABELS[i % 6], i) for i in range(40)]


@contextmanager
def talking(running, path="/classify/batch", buffers=None):
    """A connection with the head of a chunked request sent; see `say`."""
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=30)
    connection.sock = socket.socket()
    if buffers:
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffers)
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffers)
    connection.sock.settimeout(30)
    connection.sock.connect(("127.0.0.1", running.port))
    connection.putrequest("POST", path)
    for name, value in (NDJSON | {"Transfer-Encoding": "chunked"}).items():
        connection.putheader(name, value)
    connection.endheaders()
    try:
        yield connection
    finally:
        connection.close()


def say(connection, data):
    """Send a chunk; b"" ends the body."""
    connection.send(b"%x\r\n%s\r\n" % (len(data), data))


@contextmanager
def busy(running):
    """Keeps all executors of a server at something else."""
    go_on = threading.Event()
    engine = running.engine
    at_it = threading.Semaphore(0)

    def hold(_):
        at_it.release()
        go_on.wait(20)

    held = [
        asyncio.run_coroutine_threadsafe(engine.run(engine.models.find(), hold), running.loop)
        for _ in range(engine.alive)
    ]
    for _ in held:
        assert at_it.acquire(timeout=10)
    try:
        yield
    finally:
        go_on.set()
        for future in held:
            future.result(10)


QUERIES = [
    ("/classify", {}),
    ("/classify", {"k": 2, "prior": "uniform", "scripts": "Latn", "labels": "65,79,98"}),
    ("/embed", {}),
    ("/embed", {"model": "stars"}),
]


@pytest.mark.parametrize(("path", "params"), QUERIES)
def test_every_item_is_answered_in_order_as_the_single_endpoint_answers(client, pictures, path, params):
    metrics = [{"height": 0.5 + i / 100} if i % 3 else {} for i in range(len(pictures))]
    alone = [
        client.post(path, params=params | known, content=data).json()
        for data, known in zip(pictures, metrics, strict=True)
    ]
    body = b"".join(line(data, id=f"n° {i}", metrics=metrics[i]) for i, data in enumerate(pictures))
    answers = ask(client, body, f"{path}/batch", **params)
    assert answers == [{"index": i, "id": f"n° {i}", **answer} for i, answer in enumerate(alone)]


@pytest.mark.parametrize("path", ["/classify", "/embed"])
def test_a_form_of_many_files_is_answered_alike(client, pictures, path):
    alone = [client.post(path, content=data).json() for data in pictures]
    files = [("image", (f"{i}ع.png", data)) for i, data in enumerate(pictures)]
    answers = read(client.post(f"{path}/batch", files=files))
    assert answers == [{"index": i, "id": f"{i}ع.png", **answer} for i, answer in enumerate(alone)]


@pytest.mark.parametrize("size", [1, 7, 1000, 100_000])
def test_it_does_not_matter_where_the_body_is_cut(client, pictures, size):
    def cut(body):
        return iter([body[i : i + size] for i in range(0, len(body), size)])

    some = pictures[:3]
    expected = [{**client.post("/classify", content=data).json(), "index": i} for i, data in enumerate(some)]
    lines = b"".join(map(line, some))
    assert ask(client, cut(lines)) == [{"id": None} | answer for answer in expected]
    assert ask(client, cut(b"\r\n" + lines.replace(b"\n", b"\r\n\n").rstrip())) == ask(client, lines)
    form = client.build_request("POST", "/", files=[("file", ("x", data)) for data in some])
    answers = read(client.post("/classify/batch", **typed(cut(form.read()), form.headers["content-type"])))
    assert answers == [{"id": "x"} | answer for answer in expected]


def test_nothing_is_answered_with_nothing(client):
    assert ask(client, b"") == ask(client, b"\n\r\n  \n") == []
    empty = client.post("/embed/batch?format=npy", content=b"", headers=NDJSON)
    assert np.load(io.BytesIO(empty.content)).shape == (0, 128)


def test_what_is_wrong_with_an_item_is_its_answer_and_no_harm_to_the_others(client, picture):
    good = picture("98")
    wrong = [
        line(b""), line(b"no picture"), line(good[:-60]), line(blank()), b'{"image": "!"}\n', b"{}\n",
        b"[]\n", b"{\n", b"\xff\n", b"[" * 100_000 + b"\n", b'{"image": "AAAA", "colour": 1}\n',
        line(good, metrics={"width": 65}),
    ]  # fmt: skip
    answers = ask(client, b"".join(part + line(good) for part in wrong))
    single = client.post("/classify", content=good).json()
    assert answers[1::2] == [{"index": 2 * i + 1, "id": None, **single} for i in range(len(wrong))]
    for i, (part, answer) in enumerate(zip(wrong, answers[::2], strict=True)):
        alone = client.post("/classify", content=part, headers={"Content-Type": "application/json"}).json()
        for document in (alone, answer["problem"]):
            document.pop("instance", None)
        assert answer == {"index": 2 * i, "id": None, "problem": alone}


def test_an_item_in_which_something_else_is_wrong_keeps_its_id(client, picture):
    wrong = [
        line(blank(), id="a"),
        b'{"image": "!", "id": "b"}\n',
        b'{"id": "c"}\n',
        line(picture("65"), id="x" * 201),
    ]
    answers = ask(client, b"".join(wrong))
    assert [answer["id"] for answer in answers] == ["a", "b", "c", None]
    assert all(answer["problem"]["status"] == 422 for answer in answers)


def test_lines_are_ascii_whatever_the_id(client, picture):
    response = client.post(
        "/classify/batch", content=line(picture("65"), id="\u2028\u0639\x85"), headers=NDJSON
    )
    assert response.content.isascii()
    assert read(response)[0]["id"] == "\u2028\u0639\x85"


def test_files_that_cannot_be_used_keep_their_names(client, picture):
    files = [("image", ("empty", b"")), ("file", ("blank", blank())), ("image", ("x" * 300, picture("65")))]
    answers = read(client.post("/classify/batch", files=files))
    assert [answer["id"] for answer in answers] == ["empty", "blank", "x" * 200]
    assert [answer.get("problem", {}).get("status") for answer in answers] == [400, 422, None]


@pytest.mark.parametrize(
    ("request_parts", "params", "status", "name"),
    [
        (typed(b"", "application/json"), {}, 415, "unsupported-media-type"),
        (typed(b"", "image/png"), {}, 415, "unsupported-media-type"),
        (
            {"content": b"", "headers": NDJSON | {"Content-Encoding": "gzip"}},
            {},
            415,
            "unsupported-media-type",
        ),
        (typed(b"", "multipart/form-data"), {}, 400, "malformed-body"),
        (typed(b"x", "multipart/form-data; boundary=b"), {}, 400, "malformed-body"),
        (typed(b"x", "multipart/form-data; boundary=" + "b" * 999), {}, 400, "malformed-body"),
        ({"files": {"picture": ("a.png", b"x")}}, {}, 422, "invalid-request"),
        ({"files": {"image": (None, b"x")}}, {}, 422, "invalid-request"),
        (LINES, {"k": 101}, 422, "invalid-request"),
        (LINES, {"prior": "poetry"}, 422, "invalid-request"),
        (LINES, {"labels": "x"}, 422, "bad-label"),
        (LINES, {"scripts": "Thai"}, 422, "no-candidates"),
        (LINES, {"model": "moons"}, 404, "unknown-model"),
    ],
)
def test_a_request_that_is_wrong_as_a_whole_is_an_ordinary_problem(
    client, is_problem, request_parts, params, status, name
):
    is_problem(client.post("/classify/batch", params=params, **request_parts), status, name)


@pytest.fixture(scope="module")
def small(serve):
    """A server that takes three items, bodies of three thousand bytes, batches of fifty thousand."""
    with serve(max_items=3, max_body_bytes=3000, max_batch_bytes=50_000, max_upload_seconds=0.5) as running:
        yield running


def the_last_says(answers, name):
    assert answers[-1].keys() == {"index", "problem"}
    assert answers[-1]["index"] is None
    assert answers[-1]["problem"]["type"] == f"urn:glyphery:problem:{name}"
    return answers[-1]["problem"]


def test_more_items_than_the_limit_end_a_batch_after_those_within_it(small, picture, is_problem):
    answers = ask(small.client, line(picture("65")) * 5)
    assert [answer["index"] for answer in answers] == [0, 1, 2, None]
    problem = the_last_says(answers, "too-many-items")
    assert (problem["status"], problem["limit"], problem["unit"]) == (413, 3, "items")
    response = small.client.post("/embed/batch?format=npy", content=line(picture("65")) * 5, headers=NDJSON)
    is_problem(response, 413, "too-many-items")


def test_an_item_beyond_the_limit_of_bytes_is_skipped(small, picture):
    data = picture("65")
    assert len(data) < 3000
    answers = ask(small.client, line(data) + line(b"x" * 20_000) + line(data))
    assert [answer.get("problem", {}).get("type") for answer in answers] == [
        None, "urn:glyphery:problem:body-too-large", None
    ]  # fmt: skip
    assert answers[1]["problem"]["limit"] > 4000
    files = [("image", ("a", data)), ("image", ("b", b"x" * 3001)), ("image", ("c", data))]
    answers = read(small.client.post("/classify/batch", files=files))
    assert [answer["id"] for answer in answers if "problem" not in answer] == ["a", "c"]
    assert answers[1]["problem"]["limit"] == 3000


def test_a_batch_of_too_many_bytes_is_refused_when_that_shows(small, picture, is_problem):
    body = line(picture("65")) + line(b"x" * 60_000)
    is_problem(small.client.post("/classify/batch", content=body, headers=NDJSON), 413, "body-too-large")
    answers = ask(small.client, iter([body[i : i + 5000] for i in range(0, len(body), 5000)]))
    assert answers[0]["predictions"]
    assert the_last_says(answers, "body-too-large")["limit"] == 50_000


def test_a_form_that_breaks_off_is_answered_as_far_as_it_came(client, picture):
    form = client.build_request("POST", "/", files=[("image", (str(i), picture("65"))) for i in range(3)])
    headers = {"Content-Type": form.headers["content-type"]}
    broken = form.read()[:-500]
    answers = read(client.post("/classify/batch", content=broken, headers=headers))
    assert [answer.get("id") for answer in answers] == ["0", "1", None]
    the_last_says(answers, "malformed-body")
    boundary = form.headers["content-type"].partition("boundary=")[2].encode()
    note = b'--%s\r\nContent-Disposition: form-data; name="note"\r\n\r\nx\r\n' % boundary
    files, end = form.read().rsplit(b"--" + boundary + b"--", 1)
    answers = read(client.post("/classify/batch", content=files + note + end, headers=headers))
    assert [answer.get("id") for answer in answers] == ["0", "1", "2", None]
    assert the_last_says(answers, "invalid-request")["errors"][0]["location"] == ["body", "note"]


def test_a_body_that_stops_coming_is_given_up_but_one_that_is_slow_on_the_whole_is_not(small, picture):
    with talking(small) as connection:
        for _ in range(3):
            time.sleep(0.25)
            say(connection, line(picture("65")))
        response = connection.getresponse()
        answers = [json.loads(text) for text in response.read().splitlines()]
        assert [answer["index"] for answer in answers] == [0, 1, 2, None]
        assert the_last_says(answers, "slow-body")["status"] == 408


def test_answers_come_while_the_body_is_still_being_sent(server, picture):
    with talking(server) as connection:
        say(connection, line(picture("65"), id="first"))
        response = connection.getresponse()
        assert json.loads(response.readline())["id"] == "first"
        say(connection, line(picture("98"), id="second")[:-1])
        say(connection, b"\n")
        assert json.loads(response.readline())["id"] == "second"
        say(connection, b"")
        assert response.read() == b""
        connection.request("GET", "/healthz")  # the connection is whole
        assert connection.getresponse().status == 200


def filling(data):
    """A line of 18 kB that is answered with 5 kB: some hundreds fill the network's buffers both ways."""
    return line(data, id="\U00010000" * 200)[:-1] + b" " * 14_000 + b"\n"


def test_a_client_that_sends_everything_before_it_reads_anything_gets_all_answers(server, pictures):
    with talking(server, "/classify/batch?k=10", buffers=4096) as connection:
        for _ in range(20):
            say(connection, b"".join(map(filling, pictures)))
        say(connection, b"")
        answers = [json.loads(text) for text in connection.getresponse().read().splitlines()]
    assert [answer["index"] for answer in answers] == list(range(800))
    assert all("predictions" in answer for answer in answers)
    assert [answer["predictions"] for answer in answers[-40:]] == [
        answer["predictions"] for answer in answers[:40]
    ]


def test_a_client_that_goes_on_sending_after_its_batch_was_given_up_is_told_in_the_end(serve, pictures):
    body = b"".join(map(filling, pictures))
    with (
        serve(max_items=800) as running,
        talking(running, "/classify/batch?k=10", buffers=4096) as connection,
    ):
        for _ in range(25):
            say(connection, body)
        say(connection, b"")
        answers = [json.loads(text) for text in connection.getresponse().read().splitlines()]
        assert len(answers) == 801
        the_last_says(answers, "too-many-items")


def test_few_items_are_taken_in_before_their_turn(serve, pictures):
    with serve(executors=1, max_batch=1) as running:
        room, most = running.engine.room, 0
        with ThreadPoolExecutor(1) as pool:
            with busy(running):
                asked = pool.submit(ask, running.client, b"".join(map(line, pictures)))
                eventually(lambda: room.waiting_in_batches == 4)
                for _ in range(20):
                    time.sleep(0.005)
                    most = max(most, room.waiting_in_batches)
            assert most == 4
            assert len(asked.result(20)) == len(pictures)


@pytest.mark.parametrize("path", ["/classify/batch", "/embed/batch?format=npy"])
@pytest.mark.parametrize("whole", [True, False])
def test_nothing_more_is_done_for_a_client_that_leaves(serve, pictures, path, whole):
    with serve(executors=1, max_batch=4) as running:
        room = running.engine.room
        with busy(running):
            for _ in range(2):
                with talking(running, path) as connection:
                    say(connection, b"".join(map(line, pictures)) if whole else line(pictures[0]))
                    if whole:
                        say(connection, b"")
                    eventually(lambda: any(not work.abandoned for work in room._queues[False]))
                eventually(lambda: all(work.abandoned for work in room._queues[False]))
        assert len(ask(running.client, b"".join(map(line, pictures)))) == len(pictures)
        assert room.waiting_in_batches == 0


def test_who_waits_for_one_answer_goes_ahead_of_batches(serve, pictures):
    with serve(executors=1, max_batch=1) as running, ThreadPoolExecutor(2) as pool:
        with busy(running):
            batch = pool.submit(ask, running.client, b"".join(map(line, pictures)))
            eventually(lambda: running.engine.room.waiting_in_batches == 4)
            single = pool.submit(running.client.post, "/classify", content=pictures[0])
            eventually(lambda: running.engine.room.waiting == 1)
        assert single.result(20).status_code == 200
        assert len(batch.result(20)) == len(pictures)


def test_embeddings_come_as_one_array_too(client, pictures):
    body = b"".join(map(line, [*pictures, blank(), b"no picture", pictures[0]]))
    response = client.post("/embed/batch?format=npy", content=body, headers=NDJSON)
    assert response.headers["content-type"] == "application/x-npy"
    assert response.headers["x-glyphery-errors"] == "2"
    assert response.headers["x-glyphery-model"] == client.get("/models").json()["models"][0]["digest"]
    found = np.load(io.BytesIO(response.content))
    assert (found.shape, found.dtype) == ((43, 128), np.float32)
    assert np.isnan(found).any(axis=1).nonzero()[0].tolist() == [40, 41]
    assert np.isnan(found[40:42]).all()
    singles = [client.post("/embed", content=data).json()["embedding"] for data in (*pictures, pictures[0])]
    assert np.round(np.delete(found, [40, 41], 0).astype(float), 7).tolist() == singles


def test_a_model_that_fails_fails_item_by_item(serve, broken_bundle, pictures):
    with serve(bundles=[broken_bundle], wait=False) as running:
        answers = ask(running.client, b"".join(map(line, pictures[:2])))
        assert [answer["problem"]["type"] for answer in answers] == [
            "urn:glyphery:problem:internal-error"
        ] * 2
