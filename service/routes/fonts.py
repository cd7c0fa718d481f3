"""POST /fonts/score: fonts become a job, which says glyph by glyph whether each is what it claims."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from pydantic import Field

from service.errors import (
    OF_THE_DOOR,
    ArchiveTooLarge,
    BadArchive,
    BodyTooLarge,
    EmptyBody,
    MalformedBody,
    NoFonts,
    NoJobs,
    Overloaded,
    QueueFull,
    SlowBody,
    StorageFull,
    TooManyFonts,
    UnknownModel,
    UnsupportedBody,
)
from service.forms import FORM
from service.jobs.archives import shown
from service.jobs.intake import take_in
from service.jobs.record import Pinned
from service.one_file import BINARY
from service.parameters import ToModel, caller_of, desk_of, engine_of, settings_of
from service.problems import documented
from service.schemas import JobFields

_NAME = "what to call a font that is the body itself"
_PROBLEMS = (
    *OF_THE_DOOR, Overloaded, EmptyBody, MalformedBody, SlowBody, BodyTooLarge, UnsupportedBody, UnknownModel,
    BadArchive, ArchiveTooLarge, TooManyFonts, NoFonts, NoJobs, QueueFull, StorageFull,
)  # fmt: skip
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": BINARY,
            "font/*": BINARY,
            "application/zip": BINARY,
            "application/x-tar": BINARY,
            "application/gzip": BINARY,
            FORM: {
                "schema": {
                    "type": "object",
                    "required": ["font"],
                    "properties": {
                        "font": {"type": "array", "items": {"type": "string", "format": "binary"}}
                    },
                }
            },
        },
    }
}
_LINKS: Final = {"Location": {"schema": {"type": "string"}, "description": "of the job"}}

router = APIRouter(tags=["jobs"])


class ScoreQuery(ToModel):
    """What /fonts/score can be asked."""

    name: Annotated[str, Field(max_length=200, description=_NAME)] = "font"


@router.post(
    "/fonts/score",
    status_code=202,
    response_model=JobFields,
    responses={**documented(*_PROBLEMS), 202: {"headers": _LINKS}},
    openapi_extra=_BODY,
    summary="Score every glyph of fonts",
)
async def score_fonts(request: Request, query: Annotated[ScoreQuery, Query()]) -> Any:
    """Fonts as they are, as files of a form, or in archives (ZIP, tar, tar.gz), alone or as files of a form.
    The answer is the job; it is put to the model as it is served now, whatever is loaded later.
    """
    desk = desk_of(request)
    model = engine_of(request).models.find(query.model)
    pinned = Pinned(**model.identity, path=str(model.bundle.address.absolute()))
    job = await take_in(
        request, desk.store, settings_of(request), model=pinned, owner=caller_of(request),
        name=shown(query.name),
    )  # fmt: skip
    desk.keeper.wake()
    return JSONResponse(
        job.document(), 202, headers={"Location": f"/jobs/{job.id}", "Cache-Control": "no-store"}
    )
