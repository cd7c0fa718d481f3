"""GET /models: what is served here."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from service.engine import Engine
from service.models import ServedModel
from service.parameters import read_engine
from service.schemas import ModelsResponse

router = APIRouter(tags=["service"])


@router.get("/models", response_model=ModelsResponse)
async def models(engine: Annotated[Engine, Depends(read_engine)]) -> Any:
    """Each model, the default first, with its size, its measured quality and whether it can search."""
    return {"models": [described(model) for model in engine.models.all]}


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
    }
