"""OpenTelemetry traces: a span for each request, and below it what the engine did for it.

The application imports this only where an endpoint for traces is configured, for it needs the packages
of the extra `tracing`. OpenTelemetry's own environment variables say all the rest.
"""

from __future__ import annotations

import time

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, format_trace_id, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.exchange import CURRENT
from service.waiting import Work

_PARENTS = TraceContextTextMapPropagator()


def start_tracing() -> TracerProvider:
    """What sends spans on from now, in a thread of its own; its `shutdown` sends the last of them."""
    resource = Resource.create({SERVICE_NAME: "glyphery"}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


class Tracing:
    """Makes a span of each request, a child of the caller's where the request says so (`traceparent`)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        tracer: Tracer = scope["app"].state.tracer
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        status = 0

        async def watched_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        parent = _PARENTS.extract(headers)
        with tracer.start_as_current_span(scope["method"], parent, SpanKind.SERVER) as span:
            exchange = CURRENT.get()
            if exchange and span.is_recording():
                exchange.trace = format_trace_id(span.get_span_context().trace_id)
                exchange.on_work = lambda work: _add_stages(tracer, span, work)
            try:
                await self.app(scope, receive, watched_send)
            finally:
                _describe(span, scope, status)


def _describe(span: Span, scope: Scope, status: int) -> None:
    """As OpenTelemetry's semantic conventions for HTTP have it."""
    method, route = scope["method"], getattr(scope.get("route"), "path", "")
    span.update_name(f"{method} {route}" if route else method)
    span.set_attribute("http.request.method", method)
    span.set_attribute("url.scheme", scope["scheme"])
    span.set_attribute("url.path", scope["path"])
    if route:
        span.set_attribute("http.route", route)
    if status:
        span.set_attribute("http.response.status_code", status)
    if status >= 500:
        span.set_attribute("error.type", str(status))
        span.set_status(StatusCode.ERROR)


def _add_stages(tracer: Tracer, span: Span, work: Work) -> None:
    """Spans below the request's of what has been done; of a batch's many pieces there are none."""
    if not work.interactive:
        return
    now, course = time.monotonic(), work.course
    stages = [("queue", work.came, course.taken if course else now)]
    if course and work.prepare is None:
        stages.append(("run", course.taken, now))
    elif course and course.inferred:
        stages += [
            ("decode", course.taken, course.decoded),
            ("infer", course.decoded, course.inferred),
            ("finish", course.inferred, now),
        ]
    ahead, context = time.time() - now, set_span_in_context(span)
    for name, begin, end in stages:
        stage = tracer.start_span(name, context, start_time=_nanoseconds(begin + ahead))
        stage.end(_nanoseconds(end + ahead))


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
