"""How a posted font arrives: as it is, or as the one file of a multipart form."""

from __future__ import annotations

from typing import Any, Final

from fastapi import Request

from service.errors import EmptyBody, InvalidRequest, UnsupportedBody
from service.forms import FORM, FormFiles
from service.reading import RAW, media_type_of, read_body
from service.settings import Settings

FONT_FIELDS: Final = ("font", "file")
_TYPES: Final = (
    *RAW, "application/font-sfnt", "application/vnd.ms-opentype", "application/x-font-ttf",
    "application/x-font-otf", "application/font-woff",
)  # fmt: skip
_POST = "Post a font, or a multipart form with a file `font`."
BINARY: Final[dict[str, Any]] = {"schema": {"type": "string", "format": "binary"}}
# For OpenAPI, which cannot see what is read by hand.
FONT_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": BINARY,
            "font/*": BINARY,
            FORM: {
                "schema": {
                    "type": "object",
                    "required": ["font"],
                    "properties": {
                        "font": {"type": "string", "format": "binary", "description": "or `file`"}
                    },
                }
            },
        },
    }
}


def is_font(media_type: str) -> bool:
    """Whether a body of that type may be a font as it is."""
    return media_type in _TYPES or media_type.startswith("font/")


async def read_font(request: Request, settings: Settings) -> bytes:
    """The one font of a request.

    Raises:
        BadRequest: one of its kinds, when the body cannot be used.
        Overloaded: too many bodies are arriving.
    """
    media_type = media_type_of(request)
    if media_type != FORM and not is_font(media_type):
        raise UnsupportedBody("The body's content type is none that a font may have.", _POST)
    body = await read_body(request, settings.max_body_bytes, settings.max_upload_seconds)
    if body and media_type == FORM:
        form = _Form(request.headers["content-type"])
        form.write(body)
        form.close()
        body = bytes(form.font)
    if not body:
        raise EmptyBody("font", _POST)
    return body


class _Form(FormFiles):
    """Of one file."""

    fields = FONT_FIELDS

    def __init__(self, content_type: str) -> None:
        super().__init__(content_type)
        self.font = bytearray()
        self._files = 0

    def begin_file(self, name: str) -> None:
        self._files += 1
        if self._files > 1:
            raise InvalidRequest([{"location": ["body", "font"], "message": "there may be one file only"}])

    def add_to_file(self, data: memoryview) -> None:
        self.font += data

    def end_file(self) -> None:
        """There is nothing to be done."""
