"""The application: settings in, an ASGI app out. Nothing is opened before its lifespan begins."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from starlette.middleware.cors import CORSMiddleware

from service import routes
from service.access import Access, Gate, RateLimit
from service.books import Books
from service.direct import DIRECT, Direct
from service.engine import Engine
from service.identifier import Identifier
from service.jobs.desk import Desk
from service.logs import AccessLog
from service.metrics import JobNumbers, Metrics
from service.middleware import Admission, Departures, Heads, Observation, SafeHeaders
from service.models import Models
from service.noticeboard import Noticeboard
from service.parameters import check_query
from service.problems import add_problem_handlers
from service.reading import Uploads
from service.repairer import Repairer
from service.schemas import PictureBody, Problem
from service.settings import Settings, read_settings
from service.tensors import InferenceRequest, InferenceResponse

_DESCRIPTION = """Recognise glyphs: which character and joining form a picture shows, and what looks like it.

Post a picture as it is (`curl --data-binary @glyph.png`), as a multipart form with a file `image`,
or as JSON with base64 in `image`. Where you know them, give the glyph's metrics: they tell o from O.
Post fonts to have every glyph of them scored, in a job that goes on while you look after other things.
Post a PDF whose text cannot be copied, and get one whose text can.
Errors are RFC 9457 problem documents with a stable `type`."""

_KEYS = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}


_TRACE_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
log = logging.getLogger(__name__)


def create_app(settings: Settings | None = None, *, models: Models | None = None) -> FastAPI:
    """An application.

    settings: read from the environment if not given
    models: loaded already; otherwise the lifespan loads `settings.bundles`, and fails with
        BadBundle, BadIndex or BadSettings where that cannot be done
    """
    settings = settings or read_settings()
    metrics = Metrics()
    access_log = AccessLog(settings.log_format) if settings.access_log else None
    books = Books(metrics, access_log)
    tracing = _tracing()
    # What stands in the long way only.
    is_longer = settings.rate_limit or settings.cors_origins or tracing

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[dict[str, Any], None]:
        served = models if models else await asyncio.to_thread(Models.load, settings.bundles, settings.device)
        board = Noticeboard(settings.shared) if settings.shared else None
        if board:  # this process may take the place of one that had loaded others meanwhile
            await board.catch_up(served, settings.device)
        engine = app.state.engine = Engine(served, settings, metrics)
        identifier = app.state.identifier = Identifier(engine, settings)
        repairer = app.state.repairer = Repairer(engine, settings)
        provider = tracing.start_tracing() if tracing else None
        if provider:
            app.state.tracer = provider.get_tracer("glyphery", app.version)
        desk = app.state.desk = await asyncio.to_thread(Desk.open, settings)
        if desk:
            metrics.include(JobNumbers(desk.store))
            desk.start()
        background = [asyncio.create_task(engine.warm_up())]
        if board:
            background.append(asyncio.create_task(board.follow(engine, settings.device, app.state.loading)))
        if metrics.several_processes:
            background.append(
                asyncio.create_task(metrics.keep_fresh(engine, identifier.fonts, repairer.documents))
            )
        handed_on: dict[str, Any] = {}
        if not is_longer:
            handed_on[DIRECT] = Direct(app, engine, books, Gate(settings.keys), settings.max_body_bytes)
        try:
            yield handed_on
        finally:
            for task in background:
                task.cancel()
            if desk:
                await desk.close()
            await asyncio.gather(identifier.fonts.close(), repairer.documents.close())
            await asyncio.to_thread(engine.close)
            if provider:
                await asyncio.to_thread(provider.shutdown)

    app = FastAPI(
        title="Glyphery",
        version=_version(),
        description=_DESCRIPTION,
        lifespan=lifespan,
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(check_query)],
        telemetry={"tracing": False, "metrics": False, "logs": False},  # there is `service.tracing`
        generate_unique_id_function=lambda route: route.name,  # what generated clients call their methods
    )
    app.state.settings, app.state.metrics = settings, metrics
    app.state.uploads = Uploads(settings.max_uploads)
    app.state.loading = asyncio.Lock()  # one model is loaded at a time
    add_problem_handlers(app)
    # What is added last is met first.
    app.add_middleware(Heads)
    app.add_middleware(Admission)
    app.add_middleware(Departures)
    if settings.rate_limit:
        app.add_middleware(RateLimit, rate=settings.rate_limit, burst=settings.rate_burst)
    app.add_middleware(Access, keys=settings.keys)
    if settings.cors_origins:  # before Access: a browser asks without a key whether it may send one
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "HEAD", "POST", "DELETE"],
            allow_headers=["*"],
            expose_headers=["*"],
        )
    app.add_middleware(SafeHeaders, shared=bool(settings.cors_origins))
    if tracing:
        app.add_middleware(tracing.Tracing)
    app.add_middleware(Observation, books=books)
    for router in routes.ROUTERS:
        app.include_router(router)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    """FastAPI's own document, with the schemas that only hand-written parts of it refer to."""
    if not app.openapi_schema:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        schemas = document["components"]["schemas"]
        extra: tuple[type[BaseModel], ...] = (Problem, PictureBody, InferenceRequest, InferenceResponse)
        for schema in extra:
            found = schema.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= found.pop("$defs", {})
            schemas[schema.__name__] = found
        if app.state.settings.keys:
            document["components"]["securitySchemes"] = _KEYS
            document["security"] = [{name: []} for name in _KEYS]
        app.openapi_schema = document
    return app.openapi_schema


def _tracing() -> ModuleType | None:
    """`service.tracing` where traces are asked for and its packages are installed."""
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if disabled or not any(map(os.environ.get, _TRACE_ENDPOINTS)):
        return None
    try:
        from service import tracing
    except ImportError:
        log.warning("An endpoint for traces is set, but glyphery[tracing] is not installed: none are sent.")
        return None
    return tracing


def _version() -> str:
    try:
        return version("glyphery")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "0+unknown"
