"""How a posted font or document arrives: as it is, or as the one file of a multipart form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from fastapi import Request

from service.errors import EmptyBody, InvalidRequest, UnsupportedBody
from service.forms import FORM, FormFiles
from service.reading import RAW, media_type_of, read_body

BINARY: Final[dict[str, Any]] = {"schema": {"type": "string", "format": "binary"}}


@dataclass(frozen=True, slots=True)
class OneFile:
    """A kind of file that is posted alone.

    what: it is called; so may its field in a form
    shown: its usual media type
    types: all that it may have; one that ends in a slash stands for all that begin so
    """

    what: str
    shown: str
    types: tuple[str, ...]

    @property
    def fields(self) -> tuple[str, ...]:
        """What it may be called in a form."""
        return self.what, "file"

    def may_be(self, media_type: str) -> bool:
        """Whether a body of that type may be such a file as it is."""
        return media_type in RAW or any(
            media_type.startswith(one) if one.endswith("/") else media_type == one for one in self.types
        )

    @property
    def body(self) -> dict[str, Any]:
        """For OpenAPI, which cannot see what is read by hand."""
        field = {"type": "string", "format": "binary", "description": "or `file`"}
        form = {"type": "object", "required": [self.what], "properties": {self.what: field}}
        content = {"application/octet-stream": BINARY, self.shown: BINARY, FORM: {"schema": form}}
        return {"requestBody": {"required": True, "content": content}}

    async def read(self, request: Request, limit: int, seconds: float) -> bytes:
        """The one file of a request, of so many bytes at most, which arrives in so many seconds.

        Raises:
            BadRequest: one of its kinds, when the body cannot be used.
            Overloaded: too many bodies are arriving.
        """
        remedy = f"Post a {self.what}, or a multipart form with a file `{self.what}`."
        media_type = media_type_of(request)
        if media_type != FORM and not self.may_be(media_type):
            raise UnsupportedBody(f"The body's content type is none that a {self.what} may have.", remedy)
        body = await read_body(request, limit, seconds)
        if body and media_type == FORM:
            form = _Form(request.headers["content-type"], self)
            form.write(body)
            form.close()
            body = bytes(form.file)
        if not body:
            raise EmptyBody(self.what, remedy)
        return body


FONT: Final = OneFile(
    "font",
    "font/*",
    (
        "font/", "application/font-sfnt", "application/vnd.ms-opentype", "application/x-font-ttf",
        "application/x-font-otf", "application/font-woff",
    ),
)  # fmt: skip
DOCUMENT: Final = OneFile("document", "application/pdf", ("application/pdf", "application/x-pdf"))


class _Form(FormFiles):
    """Of one file."""

    def __init__(self, content_type: str, kind: OneFile) -> None:
        super().__init__(content_type)
        self.fields, self._what = kind.fields, kind.what
        self.file = bytearray()
        self._files = 0

    def begin_file(self, name: str) -> None:
        self._files += 1
        if self._files > 1:
            error = {"location": ["body", self._what], "message": "there may be one file only"}
            raise InvalidRequest([error])

    def add_to_file(self, data: memoryview) -> None:
        self.file += data

    def end_file(self) -> None:
        """There is nothing to be done."""
