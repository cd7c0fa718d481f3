"""The direct way past ASGI: the same answers as on the long way, whatever is asked and however it arrives."""

import asyncio
import json
import socket
import threading
import time
from collections import Counter

import httpx
import pytest

from service.direct import Direct
from service.keys import new_key

PLAIN = {"content-type": "image/png"}
# What a request is answered with of its own, on either way.
OWN = {"date", "x-request-id", "content-length"}

ASKED = {
    "best labels": ("/classify", PLAIN, None),
    "without a content type": ("/classify", {}, None),
    "curl's content type": ("/classify", {"content-type": "application/x-www-form-urlencoded"}, None),
    "two best": ("/classify?k=2&height=0.7&prior=uniform", PLAIN, None),
    "a script": ("/classify?scripts=arab&k=3", PLAIN, None),
    "an escape in the query": ("/classify?charset=%C3%A4b&k=3", PLAIN, None),
    "a query that is not UTF-8": ("/classify?charset=%E9", PLAIN, None),
    "a query with half a character": ("/similar?families=%C3&k=3", PLAIN, None),
    "no label left": ("/classify?scripts=Thai", PLAIN, None),
    "a bad label": ("/classify?labels=x", PLAIN, None),
    "a bad query": ("/classify?k=0&scripts=xyz", PLAIN, None),
    "too many": ("/classify?k=1000000", PLAIN, None),
    "an unknown model": ("/classify?model=none", PLAIN, None),
    "no picture": ("/classify", PLAIN, b"no picture"),
    "a broken picture": ("/classify", PLAIN, b"\x89PNG\r\n\x1a\n and no more"),
    "too late": ("/classify?timeout=0.000001", PLAIN, None),
    "an embedding": ("/embed", PLAIN, None),
    "an embedding of an unknown model": ("/embed?model=none", PLAIN, None),
    "neighbours": ("/similar?k=3", PLAIN, None),
    "neighbours of other labels": ("/similar?k=3&exclude_same=true&distinct=true", PLAIN, None),
    "neighbours of a family": ("/similar?families=Amiri", PLAIN, None),
    "a name of its own": ("/classify?k=1", PLAIN | {"x-request-id": "mine"}, None),
}


PATIENCE = "service.connections._SOON"  # seconds in which the rest of a picture has to follow


@pytest.fixture
def ways(monkeypatch):
    """How many requests went the direct way; none leaves it because this machine is busy."""
    monkeypatch.setattr(PATIENCE, 20.0)
    counts = Counter()
    ask = Direct.ask

    def counted(self, *args):
        counts["direct"] += 1
        return ask(self, *args)

    monkeypatch.setattr(Direct, "ask", counted)
    return counts


def both(client, ways, path, headers, body):
    """The answers to a body that is there at once, and to one that comes in chunks."""
    before = ways["direct"]
    direct = client.post(path, headers=headers, content=body)
    assert ways["direct"] == before + 1
    long = client.post(path, headers=headers, content=iter([body[:20], body[20:]]))
    assert ways["direct"] == before + 1
    return direct, long


def told(response):
    """All that an answer says, but for what is different with each."""
    document = response.json()
    document.pop("instance", None)
    headers = {name: value for name, value in response.headers.items() if name not in OWN}
    return response.status_code, headers, document


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
def test_both_ways_say_the_same(client, ways, picture, asked):
    path, headers, body = asked
    direct, long = both(client, ways, path, headers, body or picture("98"))
    assert told(direct) == told(long)
    assert int(direct.headers["content-length"]) == len(direct.content)
    for answer in (direct, long):
        name = answer.headers["x-request-id"]
        assert name == headers.get("x-request-id", name)
        assert answer.json().get("instance", f"urn:glyphery:request:{name}") == f"urn:glyphery:request:{name}"


def test_both_ways_are_counted_and_logged_alike(serve, ways, picture, capfd):
    with serve() as running:
        capfd.readouterr()
        for body in (picture("98"), b"no picture"):
            both(running.client, ways, "/classify?k=1", PLAIN, body)
        numbers = running.client.get("/metrics").text
        assert running.app.state.metrics.in_flight == 0
        lines = [line for line in capfd.readouterr().err.splitlines() if "POST /classify" in line]
    assert 'glyphery_requests_total{endpoint="/classify",method="POST",status="200"} 2.0' in numbers
    assert 'glyphery_requests_total{endpoint="/classify",method="POST",status="415"} 2.0' in numbers
    assert 'glyphery_problems_total{type="unsupported-image"} 2.0' in numbers

    def without_time(line):
        before, _, after = line.partition(" in ")
        return before.partition("Z ")[2], after.partition(" ms, ")[2].partition(" [")[0]

    assert len(lines) == 4
    assert without_time(lines[0]) == without_time(lines[1])
    assert without_time(lines[2]) == without_time(lines[3])
    assert "model stars" in lines[0]
    assert "problem unsupported-image" in lines[2]


def test_keys_are_asked_for_on_both_ways(serve, ways, picture, tmp_path):
    token, key = new_key("anna")
    keys = tmp_path / "keys"
    keys.write_text(f"{key}\n")
    with serve(keys=keys) as running:
        for headers, status in (({}, 401), ({"x-api-key": "wrong"}, 401), ({"x-api-key": token}, 200)):
            direct, long = both(running.client, ways, "/classify?k=1", PLAIN | headers, picture("98"))
            assert told(direct) == told(long)
            assert direct.status_code == status


def test_who_is_refused_is_told_the_same_on_both_ways(serve, ways, picture):
    with serve(executors=1, max_waiting=1) as running:
        release = threading.Event()
        running.engine.read = lambda model, glyph: release.wait(30)  # never gets to the picture
        threads = [
            threading.Thread(
                target=lambda: httpx.post(f"{running.url}/classify", content=picture("98"), trust_env=False)
            )
            for _ in range(2)
        ]
        for thread in threads:
            thread.start()
            until = time.monotonic() + 10
            while not running.engine.room._at_work + running.engine.room.waiting:
                assert time.monotonic() < until
                time.sleep(0.01)
        until = time.monotonic() + 10
        while not running.engine.room.waiting:
            assert time.monotonic() < until
            time.sleep(0.01)
        direct, long = both(running.client, ways, "/classify", PLAIN, picture("98"))
        release.set()
        for thread in threads:
            thread.join()
    assert direct.status_code == long.status_code == 429
    assert told(direct) == told(long)
    assert int(direct.headers["retry-after"]) >= 1


LONG = {
    "another endpoint": b"POST /primitives HTTP/1.1\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n",
    "another method": b"PUT /classify HTTP/1.1\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n",
    "an older protocol": b"POST /classify HTTP/1.0\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n",
    "a form": b"POST /classify HTTP/1.1\r\nContent-Type: multipart/form-data\r\nContent-Length: %d\r\n\r\n",
    "JSON": b"POST /classify HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n",
    "a compressed body": b"POST /classify HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n",
    "an expectation": b"POST /classify HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n",
    "a fragment": b"POST /classify?k=1#top HTTP/1.1\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n",
}


@pytest.mark.parametrize("head", LONG.values(), ids=LONG)
def test_what_is_asked_in_another_form_goes_the_long_way(server, ways, picture, head):
    body = picture("98")
    head = head.replace(b"\r\n", b"\r\nHost: g\r\n", 1) % len(body)
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(head + body)
        assert connection.recv(65536).startswith(b"HTTP/1.1 ")
    assert ways["direct"] == 0


@pytest.mark.parametrize("given", [{"rate_limit": 1000}, {"cors_origins": ["https://a.example"]}])
def test_where_more_is_to_be_looked_after_all_go_the_long_way(serve, ways, picture, given):
    with serve(**given) as running:
        assert running.client.post("/classify", content=picture("98")).status_code == 200
    assert ways["direct"] == 0


HEAD = b"POST /classify?k=1 HTTP/1.1\r\nHost: g\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n"


class Wire:
    """A connection on which bytes are sent as they are."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self.socket.makefile("rb")

    def answer(self):
        """Status, headers and body of the next answer."""
        status = int(self._file.readline().split()[1])
        headers = {}
        while line := self._file.readline().strip():
            name, _, value = line.decode().partition(": ")
            headers[name] = value
        return status, headers, json.loads(self._file.read(int(headers["content-length"])))

    def is_closed(self):
        return self._file.read(1) == b""


@pytest.fixture
def wire(server):
    made = Wire(server.port)
    yield made
    made.socket.close()


def test_a_picture_that_comes_in_pieces_goes_the_direct_way_if_they_follow_at_once(
    wire, ways, picture, monkeypatch
):
    body = picture("98")
    for patience, pause, direct in ((20.0, 0.01, 1), (0.05, 1.0, 1), (20.0, 0.01, 2)):
        monkeypatch.setattr(PATIENCE, patience)
        wire.socket.sendall(HEAD % len(body))
        time.sleep(pause)
        wire.socket.sendall(body[:100])
        wire.socket.sendall(body[100:])
        status, _, document = wire.answer()
        assert (status, document["predictions"][0]["label"]) == (200, "98")
        assert ways["direct"] == direct


def test_requests_that_do_not_wait_for_answers_are_answered_in_turn(wire, ways, picture):
    labels = ["98", "65", "1608_isol"]
    bodies = [picture(label) for label in labels]
    wire.socket.sendall(b"".join(HEAD % len(body) + body for body in bodies))
    assert [wire.answer()[2]["predictions"][0]["label"] for _ in labels] == labels
    assert 1 <= ways["direct"] < 3


def test_a_connection_is_closed_after_the_answer_if_the_client_wants_it(wire, ways, picture):
    body = picture("98")
    wire.socket.sendall((HEAD % len(body)).replace(b"Host: g", b"Host: g\r\nConnection: close") + body)
    status, headers, _ = wire.answer()
    assert (status, headers["connection"], ways["direct"]) == (200, "close", 1)
    assert wire.is_closed()


WISH = b"Host: g\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk"


@pytest.mark.parametrize("pieces", [1, 3])
def test_a_wish_for_another_protocol_is_passed_over(wire, ways, picture, pieces):
    labels = ["98", "65", "1608_isol"]  # as Java's client asks, whatever it is told
    asked = [(HEAD.replace(b"Host: g", WISH) % len(body), body) for body in map(picture, labels)]
    if pieces == 1:
        wire.socket.sendall(b"".join(head + body for head, body in asked))
    for (head, body), label in zip(asked, labels, strict=True):
        for piece in (head[:50], head[50:], body) if pieces == 3 else ():
            wire.socket.sendall(piece)
        status, _, document = wire.answer()
        assert (status, document["predictions"][0]["label"]) == (200, label)
    assert ways["direct"]
    head, body = asked[0]
    wire.socket.sendall(head.replace(b"Upgrade,", b"close, Upgrade,") + body)
    assert wire.answer()[1]["connection"] == "close"
    assert wire.is_closed()


def test_a_tunnel_is_refused(wire):
    wire.socket.sendall(b"CONNECT /classify HTTP/1.1\r\nHost: g\r\n\r\n")
    assert wire.answer()[0] == 405


def together(running, wire, data):
    """Send bytes so that they are there together when the server reads; it has read them on return."""
    sent = threading.Event()
    running.loop.call_soon_threadsafe(sent.wait, 30)
    wire.socket.sendall(data)
    sent.set()
    asyncio.run_coroutine_threadsafe(asyncio.sleep(0.01), running.loop).result(30)


def test_a_body_is_not_counted_as_the_next_requests_head(server, wire):
    body = b"x" * 100_000
    together(server, wire, HEAD % len(body) + body + HEAD[:20])
    assert wire.answer()[0] == 415
    wire.socket.sendall(HEAD[20:] % 1 + b"x")
    assert wire.answer()[0] == 415


def test_who_does_not_read_his_answers_is_made_to_wait(server, wire, ways, monkeypatch):
    counted = Direct.ask

    def narrow(self, scope, picture, reply):
        transport = reply.func.__self__.transport
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
        return counted(self, scope, picture, reply)

    monkeypatch.setattr(Direct, "ask", narrow)
    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
    asked = 400  # together some 330 KB of answers, of which a connection is to hold 64
    together(server, wire, (HEAD.replace(b"k=1", b"k=0") % 1 + b"x") * asked)
    assert [wire.answer()[0] for _ in range(asked)] == [422] * asked
    assert ways["direct"] < asked


def test_a_client_that_leaves_is_counted_and_nothing_is_done_for_it(serve, ways, picture, capfd):
    with serve(executors=1) as running:
        release, begun = threading.Event(), threading.Event()
        read = running.engine.read

        def slow(model, glyph):
            begun.set()
            release.wait(30)
            return read(model, glyph)

        running.engine.read = slow
        body = picture("98")
        first, second = Wire(running.port), Wire(running.port)
        first.socket.sendall(HEAD % len(body) + body)
        assert begun.wait(10)
        second.socket.sendall(HEAD % len(body) + body)
        until = time.monotonic() + 10
        while ways["direct"] < 2:
            assert time.monotonic() < until
            time.sleep(0.01)
        second.socket.shutdown(socket.SHUT_RDWR)
        until = time.monotonic() + 10
        while running.app.state.metrics.in_flight > 1:
            assert time.monotonic() < until
            time.sleep(0.01)
        release.set()
        assert first.answer()[0] == 200
        assert running.client.post("/classify", content=body).status_code == 200
        numbers = running.client.get("/metrics").text
    assert 'glyphery_glyphs_departed_total{fate="dropped"} 1.0' in numbers
    assert "POST /classify 499 in" in capfd.readouterr().err
