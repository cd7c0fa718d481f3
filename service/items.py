"""How the items of a batch arrive: as lines of NDJSON, or as the files of one multipart form.

A body is taken apart while it streams in, an item at a time, so that a batch of any size needs no more
memory than its largest pictures.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Final

from fastapi import Request
from pydantic_core import from_json

from service.errors import (
    BadRequest,
    BodyTooLarge,
    TooManyItems,
    UnsupportedBody,
)
from service.forms import FORM, FormFiles
from service.reading import (
    FILE_FIELDS,
    NOTHING_KNOWN,
    PostedGlyph,
    Uploads,
    check_headers,
    media_type_of,
    parse_json,
    pieces_of,
    posted,
    row_of,
)
from service.schemas import LONGEST_ID, ItemBody
from service.settings import Settings

LINES: Final = "application/x-ndjson"
_LINES = (LINES, "application/jsonl", "application/ndjson")
_BESIDE_THE_PICTURE = 8192  # bytes of a line for its id, metrics and names, however they are escaped


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """A picture of a batch, or what is wrong with it; `id` is the sender's name for it."""

    id: str | None
    glyph: PostedGlyph | BadRequest


async def read_items(request: Request) -> AsyncGenerator[Item, None]:
    """The items of a request's body, in order.

    Raises:
        BadRequest: one of its kinds, when the body as a whole cannot be used, or not from here on.
        Overloaded: as many bodies are arriving as may.
    """
    settings: Settings = request.app.state.settings
    uploads: Uploads = request.app.state.uploads
    media_type = media_type_of(request)
    if media_type not in (*_LINES, FORM):
        raise UnsupportedBody(
            "The body's content type is none that a batch may have.",
            f"Send {LINES} with one JSON object a line, or {FORM} with a file for each picture.",
        )
    check_headers(request, settings.max_batch_bytes)
    pieces = pieces_of(request, settings.max_batch_bytes, settings.max_upload_seconds)
    found = _in_form(request, pieces, settings) if media_type == FORM else _in_lines(pieces, settings)
    count = 0
    with uploads.one_more():
        async with aclosing(pieces), aclosing(found):
            async for item in found:
                if count == settings.max_items:
                    raise TooManyItems(settings.max_items)
                count += 1
                yield item


async def _in_lines(pieces: AsyncGenerator[bytes, None], settings: Settings) -> AsyncGenerator[Item, None]:
    limit = -(-settings.max_body_bytes * 4 // 3) + _BESIDE_THE_PICTURE  # base64 has four bytes for three
    line = bytearray()  # of a line that is too long, its first `limit + 1` bytes
    async for piece in pieces:
        *ends, rest = piece.split(b"\n")
        for end in ends:
            line += end[: limit + 1 - len(line)]
            if line.strip():
                yield _of_line(line, limit)
            line.clear()
        line += rest[: limit + 1 - len(line)]
    if line.strip():
        yield _of_line(line, limit)


def _of_line(line: bytearray, limit: int) -> Item:
    if len(line) > limit:
        return Item(None, BodyTooLarge(limit))
    try:
        given, data = parse_json(line, ItemBody)
        return Item(given.id, posted(data, row_of(given.metrics) if given.metrics else NOTHING_KNOWN))
    except BadRequest as error:
        return Item(_id_in(line), error)


def _id_in(line: bytearray) -> str | None:
    """The id of a line with which something else is wrong."""
    with suppress(ValueError, TypeError, LookupError):
        found = from_json(line)["id"]
        return found if isinstance(found, str) and len(found) <= LONGEST_ID else None
    return None


async def _in_form(
    request: Request, pieces: AsyncGenerator[bytes, None], settings: Settings
) -> AsyncGenerator[Item, None]:
    form = _Form(request.headers["content-type"], settings.max_body_bytes)
    async for piece in pieces:
        try:
            form.write(piece)
        finally:  # what came before anything is wrong is answered, however the pieces were cut
            for item in form.taken():
                yield item
    form.close()


class _Form(FormFiles):
    """Items out of a multipart form."""

    fields = FILE_FIELDS

    def __init__(self, content_type: str, limit: int) -> None:
        """limit: bytes of a file. Raises MalformedBody where the content type names no usable boundary."""
        super().__init__(content_type)
        self._limit = limit
        self._items: list[Item] = []
        self._name = ""
        self._file = bytearray()  # of a file that is too large, its first `limit + 1` bytes

    def taken(self) -> list[Item]:
        """The items that are complete and were not given out yet."""
        items, self._items = self._items, []
        return items

    def begin_file(self, name: str) -> None:
        self._name, self._file = name[:LONGEST_ID], bytearray()

    def add_to_file(self, data: memoryview) -> None:
        self._file += data[: self._limit + 1 - len(self._file)]

    def end_file(self) -> None:
        glyph: PostedGlyph | BadRequest
        try:
            if len(self._file) > self._limit:
                raise BodyTooLarge(self._limit)
            glyph = posted(bytes(self._file), NOTHING_KNOWN)
        except BadRequest as error:
            glyph = error
        self._items.append(Item(self._name, glyph))
