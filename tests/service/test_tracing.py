"""Spans as a collector receives them, and what it costs not to want any."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

ROOT = Path(__file__).resolve().parents[2]
CODE = """
import sys
from service.app import create_app
from service.settings import Settings
create_app(Settings())
print("opentelemetry.sdk" in sys.modules)
"""


class Collector:
    """A server for OTLP over HTTP that keeps what it is sent."""

    def __init__(self) -> None:
        self.received = received = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                received.append((self.path, ExportTraceServiceRequest.FromString(body)))
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def resources(self) -> list:
        return [part for _, request in self.received for part in request.resource_spans]

    @property
    def spans(self) -> list[Span]:
        return [span for part in self.resources for scope in part.scope_spans for span in scope.spans]


@pytest.fixture
def collector(monkeypatch) -> Iterator[Collector]:
    collector = Collector()
    thread = threading.Thread(target=collector.server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.server.server_port}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield collector
    collector.server.shutdown()
    collector.server.server_close()
    thread.join(5)


def attributes(holder):
    def value(any_value):
        return getattr(any_value, any_value.WhichOneof("value"))

    return {pair.key: value(pair.value) for pair in holder.attributes}


def test_a_request_is_a_span_below_its_callers_and_above_the_engines_stages(serve, collector, picture):
    caller, trace = "00f067aa0ba902b7", "4bf92f3577b34da6a3ce929d0e0e4736"
    with serve() as running:
        headers = {"traceparent": f"00-{trace}-{caller}-01"}
        assert running.client.post("/classify", content=picture("65"), headers=headers).status_code == 200
    assert {path for path, _ in collector.received} == {"/v1/traces"}
    assert {attributes(part.resource)["service.name"] for part in collector.resources} == {"glyphery"}
    spans = {span.name: span for span in collector.spans}
    assert set(spans) == {"POST /classify", "queue", "decode", "infer", "finish"}
    request = spans.pop("POST /classify")
    assert (request.kind, request.parent_span_id.hex()) == (Span.SPAN_KIND_SERVER, caller)
    assert attributes(request) == {
        "http.request.method": "POST", "http.route": "/classify", "http.response.status_code": 200,
        "url.path": "/classify", "url.scheme": "http",
    }  # fmt: skip
    for span in (request, *spans.values()):
        assert span.trace_id.hex() == trace
        assert span.start_time_unix_nano <= span.end_time_unix_nano
    assert all(span.parent_span_id == request.span_id for span in spans.values())
    stages = [spans[name] for name in ("queue", "decode", "infer", "finish")]
    assert [span.start_time_unix_nano for span in stages[1:]] == [
        span.end_time_unix_nano for span in stages[:-1]
    ]


def test_a_request_without_a_trace_begins_one_and_the_log_names_it(serve, collector, capsys):
    with serve() as running:
        running.client.get("/references/999.png")
    spans = {span.name: span for span in collector.spans}
    assert set(spans) == {"GET /references/{number}.png", "queue", "run"}
    request = spans["GET /references/{number}.png"]
    assert request.parent_span_id == b""
    assert f"trace {request.trace_id.hex()}" in capsys.readouterr().err


def test_what_fails_here_is_an_error_and_what_the_client_did_wrong_is_none(serve, collector):
    with serve(wait=False) as running:
        running.engine.room.close()
        assert running.client.get("/similar/65").status_code == 503
        assert running.client.get("/nothing").status_code == 404
    failed, missing = (span for span in collector.spans if span.kind == Span.SPAN_KIND_SERVER)
    assert (failed.status.code, attributes(failed)["error.type"]) == (Status.STATUS_CODE_ERROR, "503")
    assert (missing.name, missing.status.code) == ("GET", Status.STATUS_CODE_UNSET)


def test_a_trace_that_is_not_sampled_is_not_sent(serve, collector, picture):
    with serve() as running:
        headers = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"}
        assert running.client.post("/classify", content=picture("65"), headers=headers).status_code == 200
    assert collector.spans == []


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=ours | environment,
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip


def test_without_an_endpoint_nothing_is_even_imported():
    assert run(CODE).stdout.strip() == "False"
    disabled = run(CODE, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1", OTEL_SDK_DISABLED="true")
    assert disabled.stdout.strip() == "False"


def test_an_endpoint_without_the_packages_is_said_once():
    missing = "import sys\nsys.modules['opentelemetry.sdk'] = None\n"
    done = run(missing + CODE, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1")
    [line] = done.stderr.splitlines()
    assert "glyphery[tracing] is not installed" in line
