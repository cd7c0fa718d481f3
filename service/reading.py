"""How a posted glyph arrives: as the bytes of a picture, in a multipart form, or as base64 in JSON.

The body is counted while it streams in, so that no more than the limit is ever held. The
picture itself is decoded later, by a worker of the engine.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, Any, Final

import numpy as np
from fastapi import Query, Request
from numpy.typing import NDArray
from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from glyphs.picture import BlankPicture, BrokenPicture, PictureTooLarge, UnsupportedPicture
from service.errors import (
    OF_THE_ENGINE,
    BodyTooLarge,
    EmptyBody,
    InvalidRequest,
    MalformedBody,
    SlowBody,
    UnsupportedBody,
)
from service.problems import locations
from service.schemas import PICTURE_EXAMPLE, Extent, Metrics, PictureBody, Position
from service.settings import Settings

METRICS: Final = ("width", "height", "bottom", "advance")  # in the order the model takes them
_FILE_FIELDS = ("image", "file")
# curl's --data-binary says urlencoded unless told otherwise; no form of that kind can hold a picture.
_RAW = ("", "application/octet-stream", "application/x-www-form-urlencoded")
_LARGEST_CONTENT_LENGTH = 18  # digits

# For OpenAPI: what FastAPI cannot see, because the body is read by hand, and what can go wrong with it.
PICTURE_PROBLEMS: Final = (
    EmptyBody, MalformedBody, SlowBody, BodyTooLarge, UnsupportedBody, *OF_THE_ENGINE,
    PictureTooLarge, UnsupportedPicture, BrokenPicture, BlankPicture,
)  # fmt: skip
PICTURE_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "image/*": {"schema": {"type": "string", "format": "binary"}},
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "properties": {
                        "image": {"type": "string", "format": "binary", "description": "or `file`"},
                        **{name: {"type": "number"} for name in METRICS},
                    },
                }
            },
            "application/json": {
                "schema": {"$ref": "#/components/schemas/PictureBody"},
                "example": PICTURE_EXAMPLE,
            },
        },
    }
}


@dataclass(frozen=True, slots=True, eq=False)
class PostedGlyph:
    """A picture not yet decoded, and its metrics: (4,) float32, em, NaN where unknown."""

    data: bytes
    metrics: NDArray[np.float32]


async def read_glyph(
    request: Request,
    width: Annotated[Extent | None, Query(description="width of the ink, em")] = None,
    height: Annotated[Extent | None, Query(description="height of the ink, em")] = None,
    bottom: Annotated[Position | None, Query(description="foot of the ink above the baseline, em")] = None,
    advance: Annotated[Extent | None, Query(description="advance width, em")] = None,
) -> PostedGlyph:
    """The glyph of a request; metrics in the body win over those in the query.

    Raises:
        BadRequest: one of its kinds, when the body cannot be used.
    """
    settings: Settings = request.app.state.settings
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedBody("The body is compressed.", "Send it as it is: pictures are compressed already.")
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    # Looked up before the body is read, so that what nobody will use is not waited for.
    reader = _reader(media_type)
    body = await _bounded_body(request, settings.max_body_bytes, settings.max_upload_seconds)
    if not body:
        raise EmptyBody
    data, inside = await reader(request, body) if reader else (body, Metrics())
    if not data:
        raise EmptyBody
    asked = Metrics(width=width, height=height, bottom=bottom, advance=advance)
    return PostedGlyph(data, _together(asked, inside))


def _reader(media_type: str) -> Any:
    if media_type == "multipart/form-data":
        return _from_form
    if media_type == "application/json" or media_type.endswith("+json"):
        return _from_json
    if media_type in _RAW or media_type.startswith("image/"):
        return None
    raise UnsupportedBody(
        "The body's content type is none the service reads.",
        "Send image/*, application/octet-stream, multipart/form-data or application/json.",
    )


async def _bounded_body(request: Request, limit: int, seconds: float) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and (len(declared) > _LARGEST_CONTENT_LENGTH or int(declared) > limit):
        raise BodyTooLarge(limit)
    body = bytearray()
    try:
        async with asyncio.timeout(seconds), aclosing(request.stream()) as chunks:
            async for chunk in chunks:
                if len(body) + len(chunk) > limit:
                    raise BodyTooLarge(limit)
                body += chunk
    except TimeoutError:
        raise SlowBody(seconds) from None
    return bytes(body)


async def _from_form(request: Request, body: bytes) -> tuple[bytes, Metrics]:
    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    parser = MultiPartParser(request.headers, stream(), max_files=4, max_fields=16)
    parser.spool_max_size = len(body) + 1  # nothing goes to disk: the body is in memory, and bounded
    try:
        form = await parser.parse()
    except (MultiPartException, ValueError, LookupError):  # the latter two for charsets that are none
        raise MalformedBody("The body is not the multipart form it says it is.") from None
    try:
        file = next((form[name] for name in _FILE_FIELDS if name in form), None)
        if not isinstance(file, UploadFile):
            message = "a file is needed, with a file name" if file else "the form has no such file"
            raise InvalidRequest([{"location": ["body", "image"], "message": message}])
        given = {name: form[name] for name in METRICS if form.get(name)}
        return await file.read(), _validated(given)
    finally:
        await form.close()


async def _from_json(request: Request, body: bytes) -> tuple[bytes, Metrics]:
    try:
        given = PictureBody.model_validate_json(body)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        if found[0]["type"] == "json_invalid":
            raise MalformedBody("The body is not the JSON it says it is.") from None
        raise InvalidRequest(locations(found, "body")) from None
    # A data URL, as a browser's canvas gives it, is base64 behind a comma.
    text = given.image.partition(",")[2] if given.image.startswith("data:") else given.image
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidRequest([{"location": ["body", "image"], "message": "not base64"}]) from None
    return data, given.metrics or Metrics()


def _validated(given: Mapping[str, Any]) -> Metrics:
    try:
        return Metrics.model_validate(given)
    except ValidationError as error:
        raise InvalidRequest(locations(error.errors(include_input=False), "body")) from None


def _together(asked: Metrics, inside: Metrics) -> NDArray[np.float32]:
    values = asked.model_dump() | inside.model_dump(exclude_none=True)
    return np.array([np.nan if values[name] is None else values[name] for name in METRICS], np.float32)
