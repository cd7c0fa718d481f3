"""POST /documents/repair: a PDF whose text cannot be copied becomes one whose text can."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from documents.contents import Text
from documents.repair import ReadDocumentFont
from recognition.candidates import NoCandidates
from recognition.in_text import CONSIDERED
from recognition.priors import Prior
from service.errors import (
    OF_THE_ENGINE,
    BodyTooLarge,
    EmptyBody,
    MalformedBody,
    SlowBody,
    TooManyCodes,
    UnknownModel,
    UnsupportedBody,
    UnusableDocument,
)
from service.models import Context
from service.one_by_one import in_pieces
from service.one_file import BINARY, DOCUMENT
from service.parameters import Asked, Asking, Scripts, listed, repairer_of, settings_of
from service.pictures import as_picture
from service.problems import documented
from service.schemas import RepairResponse

_PDF = "application/pdf"
_DEPTH = 4  # of a code in the answer
_PROBLEMS = (
    EmptyBody, MalformedBody, SlowBody, BodyTooLarge, UnsupportedBody, *OF_THE_ENGINE, UnknownModel,
    NoCandidates, UnusableDocument, TooManyCodes,
)  # fmt: skip
_TIMEOUT = "seconds after which the answer is of no use; the server has a limit, 60 unless set otherwise"
_K = "of each code in JSON, how many predictions"
_HEADERS = {
    "X-Glyphery-Model": {"description": "digest of the bundle that answered", "schema": {"type": "string"}},
    "X-Glyphery-Repaired": {
        "description": "codes that say what they show now",
        "schema": {"type": "integer"},
    },
    "X-Glyphery-Signed": {"description": "whether what was posted is", "schema": {"type": "boolean"}},
    "X-Glyphery-Damaged": {"description": "whether what was posted is", "schema": {"type": "boolean"}},
}

router = APIRouter(tags=["recognition"])


class Format(StrEnum):
    """What is answered."""

    PDF = "pdf"
    JSON = "json"


class RepairQuery(Asked):
    """What /documents/repair can be asked."""

    format: Annotated[
        Format,
        Field(description="pdf: the document; json: what its fonts show, with the document in base64"),
    ] = Format.PDF
    all: Annotated[
        bool, Field(description="believe the pictures, also where the document says something else")
    ] = False
    scripts: Scripts = ""
    k: Annotated[int, Field(ge=1, le=CONSIDERED, description=_K)] = 1
    pictures: Annotated[bool, Field(description="whether JSON has a picture of what each code draws")] = False
    timeout: Annotated[float | None, Field(gt=0, allow_inf_nan=False, description=_TIMEOUT)] = None


@router.post(
    "/documents/repair",
    response_class=Response,
    responses={
        **documented(*_PROBLEMS),
        200: {
            "model": RepairResponse, "content": {_PDF: BINARY}, "headers": _HEADERS,
            "description": "The document, as it was where nothing is to be repaired; or JSON.",
        },
    },
    openapi_extra=DOCUMENT.body,
    summary="A PDF whose text cannot be copied becomes one whose text can",
)  # fmt: skip
async def repair_document(request: Request, query: Annotated[RepairQuery, Query()]) -> Response:
    """What each code of each font draws is recognised, together with the font's others and with the text it
    stands in, and written into the document, where that says nothing itself. Pages look as they did.
    """
    settings, repairer = settings_of(request), repairer_of(request)
    asking = Asking.of(request, query, settings.document_timeout)
    repairer.documents.admit()
    context = Context(prior=Prior.TEXT, scripts=frozenset(listed(query.scripts)))
    candidates = await asyncio.to_thread(asking.model.candidates, context)
    document = await DOCUMENT.read(request, settings.max_document_bytes, settings.max_upload_seconds)
    identity = asking.model.identity

    def finish(text: Text, fonts: Sequence[ReadDocumentFont], repaired: bytes | None) -> Response:
        count = sum(font.repaired for font in fonts)
        if query.format is Format.PDF:
            headers = {
                "X-Glyphery-Model": identity["digest"], "X-Glyphery-Repaired": str(count),
                "X-Glyphery-Signed": str(text.signed).lower(),
                "X-Glyphery-Damaged": str(text.damaged).lower(),
            }  # fmt: skip
            return Response(document if repaired is None else repaired, headers=headers, media_type=_PDF)
        found: dict[str, Any] = {
            "model": identity, "pages": text.pages, "unread": text.unread, "signed": text.signed,
            "damaged": text.damaged, "repaired": count,
            "fonts": [_told(font, query.k, pictures=query.pictures) for font in fonts],
            "document": None if repaired is None else base64.b64encode(repaired).decode(),
        }  # fmt: skip
        return Response(in_pieces(found, _DEPTH), media_type="application/json")

    return await repairer.repair(
        document, asking.model, candidates, finish, everything=query.all, deadline=asking.deadline
    )


def _told(font: ReadDocumentFont, k: int, *, pictures: bool) -> dict[str, Any]:
    told = font.to_dict(k)
    for code, read in zip(told["codes"], font.codes, strict=True):
        raster = read.drawn.raster if pictures else None
        code["picture"] = None if raster is None else as_picture(raster)
    return told
