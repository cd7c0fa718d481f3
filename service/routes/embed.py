"""POST /embed: a picture's embedding, for an index or a clustering of one's own."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends

from recognition.recogniser import Answers
from service.engine import Engine
from service.errors import UnknownModel
from service.models import ServedModel
from service.parameters import read_deadline, read_engine, read_model
from service.problems import documented
from service.reading import PICTURE_BODY, PICTURE_PROBLEMS, PostedGlyph, read_glyph
from service.schemas import EmbedResponse

_DIGITS = 7  # after the point: all that float32 holds of numbers below 1

router = APIRouter(tags=["similarity"])


@router.post(
    "/embed",
    response_model=EmbedResponse,
    responses=documented(*PICTURE_PROBLEMS, UnknownModel),
    openapi_extra=PICTURE_BODY,
    summary="A picture's embedding",
)
async def embed(
    deadline: Annotated[float, Depends(read_deadline)],
    engine: Annotated[Engine, Depends(read_engine)],
    model: Annotated[ServedModel, Depends(read_model)],
    glyph: Annotated[PostedGlyph, Depends(read_glyph)],
) -> Any:
    """A vector of length 1. Vectors of the same model compare by their inner product."""

    def finish(model: ServedModel, answers: Answers) -> dict[str, Any]:
        numbers = np.round(answers.embeddings[0].astype(np.float64), _DIGITS).tolist()
        return {"model": model.identity, "embedding": numbers}

    return await engine.recognise(model, glyph, finish, deadline=deadline)
