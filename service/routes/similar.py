"""/similar: which reference glyphs look like a picture or a label; /references: their pictures."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Query, Response

from glyphs.errors import BadLabel
from glyphs.labels import Label
from index.search import Filter, described
from recognition.recogniser import Answers
from service.engine import Engine
from service.errors import OF_THE_ENGINE, NoIndex, UnknownLabel, UnknownModel, UnknownReference
from service.models import Context, ServedModel
from service.parameters import count, read_deadline, read_engine, read_filter, read_searchable_model
from service.problems import documented
from service.reading import PICTURE_BODY, PICTURE_PROBLEMS, PostedGlyph, read_glyph
from service.schemas import SimilarResponse

_NOTHING_KNOWN = Context()
# An hour, because a new bundle numbers its references anew; after that the ETag saves the transfer.
_CACHE = "public, max-age=3600"

router = APIRouter(tags=["similarity"])


@router.post(
    "/similar",
    response_model=SimilarResponse,
    responses=documented(*PICTURE_PROBLEMS, UnknownModel, NoIndex),
    openapi_extra=PICTURE_BODY,
    summary="What looks like a picture",
)
async def similar(
    deadline: Annotated[float, Depends(read_deadline)],
    engine: Annotated[Engine, Depends(read_engine)],
    model: Annotated[ServedModel, Depends(read_searchable_model)],
    k: Annotated[int, Depends(count(10))],
    only: Annotated[Filter, Depends(read_filter)],
    glyph: Annotated[PostedGlyph, Depends(read_glyph)],
    exclude_same: Annotated[bool, Query(description="leave out the label it is recognised as")] = False,
) -> Any:
    """The k reference glyphs most similar to a picture."""

    def finish(model: ServedModel, answers: Answers) -> dict[str, Any]:
        wanted = only
        if exclude_same:
            [recognition] = model.candidates(_NOTHING_KNOWN).recognise(answers, 1)
            wanted = replace(only, without=frozenset({recognition.predictions[0].label}))
        [neighbours] = model.index.search(answers.embeddings, k, wanted)
        return {"model": model.identity, "neighbours": described(neighbours, model.bundle.names)}

    return await engine.recognise(model, glyph, finish, deadline=deadline)


@router.get(
    "/similar/{label}",
    response_model=SimilarResponse,
    responses=documented(BadLabel, UnknownLabel, UnknownModel, NoIndex, *OF_THE_ENGINE),
    summary="What looks like a label",
)
async def similar_to_label(
    deadline: Annotated[float, Depends(read_deadline)],
    engine: Annotated[Engine, Depends(read_engine)],
    model: Annotated[ServedModel, Depends(read_searchable_model)],
    k: Annotated[int, Depends(count(10))],
    only: Annotated[Filter, Depends(read_filter)],
    label: Annotated[str, Path(max_length=32, description="such as 65 or 1593_init", examples=["1593_init"])],
    exclude_same: Annotated[bool, Query(description="leave out references of this very label")] = False,
) -> Any:
    """The k reference glyphs most similar to the mean of a label's references."""
    asked = Label.parse(label)

    def job(model: ServedModel) -> dict[str, Any]:
        direction = model.index.embedding_of(asked)
        if direction is None:
            raise UnknownLabel(f"No reference glyph has the label {asked}.")
        wanted = replace(only, without=frozenset({asked})) if exclude_same else only
        [neighbours] = model.index.search(direction, k, wanted)
        return {"model": model.identity, "neighbours": described(neighbours, model.bundle.names)}

    return await engine.run(model, job, deadline=deadline)


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
    deadline: Annotated[float, Depends(read_deadline)],
    engine: Annotated[Engine, Depends(read_engine)],
    model: Annotated[ServedModel, Depends(read_searchable_model)],
    number: Annotated[int, Path(ge=0)],
    if_none_match: Annotated[str, Header()] = "",
) -> Response:
    """A small picture, dark on white."""

    def job(model: ServedModel) -> Response:
        references = model.index.references
        if number >= len(references):
            raise UnknownReference(f"There are {len(references)} references, numbered from 0.")
        tag = f'"{model.bundle.digest.removeprefix("sha256:")[:16]}-{number}"'
        headers = {"Cache-Control": _CACHE, "ETag": tag}
        if tag in if_none_match:
            return Response(status_code=304, headers=headers)
        return Response(references.png(number), media_type="image/png", headers=headers)

    return await engine.run(model, job, deadline=deadline)
