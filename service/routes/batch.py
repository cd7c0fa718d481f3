"""POST /classify/batch, /embed/batch: many pictures in one request, answered as they come in."""

from __future__ import annotations

import asyncio
import io
from typing import Annotated, Any, Final, Literal

import numpy as np
from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from glyphs.errors import BadLabel
from recognition.candidates import NoCandidates
from service.batches import Lines, embeddings
from service.errors import (
    OF_THE_DOOR,
    BodyTooLarge,
    MalformedBody,
    Overloaded,
    SlowBody,
    TooManyItems,
    UnknownModel,
    UnsupportedBody,
)
from service.forms import FORM
from service.items import LINES
from service.parameters import Count, InContext, ToModel, check_count, engine_of
from service.problems import documented
from service.routes.classify import Recognising
from service.routes.embed import embedding

NPY: Final = "application/x-npy"
_FORMAT = "ndjson: a JSON object a line; npy: one NumPy array of all, with NaN for what failed"
_PROBLEMS = (
    *OF_THE_DOOR, Overloaded, MalformedBody, SlowBody, BodyTooLarge, TooManyItems, UnsupportedBody,
    UnknownModel,
)  # fmt: skip
_SENT = '{"id": "a", "image": "iVBORw0KGgo...", "metrics": {"width": 0.61}}\n{"image": "iVBORw0KGgo..."}\n'
_CLASSIFIED = (
    '{"index": 0, "id": "a", "model": {...}, "known": true, "predictions": [...]}\n'
    '{"index": 1, "id": null, "problem": {"type": "urn:glyphery:problem:blank-image", "status": 422, ...}}\n'
)
_EMBEDDED = '{"index": 0, "id": "a", "model": {...}, "embedding": [0.0721, -0.1134]}\n'
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            LINES: {
                "schema": {
                    "type": "string",
                    "description": "lines like PictureBody, each perhaps with an `id`",
                },
                "example": _SENT,
            },
            FORM: {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "properties": {
                        "image": {"type": "array", "items": {"type": "string", "format": "binary"}}
                    },
                }
            },
        },
    }
}

router = APIRouter(tags=["batches"])


class ClassifyBatchQuery(InContext, ToModel):
    """What /classify/batch can be asked."""

    k: Count = 5


class EmbedBatchQuery(ToModel):
    """What /embed/batch can be asked."""

    format: Annotated[Literal["ndjson", "npy"], Field(description=_FORMAT)] = "ndjson"


@router.post(
    "/classify/batch",
    response_class=Response,
    responses={
        **documented(*_PROBLEMS, BadLabel, NoCandidates),
        200: {"content": {LINES: {"schema": {"type": "string"}, "example": _CLASSIFIED}}},
    },
    openapi_extra=_BODY,
    summary="Which character and joining form each of many pictures shows",
)
async def classify_batch(request: Request, query: Annotated[ClassifyBatchQuery, Query()]) -> Response:
    """A line for each item, in order: its `index`, its `id`, and what /classify says of it, or the
    `problem` that is in the way. A problem of the whole batch that shows after the first line is a last
    line with the index null. The answer is whole when its chunked encoding ends as it should.
    """
    engine = engine_of(request)
    model, context = engine.models.find(query.model), query.context
    check_count(request, query.k)
    # A context without labels is refused once, and not for every item. Off the event loop: it takes a while.
    await asyncio.to_thread(model.candidates, context)
    return Lines(request, engine, model, Recognising(query.k, context))


@router.post(
    "/embed/batch",
    response_class=Response,
    responses={
        **documented(*_PROBLEMS),
        200: {
            "content": {
                LINES: {"schema": {"type": "string"}, "example": _EMBEDDED},
                NPY: {"schema": {"type": "string", "format": "binary"}},
            }
        },
    },
    openapi_extra=_BODY,
    summary="The embeddings of many pictures",
)
async def embed_batch(request: Request, query: Annotated[EmbedBatchQuery, Query()]) -> Response:
    """Lines as of /classify/batch, or one NPY file of (N, E) float32, where X-Glyphery-Errors says how many
    rows are NaN because their items failed, and X-Glyphery-Model is the digest of the model's bundle.
    """
    engine = engine_of(request)
    model = engine.models.find(query.model)
    if query.format == "ndjson":
        return Lines(request, engine, model, embedding)
    found, failed = await embeddings(request, engine, model)
    file = io.BytesIO()
    np.save(file, found, allow_pickle=False)
    headers = {"X-Glyphery-Errors": str(failed), "X-Glyphery-Model": model.digest}
    return Response(file.getvalue(), media_type=NPY, headers={"Cache-Control": "no-store", **headers})
