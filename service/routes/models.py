"""GET /models: what is served here."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from service.engine import Engine
from service.errors import UnknownModel
from service.parameters import read_engine
from service.problems import documented
from service.schemas import ModelsResponse

router = APIRouter(tags=["service"])


@router.get("/models", response_model=ModelsResponse, responses=documented(UnknownModel))
async def models(engine: Annotated[Engine, Depends(read_engine)]) -> Any:
    """Each model with its size, its measured quality and whether it can search."""
    model = engine.model
    manifest = model.bundle.manifest
    return {
        "models": [
            {
                **model.identity,
                "precision": manifest.precision,
                "labels": manifest.labels,
                "embedding": manifest.embedding,
                "raster": manifest.raster.to_dict(),
                "quality": dict(manifest.quality),
                "index": model.has_index,
                "references": model.references,
            }
        ]
    }
