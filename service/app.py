"""The application: settings in, an ASGI app out. Nothing is opened before its lifespan begins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from service import routes
from service.engine import Engine
from service.middleware import Admission, Departures, SafeHeaders
from service.models import Models
from service.problems import add_problem_handlers
from service.schemas import PictureBody, Problem
from service.settings import Settings, read_settings

_DESCRIPTION = """Recognise glyphs: which character and joining form a picture shows, and what looks like it.

Post a picture as it is (`curl --data-binary @glyph.png`), as a multipart form with a file `image`,
or as JSON with base64 in `image`. Where you know them, give the glyph's metrics: they tell o from O.
Errors are RFC 9457 problem documents with a stable `type`."""


def create_app(settings: Settings | None = None, *, models: Models | None = None) -> FastAPI:
    """An application.

    settings: read from the environment if not given
    models: loaded already; otherwise the lifespan loads `settings.bundles`, and fails with
        BadBundle, BadIndex or BadSettings where that cannot be done
    """
    settings = settings or read_settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None, None]:
        served = models if models else await asyncio.to_thread(Models.load, settings.bundles, settings.device)
        engine = app.state.engine = Engine(served, settings)
        warming = asyncio.create_task(engine.warm_up())
        try:
            yield
        finally:
            warming.cancel()
            await asyncio.to_thread(engine.close)

    app = FastAPI(
        title="Glyphery",
        version=_version(),
        description=_DESCRIPTION,
        lifespan=lifespan,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,  # what generated clients call their methods
    )
    app.state.settings = settings
    add_problem_handlers(app)
    for middleware in (Admission, Departures, SafeHeaders):  # what is added last is met first
        app.add_middleware(middleware)
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
        extra: tuple[type[BaseModel], ...] = (Problem, PictureBody)
        for schema in extra:
            found = schema.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= found.pop("$defs", {})
            schemas[schema.__name__] = found
        app.openapi_schema = document
    return app.openapi_schema


def _version() -> str:
    try:
        return version("glyphery")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "0+unknown"
