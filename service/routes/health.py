"""/healthz: the process lives. /readyz: it should be sent requests."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from service.engine import Engine
from service.errors import NotReady
from service.parameters import engine_of
from service.problems import documented
from service.schemas import Health, Readiness

router = APIRouter(tags=["service"])


@router.get(
    "/healthz", response_model=Health, responses=documented(NotReady), summary="Whether the process lives"
)
async def healthz(request: Request) -> Any:
    """Ok as long as there is an executor; a `not-ready` problem once only a restart can help."""
    check_alive(engine_of(request))
    return {"status": "ok"}


@router.get("/readyz", response_model=Readiness, responses=documented(NotReady), summary="Whether to ask")
async def readyz(request: Request) -> Any:
    """Ready after warm-up, while no executor is missing; otherwise, and while shutting down, a `not-ready`
    problem. What each model runs on is told beside it, for where the GPU is missing, it may be the CPU.
    """
    engine = engine_of(request)
    check_ready(engine)
    providers = {model.name: model.recogniser.provider for model in engine.models.all}
    return {"status": "ready", "providers": providers}


def check_alive(engine: Engine) -> None:
    """Raises NotReady where only a restart can help."""
    if not engine.alive:
        raise NotReady("No executor is left.", "Restart the service.")


def check_ready(engine: Engine) -> None:
    """Raises NotReady where requests would not be answered at full speed."""
    if not engine.ready:
        raise NotReady("The engine is not warm yet, or an executor is missing.", "Ask again in a moment.")
