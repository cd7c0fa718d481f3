"""How the items of a batch arrive: as lines of NDJSON, or as the files of one multipart form.

A body is taken apart while it streams in, an item at a time, so that a batch of any size needs no more
memory than its largest pictures.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Final

from fastapi import Request
from pydantic_core import from_json
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, MultipartState, parse_options_header

from service.errors import (
    BadRequest,
    BodyTooLarge,
    InvalidRequest,
    MalformedBody,
    SlowBody,
    TooManyItems,
    UnsupportedBody,
)
from service.reading import (
    FILE_FIELDS,
    PostedGlyph,
    Uploads,
    check_headers,
    media_type_of,
    parse_json,
    posted,
)
from service.schemas import ItemBody, Metrics
from service.settings import Settings

LINES: Final = "application/x-ndjson"
FORM: Final = "multipart/form-data"
_LINES = (LINES, "application/jsonl", "application/ndjson")
_LONGEST_ID = 200  # characters
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
    pieces = _pieces(request, settings)
    found = _in_form(request, pieces, settings) if media_type == FORM else _in_lines(pieces, settings)
    count = 0
    with uploads.one_more():
        async with aclosing(pieces), aclosing(found):
            async for item in found:
                if count == settings.max_items:
                    raise TooManyItems(settings.max_items)
                count += 1
                yield item


async def _pieces(request: Request, settings: Settings) -> AsyncGenerator[bytes, None]:
    """The body as it comes in, for as long as it keeps coming and is not too large."""
    seconds, most, size = settings.max_upload_seconds, settings.max_batch_bytes, 0
    async with aclosing(request.stream()) as stream:
        while True:
            try:
                async with asyncio.timeout(seconds):
                    piece = await anext(stream, None)
            except TimeoutError:
                raise SlowBody(seconds, "The next piece of the body") from None
            if piece is None:
                return
            yield piece[: most - size]
            size += len(piece)
            if size > most:
                raise BodyTooLarge(most)


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
        return Item(given.id, posted(data, given.metrics or Metrics()))
    except BadRequest as error:
        return Item(_id_in(line), error)


def _id_in(line: bytearray) -> str | None:
    """The id of a line with which something else is wrong."""
    with suppress(ValueError, TypeError, LookupError):
        found = from_json(line)["id"]
        return found if isinstance(found, str) and len(found) <= _LONGEST_ID else None
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


class _Form:
    """Takes a multipart form apart as it comes in."""

    def __init__(self, content_type: str, limit: int) -> None:
        """limit: bytes of a file.

        Raises:
            MalformedBody: the content type names no boundary that could be used.
        """
        self._limit = limit
        self._items: list[Item] = []
        self._header, self._value = b"", b""
        self._disposition, self._name = b"", ""
        self._file = bytearray()  # of a file that is too large, its first `limit + 1` bytes
        boundary = parse_options_header(content_type)[1].get(b"boundary")
        if not boundary:
            raise _not_a_form()
        try:
            self._parser = MultipartParser(boundary, {
                "on_part_begin": self._begin,
                "on_header_field": self._add_to_header,
                "on_header_value": self._add_to_value,
                "on_header_end": self._end_header,
                "on_headers_finished": self._end_headers,
                "on_part_data": self._add_to_file,
                "on_part_end": self._end,
            })  # fmt: skip
        except FormParserError:
            raise _not_a_form() from None

    def write(self, piece: bytes) -> None:
        """Take the next piece of the body.

        Raises:
            MalformedBody: this is no multipart form.
            InvalidRequest: a part of it is something else than a picture.
        """
        try:
            self._parser.write(piece)
        except FormParserError:
            raise _not_a_form() from None

    def taken(self) -> list[Item]:
        """The items that are complete and were not given out yet."""
        items, self._items = self._items, []
        return items

    def close(self) -> None:
        """Raises MalformedBody where the form broke off."""
        if self._parser.state != MultipartState.END:
            raise _not_a_form()

    def _begin(self) -> None:
        self._disposition, self._file = b"", bytearray()

    def _add_to_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _add_to_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header, self._value = b"", b""

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._disposition)
        field = options.get(b"name", b"").decode(errors="replace")
        if field not in FILE_FIELDS or b"filename" not in options:
            message = "a batch is files named `image`, with file names, and nothing else"
            raise InvalidRequest([{"location": ["body", field[:_LONGEST_ID]], "message": message}])
        self._name = options[b"filename"].decode(errors="replace")[:_LONGEST_ID]

    def _add_to_file(self, data: bytes, start: int, end: int) -> None:
        self._file += data[start : min(end, start + self._limit + 1 - len(self._file))]

    def _end(self) -> None:
        glyph: PostedGlyph | BadRequest
        try:
            if len(self._file) > self._limit:
                raise BodyTooLarge(self._limit)
            glyph = posted(bytes(self._file))
        except BadRequest as error:
            glyph = error
        self._items.append(Item(self._name, glyph))


def _not_a_form() -> MalformedBody:
    return MalformedBody("The body is not the multipart form it says it is.")
