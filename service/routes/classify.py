"""POST /classify: which character and joining form a picture shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from glyphs.errors import BadLabel
from recognition.candidates import NoCandidates, described
from recognition.recogniser import Answers
from service.answers import Question
from service.errors import UnknownModel
from service.models import Context, ServedModel
from service.parameters import Asked, Asking, Count, InContext, check_count
from service.problems import documented
from service.reading import PICTURE_BODY, PICTURE_PROBLEMS, Measured
from service.routes.quick import PictureRoute
from service.schemas import ClassifyResponse

router = APIRouter(tags=["recognition"], route_class=PictureRoute)


class ClassifyQuery(Measured, InContext, Asked):
    """What /classify can be asked."""

    k: Count = 5


@router.post(
    "/classify",
    response_model=ClassifyResponse,
    responses=documented(*PICTURE_PROBLEMS, UnknownModel, BadLabel, NoCandidates),
    openapi_extra=PICTURE_BODY,
    summary="Which character and joining form a picture shows",
)
def classify(request: Request, query: Annotated[ClassifyQuery, Query()]) -> Question:
    """The k most probable labels. `scripts`, `charset` and `labels` say what is possible, `prior`
    what is likely; probabilities are shared out among the possible labels.
    """
    asking = Asking.of(request, query)
    check_count(request, query.k)
    return Question(asking, Recognising(query.k, query.context))


@dataclass(frozen=True, slots=True)
class Recognising:
    """What answers say: the k best labels in a context."""

    k: int
    context: Context

    def __call__(self, model: ServedModel, answers: Answers) -> list[dict[str, Any]]:
        """For each glyph. Raises NoCandidates where the context leaves no label."""
        found = model.candidates(self.context).recognise(answers, self.k)
        return [{"model": model.identity, **described(recognition)} for recognition in found]
