"""Multipart forms of nothing but files, taken apart while they stream in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, MultipartState, parse_options_header

from service.errors import InvalidRequest, MalformedBody

FORM: Final = "multipart/form-data"
_LONGEST_FIELD = 200  # characters that are repeated to a client


class FormFiles(ABC):
    """Takes a form apart; what becomes of its files is its heirs' affair."""

    fields: tuple[str, ...]  # what files may be called, the usual first

    def __init__(self, content_type: str) -> None:
        """Raises MalformedBody where the content type names no boundary that could be used."""
        self._header, self._value, self._disposition = b"", b"", b""
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
                "on_part_data": self._add,
                "on_part_end": self.end_file,
            })  # fmt: skip
        except FormParserError:
            raise _not_a_form() from None

    @abstractmethod
    def begin_file(self, name: str) -> None:
        """A file begins; its name is as its sender has it."""

    @abstractmethod
    def add_to_file(self, data: memoryview) -> None:
        """More of the file."""

    @abstractmethod
    def end_file(self) -> None:
        """The file is complete."""

    def write(self, piece: bytes) -> None:
        """Take the next piece of the body.

        Raises:
            MalformedBody: this is no multipart form.
            InvalidRequest: a part of it is something else than a file of the right name.
        """
        try:
            self._parser.write(piece)
        except FormParserError:
            raise _not_a_form() from None

    def close(self) -> None:
        """Raises MalformedBody where the form broke off."""
        if self._parser.state != MultipartState.END:
            raise _not_a_form()

    def _begin(self) -> None:
        self._disposition = b""

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
        if field not in self.fields or b"filename" not in options:
            message = f"the form is files named `{self.fields[0]}`, with file names, and nothing else"
            raise InvalidRequest([{"location": ["body", field[:_LONGEST_FIELD]], "message": message}])
        self.begin_file(options[b"filename"].decode(errors="replace"))

    def _add(self, data: bytes, start: int, end: int) -> None:
        self.add_to_file(memoryview(data)[start:end])


def _not_a_form() -> MalformedBody:
    return MalformedBody("The body is not the multipart form it says it is.")
