"""GET /models: what is served here."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from service.errors import OF_THE_DOOR
from service.models import ServedModel
from service.parameters import engine_of
from service.problems import documented
from service.schemas import ModelsResponse

router = APIRouter(tags=["service"])


@router.get("/models", response_model=ModelsResponse, responses=documented(*OF_THE_DOOR))
async def models(request: Request) -> Any:
    """Each model, the default first, with its size, its measured quality and whether it can search."""
    return {"models": [described(model) for model in engine_of(request).models.all]}


def described(model: ServedModel) -> dict[str, Any]:
    """A served model as clients see it."""
    manifest = model.bundle.manifest
    return {
        **model.identity,
        "precision": manifest.precision,
        "labels": manifest.labels,
        "embedding": manifest.embedding,
        "raster": manifest.raster.to_dict(),
        "quality": dict(manifest.quality),
        "index": model.has_index,
        "references": model.references,
        "primitives": model.names_primitives,
        "fast": dict(manifest.cascade.fast) if manifest.cascade else None,
    }
