"""POST /primitives: what a model that names primitives sees in each cell of a picture, for debugging."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse

from service.errors import NoPrimitives, UnknownModel
from service.models import ServedModel
from service.parameters import Asked, Asking
from service.pictures import as_picture
from service.problems import documented
from service.reading import PICTURE_BODY, PICTURE_PROBLEMS, Measured, read_glyph
from service.routes.quick import QuickRoute
from service.schemas import PrimitivesResponse

router = APIRouter(tags=["recognition"], route_class=QuickRoute)


class PrimitivesQuery(Measured, Asked):
    """What /primitives can be asked."""


@router.post(
    "/primitives",
    response_model=PrimitivesResponse,
    responses=documented(*PICTURE_PROBLEMS, UnknownModel, NoPrimitives),
    openapi_extra=PICTURE_BODY,
    summary="The primitive that a model names in each cell of a picture",
)
async def primitives(request: Request, query: Annotated[PrimitivesQuery, Query()]) -> Any:
    """The raster as the model sees it, and the number of the primitive in each of its cells. Only models with
    `primitives` in /models name any: the unified MLP.
    """
    asking = Asking.of(request, query)
    if not asking.model.names_primitives:
        raise NoPrimitives(asking.model.name)
    glyph = await read_glyph(request, query)

    def job(model: ServedModel) -> JSONResponse:
        raster = asking.engine.read(model, glyph)
        [grid] = model.recogniser.primitives(raster[None], glyph.metrics[None])
        return JSONResponse(
            {
                "model": model.identity,
                "raster": as_picture(raster),
                "cell": len(raster) // len(grid),
                "grid": grid.tolist(),
            }
        )

    return await asking.engine.run(asking.model, job, deadline=asking.deadline)
