"""POST /fonts/identify: which character and joining form every glyph of a font shows."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from glyphs.errors import BadLabel
from recognition.candidates import NoCandidates
from recognition.priors import Prior
from scoring.identify import IdentifiedFace
from service.errors import (
    OF_THE_ENGINE,
    BodyTooLarge,
    EmptyBody,
    MalformedBody,
    SlowBody,
    TooManyGlyphs,
    UnknownModel,
    UnsupportedBody,
    UnusableFont,
)
from service.one_by_one import in_pieces
from service.one_file import FONT
from service.parameters import Asked, Asking, Count, InContext, check_count, identifier_of, settings_of
from service.pictures import as_picture
from service.problems import documented
from service.schemas import IdentifyResponse

_PROBLEMS = (
    EmptyBody, MalformedBody, SlowBody, BodyTooLarge, UnsupportedBody, *OF_THE_ENGINE, UnknownModel,
    BadLabel, NoCandidates, UnusableFont, TooManyGlyphs,
)  # fmt: skip

_PRIOR = (
    "what the glyphs are: text: those that some text needs, as in fonts that documents embed; fonts: all or"
    " most of what a font has; uniform: any"
)
_DEPTH = 4  # of a glyph in the answer

router = APIRouter(tags=["recognition"])


class IdentifyQuery(InContext, Asked):
    """What /fonts/identify can be asked."""

    k: Count = 3
    prior: Annotated[Prior, Field(description=_PRIOR)] = Prior.TEXT
    pictures: Annotated[bool, Field(description="whether there is a picture of each glyph")] = False


@router.post(
    "/fonts/identify",
    response_model=IdentifyResponse,
    responses=documented(*_PROBLEMS),
    openapi_extra=FONT.body,
    summary="Which character and joining form every glyph of a font shows",
)
async def identify_font(request: Request, query: Annotated[IdentifyQuery, Query()]) -> Response:
    """Whatever the font's character map says, if it has one. The glyphs are recognised together: a font
    draws a character once, and has those that go together.
    """
    asking, identifier = Asking.of(request, query), identifier_of(request)
    check_count(request, query.k)
    identifier.fonts.admit()
    # Off the event loop: it takes a while.
    candidates = await asyncio.to_thread(asking.model.candidates, query.context)
    settings = settings_of(request)
    font = await FONT.read(request, settings.max_body_bytes, settings.max_upload_seconds)

    def finish(faces: list[IdentifiedFace]) -> Response:
        found = {"model": asking.model.identity, "faces": list(map(_told, faces))}
        return Response(in_pieces(found, _DEPTH), media_type="application/json")

    return await identifier.identify(
        font, asking.model, candidates, query.k, finish,
        keep_rasters=query.pictures, deadline=asking.deadline,
    )  # fmt: skip


def _told(face: IdentifiedFace) -> dict[str, Any]:
    told = face.to_dict()
    for glyph, identified in zip(told["glyphs"], face.glyphs, strict=True):
        glyph["picture"] = None if identified.raster is None else as_picture(identified.raster)
    return told
