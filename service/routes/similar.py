"""/similar: which reference glyphs look like a picture or a label; /references: their pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request, Response
from pydantic import Field

from glyphs.errors import BadLabel
from glyphs.labels import Label
from index.search import Filter, Neighbour, described
from recognition.recogniser import Answers
from service.answers import Question
from service.errors import OF_THE_ENGINE, NoIndex, UnknownLabel, UnknownModel, UnknownReference
from service.models import Context, ServedModel
from service.parameters import Asked, Asking, Count, Filtered, check_count
from service.problems import documented
from service.reading import PICTURE_BODY, PICTURE_PROBLEMS, Measured
from service.routes.quick import PictureRoute
from service.schemas import SimilarResponse

_NOTHING_KNOWN = Context()
Distinct = Annotated[
    bool, Field(description="of each label only the nearest reference, so that k labels are found")
]
# An hour, because a new bundle numbers its references anew; after that the ETag saves the transfer.
_CACHE = "public, max-age=3600"

router = APIRouter(tags=["similarity"])


class SimilarQuery(Measured, Filtered, Asked):
    """What /similar can be asked."""

    k: Count = 10
    distinct: Distinct = False
    exclude_same: Annotated[bool, Field(description="leave out the label it is recognised as")] = False


class SimilarToLabelQuery(Filtered, Asked):
    """What /similar/{label} can be asked."""

    k: Count = 10
    distinct: Distinct = False
    exclude_same: Annotated[bool, Field(description="leave out references of this very label")] = False


def similar(request: Request, query: Annotated[SimilarQuery, Query()]) -> Question:
    """The k reference glyphs most similar to a picture."""
    asking = _searching(request, query)
    return Question(asking, _Searching(query.k, query.filter, query.distinct, query.exclude_same))


@dataclass(frozen=True, slots=True)
class _Searching:
    """What is found near each glyph."""

    k: int
    only: Filter
    distinct: bool
    exclude_same: bool

    def __call__(self, model: ServedModel, answers: Answers) -> list[dict[str, Any]]:
        if self.exclude_same:  # another filter for each
            found = [self._unlike_itself(model, answers[row : row + 1]) for row in range(len(answers))]
        else:
            found = model.index.search(answers.embeddings, self.k, self.only, distinct=self.distinct)
        return [_answer(model, neighbours) for neighbours in found]

    def _unlike_itself(self, model: ServedModel, answer: Answers) -> list[Neighbour]:
        [recognition] = model.candidates(_NOTHING_KNOWN).recognise(answer, 1)
        wanted = replace(self.only, without=frozenset({recognition.predictions[0].label}))
        [found] = model.index.search(answer.embeddings, self.k, wanted, distinct=self.distinct)
        return found


def _answer(model: ServedModel, neighbours: Sequence[Neighbour]) -> dict[str, Any]:
    return {"model": model.identity, "neighbours": described(neighbours, model.bundle.names)}


router.add_api_route(
    "/similar",
    similar,
    methods=["POST"],
    response_model=SimilarResponse,
    responses=documented(*PICTURE_PROBLEMS, UnknownModel, NoIndex),
    openapi_extra=PICTURE_BODY,
    summary="What looks like a picture",
    route_class_override=PictureRoute,
)


@router.get(
    "/similar/{label}",
    response_model=SimilarResponse,
    responses=documented(BadLabel, UnknownLabel, UnknownModel, NoIndex, *OF_THE_ENGINE),
    summary="What looks like a label",
)
async def similar_to_label(
    request: Request,
    label: Annotated[str, Path(max_length=32, description="such as 65 or 1593_init", examples=["1593_init"])],
    query: Annotated[SimilarToLabelQuery, Query()],
) -> Any:
    """The k reference glyphs most similar to the mean of a label's references."""
    asking = _searching(request, query)
    asked, only = Label.parse(label), query.filter

    def job(model: ServedModel) -> dict[str, Any]:
        direction = model.index.embedding_of(asked)
        if direction is None:
            raise UnknownLabel(f"No reference glyph has the label {asked}.")
        wanted = replace(only, without=frozenset({asked})) if query.exclude_same else only
        [neighbours] = model.index.search(direction, query.k, wanted, distinct=query.distinct)
        return _answer(model, neighbours)

    return await asking.engine.run(asking.model, job, deadline=asking.deadline)


@router.get(
    "/references/{number}.png",
    response_class=Response,
    responses={
        **documented(UnknownModel, UnknownReference, NoIndex, *OF_THE_ENGINE),
        200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}},
        304: {"description": "The picture is the one you have"},
    },
    summary="The picture of a reference glyph",
)
async def reference_picture(
    request: Request,
    number: Annotated[int, Path(ge=0)],
    query: Annotated[Asked, Query()],
    if_none_match: Annotated[str, Header()] = "",
) -> Response:
    """A small picture, dark on white."""
    asking = Asking.of(request, query)

    def job(model: ServedModel) -> Response:
        references = model.index.references
        if number >= len(references):
            raise UnknownReference(f"There are {len(references)} references, numbered from 0.")
        tag = f'"{model.bundle.digest.removeprefix("sha256:")[:16]}-{number}"'
        headers = {"Cache-Control": _CACHE, "ETag": tag}
        if tag in if_none_match:
            return Response(status_code=304, headers=headers)
        return Response(references.pictures.png(number), media_type="image/png", headers=headers)

    return await asking.engine.run(asking.model, job, deadline=asking.deadline)


def _searching(request: Request, query: SimilarQuery | SimilarToLabelQuery) -> Asking:
    """Raises UnknownModel; NoIndex where the model has none; InvalidRequest where k is too large."""
    asking = Asking.of(request, query)
    _ = asking.model.index
    check_count(request, query.k)
    return asking
