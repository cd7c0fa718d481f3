"""Where fonts lie: paths of this machine, and addresses such as s3://bucket/fonts/ that any machine can read.

An address is a URI, with what is special in a URI percent-encoded. pyarrow reads s3, gs, abfs, hdfs and
file; fsspec, with the package it asks for, most others. What a font is called in reports is its
address without credentials and options, decoded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from glyphs.dataset.build import FONT_SUFFIXES, find_fonts
from glyphs.errors import BadFont, BadInput
from glyphs.fonts import MAX_FONT_BYTES, FontFile

Place = Path | str  # a file of this machine, or an address
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


def place(text: str) -> Place:
    """What a text names: an address where it begins as one, a path otherwise."""
    return text.strip().replace(" ", "%20") if _ADDRESS.match(text) else Path(text)


def name(of: Place) -> str:
    """What a font is called."""
    if isinstance(of, Path):
        return str(of)
    parts = urlsplit(of)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{unquote(parts.path)}"


def find(places: Iterable[Place]) -> list[Place]:
    """Files as given, and every font below the folders given; paths, then addresses, each sorted.

    Raises:
        BadInput: a place does not exist or cannot be looked at, or there is no font.
    """
    given = list(places)
    addresses: set[str] = set()
    for address in (of for of in given if isinstance(of, str)):
        addresses.update(_listed(address))
    paths = [of for of in given if isinstance(of, Path)]
    if not paths and given:
        if not addresses:
            raise BadInput(
                "No fonts were found.", f"Their names end with {', '.join(sorted(FONT_SUFFIXES))}."
            )
        return _sorted(addresses)
    return [*find_fonts(paths), *_sorted(addresses)]


def read(of: Place) -> bytes:
    """A font's bytes.

    Raises:
        BadFont: it cannot be read, or is beyond MAX_FONT_BYTES.
    """
    if isinstance(of, Path):
        return FontFile.read(of).data
    try:
        system, path = _system(of)
        with system.open_input_file(path) as file:
            if file.size() > MAX_FONT_BYTES:
                raise BadFont(f"It is larger than {MAX_FONT_BYTES >> 20} MiB.")
            data: bytes = file.read()
    except (OSError, BadInput) as error:
        raise BadFont(f"It cannot be read: {_reason(error)}.") from None
    return data


def _listed(address: str) -> Iterator[str]:
    from pyarrow.fs import FileSelector, FileType

    try:
        system, path = _system(address)
        info = system.get_file_info(path)
        if info.type == FileType.NotFound:
            raise BadInput(f"There is no {name(address)}.")
        if info.type == FileType.File:
            yield address
            return
        within = system.get_file_info(FileSelector(path, recursive=True))
    except OSError as error:
        raise BadInput(f"{name(address)} cannot be looked at: {_reason(error)}.") from None
    folder, options, query = address.partition("?")
    folder, start = folder.rstrip("/"), len(info.path.rstrip("/")) + 1
    for found in within:
        if found.type == FileType.File and PurePosixPath(found.path).suffix.lower() in FONT_SUFFIXES:
            yield f"{folder}/{quote(found.path[start:])}{options}{query}"


def _system(address: str) -> tuple[Any, str]:
    """The file system of an address, and what it calls the place.

    Raises:
        BadInput: nothing here can read such addresses.
    """
    try:
        from pyarrow import ArrowException
        from pyarrow.fs import FileSystem, FSSpecHandler, PyFileSystem
    except ImportError:
        raise BadInput(
            f"Reading {urlsplit(address).scheme}:// needs pyarrow.", "pip install 'glyphery[ray]'"
        ) from None
    try:
        found: tuple[Any, str] = FileSystem.from_uri(address)
        return found
    except (ArrowException, ValueError) as error:
        refused = error
    try:
        from fsspec.core import url_to_fs

        web = urlsplit(address).scheme in ("http", "https")  # which are encoded to the end
        system, path = url_to_fs(address if web else unquote(address))
        return PyFileSystem(FSSpecHandler(system)), path
    except (ImportError, ValueError) as error:
        raise BadInput(f"{name(address)} cannot be read: {_reason(refused)}; {_reason(error)}.") from None


def _sorted(addresses: Iterable[str]) -> list[Place]:
    """By their parts, as paths are sorted."""
    return sorted(addresses, key=lambda address: name(address).split("/"))


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    first, *_ = str(error).splitlines() or [type(error).__name__]
    return first.rstrip(".")
