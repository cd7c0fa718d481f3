"""What the service writes down of its requests and failures, and how requests are named."""

import io
import json
import logging
import re
import struct
import time

import httpx
import pytest
from PIL import Image

from service.app import create_app
from service.keys import new_key
from service.logs import JsonFormatter, TextFormatter, Trouble, configuration
from service.settings import Settings
from tests.service.test_processes import serving


@pytest.fixture
def lines(capsys):
    """Waits until there are so many lines in the log, for one is written behind the answer it is about.

    Wherefore the last line of the test before may be among them, which is about /healthz.
    """
    found = []

    def read(number):
        until = time.monotonic() + 10
        while len(found) < number:
            assert time.monotonic() < until, found
            new = capsys.readouterr().err.splitlines()
            found.extend(line for line in new if "/healthz" not in line)
            time.sleep(0.01)
        assert len(found) == number
        return found

    return read


@pytest.mark.parametrize("name", ["7", "a-b_c.d:e/f", 'x"\\<>', "~" * 128])
def test_a_request_keeps_the_name_its_client_gave_it(client, is_problem, name):
    response = client.get("/nothing", headers={"X-Request-ID": name})
    assert response.headers["x-request-id"] == name
    instance = is_problem(response, 404, "not-found")["instance"]
    assert re.fullmatch(r"urn:glyphery:request:[A-Za-z0-9()+,\-.:=@;$_!*'%~]+", instance)
    assert client.get("/healthz", headers={"X-Request-ID": name}).headers["x-request-id"] == name


@pytest.mark.parametrize("name", [b"", b"a b", b"\xe4", b"x" * 129])
def test_a_request_without_a_proper_name_is_given_one(client, name):
    given = {
        client.get("/healthz", headers=headers).headers["x-request-id"]
        for headers in ({"X-Request-ID": name}, {"X-Request-ID": name}, {})
    }
    assert len(given) == 3
    assert all(re.fullmatch("[0-9a-f]{32}", name) for name in given)


def test_a_request_has_a_line_with_everything_about_it(serve, picture, lines):
    body = picture("65")
    with serve(log_format="json") as running:
        answer = running.client.post("/classify?k=1", content=body, headers={"X-Request-ID": "seven"})
        running.client.get("/references/999.png")
        first, second = map(json.loads, lines(2))
    assert first.pop("milliseconds") > 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first.pop("time"))
    assert first == {
        "level": "info", "logger": "service.access", "request": "seven", "method": "POST",
        "route": "/classify", "status": 200, "bytes_in": len(body), "bytes_out": len(answer.content),
        "model": "stars",
    }  # fmt: skip
    assert (second["route"], second["status"]) == ("/references/{number}.png", 404)
    assert second["problem"] == "unknown-reference"


def test_a_persons_line_says_the_same(serve, picture, lines):
    body = picture("65")
    with serve() as running:
        running.client.post("/embed", content=body, headers={"X-Request-ID": "seven"})
        [line] = lines(1)
    assert re.fullmatch(
        rf"\S+ INFO service\.access: POST /embed 200 in [\d.]+ ms, {len(body)} B in, \d+ B out, "
        r"model stars \[seven\]",
        line,
    )


def test_the_line_names_the_key_and_never_holds_it(serve, tmp_path, lines):
    token, key = new_key("printers")
    (tmp_path / "keys").write_text(f"{key}\n", encoding="utf-8")
    with serve(keys=tmp_path / "keys", log_format="json") as running:
        assert running.client.get("/models", headers={"X-API-Key": token}).status_code == 200
        [line] = lines(1)
    assert json.loads(line)["key"] == "printers"
    assert token not in line


def test_nothing_that_was_sent_is_logged(serve, lines, caplog):
    caplog.set_level(logging.DEBUG)
    with serve() as running:
        for path in ("/secret", "/classify?labels=secret", "/similar/secret", "/models?secret=secret"):
            running.client.get(path, headers={"Authorization": "secret", "Cookie": "secret"})
            running.client.post(path, content=b"secret", headers={"X-Request-ID": "sec ret"})
        said = "\n".join(lines(8))
    ours = [record for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    assert "secret" not in said + "".join(record.getMessage() for record in ours)


def test_what_pillow_has_to_say_of_a_picture_is_not_logged(bundle, picture, tmp_path):
    broken = io.BytesIO()
    Image.new("RGB", (8, 8)).save(broken, "TIFF")
    samples, too_many = (struct.pack("<HHII", 277, 3, 1, number) for number in (3, 9))
    assert samples in broken.getvalue()
    with serving(bundle, tmp_path, GLYPHERY_LOG_LEVEL="debug") as service:
        url = f"http://127.0.0.1:{service.port}/classify"
        for status, body in ((200, picture("65")), (415, broken.getvalue().replace(samples, too_many))):
            assert httpx.post(url, content=body, trust_env=False).status_code == status
        service.process.terminate()
        service.end()
        assert service.log.count("POST /classify") == 2
        assert "PIL" not in service.log


def test_requests_can_go_without_lines(serve, capsys):
    with serve(access_log=False) as running:
        running.client.get("/healthz")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("formatter", [JsonFormatter, TextFormatter])
def test_a_failure_is_logged_under_the_name_of_its_request(serve, bundle, formatter):
    app = create_app(Settings(bundles=[bundle], executors=1))

    @app.get("/trouble")
    async def trouble() -> None:
        raise ZeroDivisionError("on purpose")

    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter())
    logging.getLogger("service").addHandler(handler)
    try:
        with serve(app) as running:
            document = running.client.get("/trouble", headers={"X-Request-ID": "seven"}).json()
    finally:
        logging.getLogger("service").removeHandler(handler)
    assert document["instance"] == "urn:glyphery:request:seven"
    if formatter is JsonFormatter:
        entry = json.loads(stream.getvalue())
        assert (entry["level"], entry["logger"]) == ("error", "service.problems")
        assert entry["request"] == "seven"
        assert "ZeroDivisionError: on purpose" in entry["exception"]
    else:
        first, *rest = stream.getvalue().splitlines()
        assert first.endswith("ERROR service.problems: GET '/trouble' failed [seven]")
        assert rest[-1] == "ZeroDivisionError: on purpose"


def test_values_that_a_message_is_made_of_by_name_stand_by_name():
    record = logging.makeLogRecord(
        {"msg": "%(what)s loaded", "args": {"what": "stars"}, "levelname": "INFO", "name": "x"}
    )
    entry = json.loads(JsonFormatter().format(record))
    assert (entry["message"], entry["what"]) == ("stars loaded", "stars")


def test_the_level_is_about_all_but_requests():
    assert configuration("json", "warning")["root"]["level"] == "WARNING"


def test_what_fails_for_a_while_is_logged_when_it_begins_and_when_it_is_over(caplog):
    caplog.set_level(logging.INFO)
    trouble = Trouble(logging.getLogger("service"), "nothing could be written")
    for failure in (OSError("full"), OSError("full"), OSError("too many"), None, None, OSError("full")):
        with trouble:
            if failure:
                raise failure
    said = [
        (record.levelname, record.message, record.exc_info and str(record.exc_info[1]))
        for record in caplog.records
    ]
    assert said == [
        ("ERROR", "nothing could be written", "full"),
        ("ERROR", "nothing could be written", "too many"),
        ("INFO", "over: nothing could be written", None),
        ("ERROR", "nothing could be written", "full"),
    ]


def test_who_is_told_to_stop_stops():
    with pytest.raises(KeyboardInterrupt), Trouble(logging.getLogger("service"), "nothing"):
        raise KeyboardInterrupt
