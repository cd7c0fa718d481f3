"""Who may ask, and how often; what browsers may do; how long a client may take to say what it wants."""

import os
import socket
import time
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from service.access import Buckets, check_access
from service.app import create_app
from service.errors import BadSettings
from service.keys import KeyRing, find_key, read_keys
from service.run import serve as run
from service.settings import Settings
from tests.service.waits import eventually

KEY, OTHER, ADMIN = "a-key-of-the-press", "another-key", "the-admins-key"


def line(name, key, rest=""):
    return f"{name}:{sha256(key.encode()).hexdigest()}{rest}\n"


def write(file, text):
    """Replace the file as `glyphery keys` does."""
    unfinished = file.with_suffix(".tmp")
    unfinished.write_text(text)
    os.replace(unfinished, file)


@pytest.fixture
def file(tmp_path):
    found = tmp_path / "keys.txt"
    found.write_text("# keys\n\n" + line("press", KEY) + line("admin", ADMIN, ":admin  # ours"))
    return found


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    found = tmp_path_factory.mktemp("keys") / "keys.txt"
    found.write_text(line("press", KEY) + line("other", OTHER) + line("admin", ADMIN, ":admin"))
    return found


@pytest.fixture(scope="module")
def locked(serve, keys):
    """A server that asks for keys."""
    with serve(keys=keys) as running:
        yield running.client


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


LOAD = "/admin/models/stars/load"


@pytest.mark.parametrize("host", ["0.0.0.0", "", "::", "192.0.2.7", "example.org", "127.0.0.1.example.org"])
def test_listening_to_anybody_needs_keys_or_a_word(host, file):
    with pytest.raises(BadSettings, match="--open-access") as raised:
        run(Settings(host=host))
    assert "\n" not in str(raised.value)
    check_access(Settings(host=host, keys=file))
    check_access(Settings(host=host, open_access=True))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_a_loopback_address_needs_neither(host):
    check_access(Settings(host=host))


def test_a_file_without_keys_lets_nobody_in(serve, tmp_path, picture, is_problem):
    nobody = tmp_path / "keys.txt"
    nobody.write_text("# all revoked\n")
    check_access(Settings(host="0.0.0.0", keys=nobody))
    with serve(keys=nobody) as running:
        is_problem(running.client.post("/classify", content=picture("98")), 401, "unauthorized")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("press", "Line 1"),
        ("# fine\npress:abc", "Line 2"),
        ("press:" + "x" * 64, "Line 1"),
        (line("press", KEY).strip() + ":root", "Line 1"),
        (line("the press", KEY), "Line 1"),
        (line("press", KEY) + line("press", OTHER), "second key press"),
        (b"\xff\xfe", "UTF-8"),
        (None, "cannot be read"),
    ],
)
def test_a_broken_file_is_refused_before_anything_listens(tmp_path, text, said):
    found = tmp_path / "keys.txt"
    if text is not None:
        found.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(BadSettings, match=said) as raised:
        run(Settings(keys=found))
    assert "\n" not in str(raised.value)


def test_a_line_is_a_name_a_hash_and_perhaps_admin(file):
    press, admin = read_keys(file)
    assert (press.name, press.admin, admin.name, admin.admin) == ("press", False, "admin", True)
    assert find_key([press, admin], KEY) == press
    assert find_key([press, admin], press.digest) is None
    assert find_key([press, admin], "") is None


def test_the_service_follows_its_file_and_survives_a_broken_one(file, caplog):
    ring = KeyRing(file)
    write(file, line("other", OTHER))
    assert [key.name for key in ring.keys] == ["other"]
    write(file, "nonsense\n")
    assert [key.name for key in ring.keys] == ["other"]
    assert [key.name for key in ring.keys] == ["other"]
    assert len(caplog.records) == 1
    assert "Line 1" in caplog.text
    file.unlink()
    assert [key.name for key in ring.keys] == ["other"]
    assert len(caplog.records) == 2
    write(file, line("press", KEY))
    assert [key.name for key in ring.keys] == ["press"]


def test_a_revoked_key_is_refused_at_once(serve, file, is_problem):
    with serve(keys=file) as running:
        assert running.client.get("/models", headers=bearer(KEY)).status_code == 200
        write(file, line("other", OTHER))
        is_problem(running.client.get("/models", headers=bearer(KEY)), 401, "unauthorized")
        assert running.client.get("/models", headers=bearer(OTHER)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        bearer(KEY), {"Authorization": f"bearer {KEY}"}, {"X-API-Key": KEY}, bearer(OTHER), bearer(ADMIN),
        {"X-API-Key": KEY, "Authorization": "Basic cHJveHk6cHJveHk="},
    ],
)  # fmt: skip
def test_every_key_opens_the_service_either_way(locked, picture, headers):
    response = locked.post("/classify", content=picture("98"), headers=headers)
    assert response.json()["predictions"][0]["label"] == "98"


@pytest.mark.parametrize(
    "headers",
    [
        {}, {"Authorization": "Bearer"}, {"Authorization": KEY}, {"Authorization": f"Basic {KEY}"},
        bearer("wrong"), bearer(KEY + "x"), {"X-API-Key": ""}, {"X-API-Key": b"\xff"},
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "path", ["/classify", "/models", "/metrics", "/docs", "/openapi.json", "/nothing", LOAD]
)
def test_without_a_key_nothing_is_told(locked, is_problem, path, headers):
    response = locked.post(path, headers=headers) if path == LOAD else locked.get(path, headers=headers)
    is_problem(response, 401, "unauthorized")
    assert response.headers["www-authenticate"] == "Bearer"


def test_a_body_is_not_read_without_a_key(locked, is_problem):
    is_problem(locked.post("/classify", content=b"x" * 9_000_000), 401, "unauthorized")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"])
def test_probes_need_no_key(locked, path):
    assert locked.get(path).status_code == 200


@pytest.mark.parametrize("path", [LOAD, "/admin", "/admin/", "/admin/nothing", "/%61dmin/models/stars/load"])
def test_admin_is_for_admins(locked, is_problem, path):
    is_problem(locked.post(path, headers=bearer(KEY)), 403, "forbidden")
    assert locked.post(path, headers=bearer(ADMIN)).status_code == (200 if path.endswith("load") else 404)


def test_admin_is_closed_where_there_is_no_admin_key(serve, client, tmp_path, is_problem):
    is_problem(client.post(LOAD), 403, "forbidden")  # on a loopback address, without keys
    only = tmp_path / "keys.txt"
    only.write_text(line("press", KEY))
    with serve(keys=only) as running:
        is_problem(running.client.post(LOAD, headers=bearer(KEY)), 403, "forbidden")


def test_a_prefix_before_all_paths_changes_nothing(bundle, keys, is_problem):
    app = create_app(Settings(bundles=[bundle], executors=1, jobs="", keys=keys))
    with TestClient(app, root_path="/glyphs") as client:
        assert client.get("/glyphs/healthz").status_code == 200
        is_problem(client.get("/glyphs/models"), 401, "unauthorized")
        is_problem(client.post(f"/glyphs{LOAD}", headers=bearer(KEY)), 403, "forbidden")
        assert client.post(f"/glyphs{LOAD}", headers=bearer(ADMIN)).status_code == 200
        is_problem(client.post(f"/glyphsome{LOAD}", headers=bearer(KEY)), 404, "not-found")
        assert client.get("/glyphs/v2/models/none", headers=bearer(KEY)).json()["error"]
        app.state.engine.room.close()
        is_problem(client.post("/glyphs/classify", headers=bearer(KEY)), 503, "not-ready")  # before its body
        counted = client.get("/glyphs/metrics", headers=bearer(KEY)).text
    assert 'glyphery_requests_total{endpoint="/models",method="GET",status="401"} 1.0' in counted


def test_the_description_says_how_a_key_is_sent(client, locked):
    assert "security" not in client.get("/openapi.json").json()
    document = locked.get("/openapi.json", headers=bearer(KEY)).json()
    schemes = document["components"]["securitySchemes"]
    assert [{name: []} for name in schemes] == document["security"]


def test_a_client_that_asks_too_often_is_told_when_to_come_back(serve, is_problem):
    with serve(rate_limit=0.001, rate_burst=2) as running:
        assert [running.client.get("/models").status_code for _ in range(2)] == [200, 200]
        refused = running.client.get("/models")
        document = is_problem(refused, 429, "rate-limited")
        assert 0 < int(refused.headers["retry-after"]) == document["retry_after"] <= 1000
        assert running.client.get("/readyz").status_code == 200


def test_each_key_has_a_bucket_of_its_own(serve, keys):
    with serve(keys=keys, rate_limit=0.001, rate_burst=1) as running:

        def ask(key):
            return running.client.get("/models", headers=bearer(key)).status_code

        assert [ask(KEY), ask(KEY), ask(OTHER), ask("wrong"), ask(OTHER)] == [200, 429, 200, 401, 429]


def test_a_bucket_fills_at_its_rate_to_its_size():
    buckets = Buckets(rate=2, burst=3)
    assert [buckets.take("a", 100.0) for _ in range(4)] == [0, 0, 0, pytest.approx(0.5)]
    assert buckets.take("b", 100.0) == 0
    assert buckets.take("a", 100.5) == 0
    assert buckets.take("a", 100.5) == pytest.approx(0.5)
    assert [buckets.take("a", 1000.0) for _ in range(4)] == [0, 0, 0, pytest.approx(0.5)]


def test_buckets_are_bounded_and_the_least_used_is_forgotten():
    buckets = Buckets(rate=0.001, burst=1, most=2)
    for caller in ("a", "b", "c"):
        assert buckets.take(caller, 100.0) == 0
    assert len(buckets) == 2
    assert buckets.take("c", 100.0) > 0
    assert buckets.take("a", 100.0) == 0


@given(rate=st.floats(0.1, 1000), burst=st.integers(1, 50), pauses=st.lists(st.floats(0, 10), max_size=100))
def test_no_caller_gets_more_than_burst_and_rate_allow(rate, burst, pauses):
    buckets, now, taken = Buckets(rate, burst), 1e6, 0
    for pause in pauses:
        now += pause
        taken += buckets.take("a", now) == 0
        assert taken <= burst + rate * (now - 1e6) + 1e-3
    assert taken or not pauses


def test_answers_tell_browsers_to_keep_to_themselves(client):
    for path in ("/models", "/nothing", "/references/0.png"):
        headers = client.get(path).headers
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert "access-control-allow-origin" not in headers


def test_the_page_of_the_description_may_load_its_scripts(client):
    headers = client.get("/docs").headers
    assert headers["x-frame-options"] == "DENY"
    assert "content-security-policy" not in headers


def test_pages_of_the_named_origins_may_ask_and_no_others(serve, keys, is_problem):
    settings = Settings(cors_origins="https://a.example, https://b.example")
    assert settings.cors_origins == ("https://a.example", "https://b.example")
    with serve(keys=keys, cors_origins=settings.cors_origins) as running:
        before = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"}
        allowed = running.client.options("/classify", headers={"Origin": "https://b.example", **before})
        assert allowed.status_code == 200
        assert allowed.headers["access-control-allow-origin"] == "https://b.example"
        refused = running.client.options("/classify", headers={"Origin": "https://c.example", **before})
        assert refused.status_code == 400
        assert "access-control-allow-origin" not in refused.headers
        response = running.client.get("/models", headers={"Origin": "https://a.example"})
        is_problem(response, 401, "unauthorized")  # which the page may read
        assert response.headers["access-control-allow-origin"] == "https://a.example"
        assert "cross-origin-resource-policy" not in response.headers


HEAD = b"POST /classify HTTP/1.1\r\nHost: g\r\n"


def test_more_bodies_at_once_than_are_allowed_are_refused(serve, picture, is_problem, monkeypatch):
    with serve(max_uploads=2) as running:
        connections = []
        for _ in range(2):
            connection = socket.create_connection(("127.0.0.1", running.port), timeout=30)
            connection.sendall(HEAD + b"Content-Length: 100\r\n\r\nhalf")
            connections.append(connection)
        eventually(lambda: running.app.state.uploads.arriving == 2)
        body = picture("98")
        monkeypatch.setattr("service.connections._SOON", 20.0)  # this machine may be busy
        assert running.client.post("/classify", content=body).status_code == 200  # it is there in whole
        response = running.client.post("/classify", content=iter([body]))  # it might take its time
        is_problem(response, 429, "overloaded")
        assert response.headers["retry-after"]
        for connection in connections:
            connection.close()
        eventually(lambda: running.app.state.uploads.arriving == 0)
        assert running.client.post("/classify", content=picture("98")).status_code == 200


@pytest.fixture(scope="module")
def hasty(serve):
    """A server that waits half a second for headers."""
    with serve(max_header_seconds=0.5) as running:
        yield running


def trickle(port, first, drop):
    """Send `first`, and then `drop` again and again until the server closes; what it answered."""
    with socket.create_connection(("127.0.0.1", port), timeout=0.05) as connection:
        connection.sendall(first)
        answer, until = b"", time.monotonic() + 60
        while time.monotonic() < until:
            try:
                received = connection.recv(65536)
                if not received:
                    return answer
                answer += received
            except TimeoutError:
                try:
                    connection.sendall(drop)
                except ConnectionError:
                    return answer
            except ConnectionError:
                return answer
    pytest.fail("the server never closed the connection")


@pytest.mark.parametrize(
    ("first", "drop"),
    [
        (b"", b""),
        (b"GET", b""),
        (b"", b"\r\n"),
        (HEAD, b"X-A: b\r\n"),
        (HEAD + b"X-A: ", b"b"),
    ],
)
def test_a_connection_whose_headers_do_not_arrive_is_closed(hasty, first, drop):
    assert trickle(hasty.port, first, drop) == b""


def test_the_second_request_of_a_connection_is_held_to_the_same(hasty):
    asked = b"GET /healthz HTTP/1.1\r\nHost: g\r\n\r\n"
    for drop in (b"X-A: b\r\n", b"\r\n"):
        answer = trickle(hasty.port, asked + (HEAD if drop != b"\r\n" else b""), drop)
        assert answer.count(b"HTTP/1.1 ") == 1
        assert answer.startswith(b"HTTP/1.1 200")


def test_headers_without_end_are_refused(hasty):
    answer = trickle(hasty.port, HEAD + b"X-A: ", b"x" * 100_000)
    assert answer.startswith(b"HTTP/1.1 400") or answer == b""


def test_headers_without_end_behind_a_body_are_refused(serve):
    with serve(max_upload_seconds=600) as running:
        begun = HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"
        for first, drop in ((begun, b"X-A: b\r\n" * 10_000), (begun + b"X-A: ", b"x" * 100_000)):
            answer = trickle(running.port, first, drop)
            assert answer.startswith(b"HTTP/1.1 400") or answer == b""


def test_a_body_with_headers_behind_it_is_read(client, picture):
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=30) as connection:
        chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in picture("98")) + b"0\r\nX-A: b\r\n\r\n"
        connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + chunks)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200")


def test_a_body_may_take_longer_than_headers(hasty, picture):
    data = picture("98")

    def slowly():
        yield data[:50]
        time.sleep(0.8)
        yield data[50:]

    response = hasty.client.post("/classify", content=slowly())
    assert response.json()["predictions"][0]["label"] == "98"
    assert hasty.client.post("/classify", content=data).json() == response.json()
