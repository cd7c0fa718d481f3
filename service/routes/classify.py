"""POST /classify: which character and joining form a picture shows."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from glyphs.errors import BadLabel
from recognition.candidates import NoCandidates, described
from recognition.recogniser import Answers
from service.engine import Engine
from service.errors import UnknownModel
from service.models import Context, ServedModel
from service.parameters import count, read_context, read_deadline, read_engine, read_model
from service.problems import documented
from service.reading import PICTURE_BODY, PICTURE_PROBLEMS, PostedGlyph, read_glyph
from service.schemas import ClassifyResponse

router = APIRouter(tags=["recognition"])


@router.post(
    "/classify",
    response_model=ClassifyResponse,
    responses=documented(*PICTURE_PROBLEMS, UnknownModel, BadLabel, NoCandidates),
    openapi_extra=PICTURE_BODY,
    summary="Which character and joining form a picture shows",
)
async def classify(
    deadline: Annotated[float, Depends(read_deadline)],
    engine: Annotated[Engine, Depends(read_engine)],
    model: Annotated[ServedModel, Depends(read_model)],
    k: Annotated[int, Depends(count(5))],
    context: Annotated[Context, Depends(read_context)],
    glyph: Annotated[PostedGlyph, Depends(read_glyph)],
) -> Any:
    """The k most probable labels. `scripts`, `charset` and `labels` say what is possible, `prior`
    what is likely; probabilities are shared out among the possible labels.
    """

    def finish(model: ServedModel, answers: Answers) -> dict[str, Any]:
        [recognition] = model.candidates(context).recognise(answers, k)
        return {"model": model.identity, **described(recognition)}

    return await engine.recognise(model, glyph, finish, deadline=deadline)
