"""POST /embed: a picture's embedding, for an index or a clustering of one's own."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Request

from recognition.recogniser import Answers
from service.answers import Question
from service.errors import UnknownModel
from service.models import ServedModel
from service.parameters import Asked, Asking
from service.problems import documented
from service.reading import PICTURE_BODY, PICTURE_PROBLEMS, Measured
from service.routes.quick import PictureRoute
from service.schemas import EmbedResponse

_DIGITS = 7  # after the point: all that float32 holds of numbers below 1

router = APIRouter(tags=["similarity"], route_class=PictureRoute)


class EmbedQuery(Measured, Asked):
    """What /embed can be asked."""


@router.post(
    "/embed",
    response_model=EmbedResponse,
    responses=documented(*PICTURE_PROBLEMS, UnknownModel),
    openapi_extra=PICTURE_BODY,
    summary="A picture's embedding",
)
def embed(request: Request, query: Annotated[EmbedQuery, Query()]) -> Question:
    """A vector of length 1. Vectors of the same model compare by their inner product."""
    return Question(Asking.of(request, query), embedding)


def embedding(model: ServedModel, answers: Answers) -> list[dict[str, Any]]:
    """What answers say of each glyph's embedding."""
    rows = np.round(answers.embeddings.astype(np.float64), _DIGITS).tolist()
    return [{"model": model.identity, "embedding": row} for row in rows]
