"""/metrics: what the service measures of itself."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from service.errors import OF_THE_DOOR
from service.metrics import Metrics
from service.problems import documented

router = APIRouter(tags=["service"])


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
        **documented(*OF_THE_DOOR),
    },
    summary="Numbers for Prometheus",
)
def metrics(request: Request) -> Any:  # in a thread: several processes' numbers are read from files
    """Counts, latencies and states as text, or as OpenMetrics where the client accepts that."""
    state = request.app.state
    numbers: Metrics = state.metrics
    accept = request.headers.get("accept", "")
    content, content_type = numbers.exposition(
        state.engine, state.identifier.fonts, state.repairer.documents, accept
    )
    return Response(content, media_type=content_type, headers={"Cache-Control": "no-store"})
