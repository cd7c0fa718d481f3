"""/healthz: the process lives. /readyz: it should be sent requests."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from service.engine import Engine
from service.errors import NotReady
from service.problems import documented
from service.schemas import Health

router = APIRouter(tags=["service"])


@router.get("/healthz", response_model=Health, summary="Whether the process lives")
async def healthz() -> Any:
    """Always ok while requests are taken at all."""
    return {"status": "ok"}


@router.get("/readyz", response_model=Health, responses=documented(NotReady), summary="Whether to ask")
async def readyz(request: Request) -> Any:
    """Ready after warm-up; a `not-ready` problem before, and while shutting down."""
    engine: Engine = request.app.state.engine
    if not engine.ready:
        raise NotReady("The engine is not warm yet.", "Ask again in a moment.")
    return {"status": "ready"}
