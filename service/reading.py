"""How a posted glyph arrives: as the bytes of a picture, in a multipart form, or as base64 in JSON.

The body is counted while it streams in, so that no more than the limit is ever held. The
picture itself is decoded later, by a worker of the engine.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Final, TypeVar

import numpy as np
from fastapi import Request
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from glyphs.picture import BlankPicture, BrokenPicture, PictureTooLarge, UnsupportedPicture
from service.errors import (
    OF_THE_ENGINE,
    BodyTooLarge,
    EmptyBody,
    InvalidRequest,
    MalformedBody,
    Overloaded,
    SlowBody,
    UnsupportedBody,
)
from service.problems import refusal
from service.schemas import PICTURE_EXAMPLE, Extent, Metrics, PictureBody, Position
from service.settings import Settings

METRICS: Final = ("width", "height", "bottom", "advance")  # in the order the model takes them
FILE_FIELDS: Final = ("image", "file")
# curl's --data-binary says urlencoded unless told otherwise; no form of that kind can hold a file.
RAW: Final = ("", "application/octet-stream", "application/x-www-form-urlencoded")
_LARGEST_CONTENT_LENGTH = 18  # digits
B = TypeVar("B", bound=PictureBody)

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


class Uploads:
    """Counts the bodies that are arriving, so that slow clients cannot fill the memory."""

    def __init__(self, most: int) -> None:
        self._most, self.arriving = most, 0

    @contextmanager
    def one_more(self) -> Generator[None, None, None]:
        """Raises Overloaded where as many are arriving as may."""
        if self.arriving >= self._most:
            raise Overloaded
        self.arriving += 1
        try:
            yield
        finally:
            self.arriving -= 1


def row_of(given: Metrics | Measured) -> NDArray[np.float32]:
    """Metrics as a model takes them: (4,) float32, NaN where unknown. Shared, and so not to be written."""
    known = (getattr(given, name) for name in METRICS)
    row = np.array([np.nan if value is None else value for value in known], np.float32)
    row.flags.writeable = False
    return row


NOTHING_KNOWN: Final = row_of(Metrics())


class Measured(BaseModel):
    """Metrics in the query."""

    width: Annotated[Extent | None, Field(description="width of the ink, em")] = None
    height: Annotated[Extent | None, Field(description="height of the ink, em")] = None
    bottom: Annotated[Position | None, Field(description="foot of the ink above the baseline, em")] = None
    advance: Annotated[Extent | None, Field(description="advance width, em")] = None

    @cached_property
    def row(self) -> NDArray[np.float32]:
        return row_of(self)


async def read_glyph(request: Request, asked: Measured) -> PostedGlyph:
    """The glyph of a request; metrics in the body win over those in the query.

    Raises:
        BadRequest: one of its kinds, when the body cannot be used.
    """
    settings: Settings = request.app.state.settings
    # Looked up before the body is read, so that what nobody will use is not waited for.
    reader = _reader(media_type_of(request))
    body = await read_body(request, settings.max_body_bytes, settings.max_upload_seconds)
    if not body:
        raise EmptyBody
    data, inside = await reader(request, body) if reader else (body, None)
    if inside is None:
        return posted(data, asked.row)
    row = row_of(inside)
    return posted(data, np.where(np.isnan(row), asked.row, row))


def media_type_of(request: Request) -> str:
    """The body's media type, in lower case and without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def check_headers(request: Request, limit: int) -> None:
    """Refuse a body that says it cannot be used before any of it has come.

    Raises:
        UnsupportedBody: it is compressed.
        BodyTooLarge: it has more bytes than the limit.
    """
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedBody("The body is compressed.", "Send it as it is: pictures are compressed already.")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and (len(declared) > _LARGEST_CONTENT_LENGTH or int(declared) > limit):
        raise BodyTooLarge(limit)


def parse_json(body: bytes | bytearray, schema: type[B]) -> tuple[B, bytes]:
    """What a JSON body says, and the bytes of its picture.

    Raises:
        MalformedBody: it is not JSON.
        InvalidRequest: it does not say what it should.
    """
    try:
        given = schema.model_validate_json(body)
    except ValidationError as error:
        raise refusal(error, "body") from None
    # A data URL, as a browser's canvas gives it, is base64 behind a comma.
    text = given.image.partition(",")[2] if given.image.startswith("data:") else given.image
    try:
        return given, from_base64(text.encode())
    except ValueError:
        raise InvalidRequest([{"location": ["body", "image"], "message": "not base64"}]) from None


def from_base64(text: bytes) -> bytes:
    """What a text stands for, whatever lines it is broken into. Raises ValueError where it is no base64."""
    return base64.b64decode(b"".join(text.split()), validate=True)


def posted(data: bytes, row: NDArray[np.float32]) -> PostedGlyph:
    """A glyph as the engine takes it. row: its metrics, as `row_of` makes it

    Raises:
        EmptyBody: there is no picture.
    """
    if not data:
        raise EmptyBody
    return PostedGlyph(data, row)


def _reader(media_type: str) -> Any:
    if media_type == "multipart/form-data":
        return _from_form
    if media_type == "application/json" or media_type.endswith("+json"):
        return _from_json
    if media_type in RAW or media_type.startswith("image/"):
        return None
    raise UnsupportedBody(
        "The body's content type is none the service reads.",
        "Send image/*, application/octet-stream, multipart/form-data or application/json.",
    )


async def read_body(request: Request, limit: int, seconds: float) -> bytes:
    """A request's body, held whole.

    Raises:
        UnsupportedBody: it is compressed.
        BodyTooLarge: it has more bytes than the limit.
        SlowBody: it took more seconds to arrive.
    """
    check_headers(request, limit)
    body = bytearray()
    uploads: Uploads = request.app.state.uploads
    try:
        with uploads.one_more():
            async with asyncio.timeout(seconds), aclosing(request.stream()) as chunks:
                async for chunk in chunks:
                    if len(body) + len(chunk) > limit:
                        raise BodyTooLarge(limit)
                    body += chunk
    except TimeoutError:
        raise SlowBody(seconds) from None
    return bytes(body)


async def pieces_of(request: Request, limit: int, seconds: float) -> AsyncGenerator[bytes, None]:
    """A request's body as it comes in, for as long as it keeps coming and is not too large.

    Raises:
        BodyTooLarge: it has more bytes than the limit; so many have been given out.
        SlowBody: the next piece took more seconds to arrive.
    """
    size = 0
    async with aclosing(request.stream()) as stream:
        while True:
            try:
                async with asyncio.timeout(seconds):
                    piece = await anext(stream, None)
            except TimeoutError:
                raise SlowBody(seconds, "The next piece of the body") from None
            if piece is None:
                return
            yield piece[: limit - size]
            size += len(piece)
            if size > limit:
                raise BodyTooLarge(limit)


async def _from_form(request: Request, body: bytes) -> tuple[bytes, Metrics]:
    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    parser = MultiPartParser(request.headers, stream(), max_fields=16)
    parser.spool_max_size = len(body) + 1  # nothing goes to disk: the body is in memory, and bounded
    try:
        form = await parser.parse()
    except (MultiPartException, ValueError, LookupError):  # the latter two for charsets that are none
        raise MalformedBody("The body is not the multipart form it says it is.") from None
    try:
        match [file for name in FILE_FIELDS for file in form.getlist(name)]:
            case [UploadFile() as file]:
                given = {name: form[name] for name in METRICS if form.get(name)}
                return await file.read(), _validated(given)
            case []:
                message = "the form has no such file"
            case [_]:
                message = "a file is needed, with a file name"
            case _:
                message = "there may be one picture only; /classify/batch and /embed/batch take many"
        raise InvalidRequest([{"location": ["body", "image"], "message": message}])
    finally:
        await form.close()


async def _from_json(request: Request, body: bytes) -> tuple[bytes, Metrics | None]:
    given, data = parse_json(body, PictureBody)
    return data, given.metrics


def _validated(given: Mapping[str, Any]) -> Metrics:
    try:
        return Metrics.model_validate(given)
    except ValidationError as error:
        raise refusal(error, "body") from None
