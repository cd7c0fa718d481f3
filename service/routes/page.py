"""/: the page for people, and the files it is made of.

The files are read once and held, with their ETags and compressed: all of them together weigh less than one
picture from a phone. What they are is said in docs/PAGE.md.
"""

from __future__ import annotations

import gzip
import mimetypes
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Annotated, Final

from fastapi import APIRouter, Header
from fastapi.responses import Response
from starlette.exceptions import HTTPException

_INDEX: Final = "index.html"
_FRAME: Final = "frame.html"
_COMPRESSED: Final = "gzip"
# The browser asks every time whether a file is still the same: a new version of the service is a new page.
_CACHE: Final = "no-cache"
# The page runs its own scripts and talks to its own origin; pictures it makes by itself are blobs.
_POLICY: Final = (
    "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'"
)
# A report of scored fonts is shown in a frame of no origin: it can neither load nor send anything, and sees
# nothing of the page. Its scripts are inline, and named by hash in a policy of its own.
_FRAME_POLICY: Final = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
_OF_FRAME: Final = {"Content-Security-Policy": _FRAME_POLICY, "X-Frame-Options": "SAMEORIGIN"}

router = APIRouter(include_in_schema=False)  # for people: the description is of what programs ask


@dataclass(frozen=True, slots=True)
class _File:
    """A file of the page as it is sent."""

    content: bytes
    compressed: bytes
    media_type: str
    tag: str


@cache
def _files() -> dict[str, _File]:
    """Every file of the page by its name. Only these can be asked for."""
    found = {}
    for entry in files("service.page").iterdir():
        media_type, _ = mimetypes.guess_type(entry.name)
        if media_type and not entry.name.endswith(".py"):
            content = entry.read_bytes()
            # Windows' registry has other names for it; browsers insist on this one.
            media_type = "text/javascript" if entry.name.endswith(".js") else media_type
            tag = sha256(content).hexdigest()[:16]
            found[entry.name] = _File(content, gzip.compress(content, mtime=0), media_type, tag)
    return found


@router.get("/", response_class=Response)
async def page(
    if_none_match: Annotated[str, Header()] = "", accept_encoding: Annotated[str, Header()] = ""
) -> Response:
    """The page."""
    return _answer(_INDEX, if_none_match, accept_encoding)


@router.get("/page/{file}", response_class=Response)
async def page_file(
    file: str, if_none_match: Annotated[str, Header()] = "", accept_encoding: Annotated[str, Header()] = ""
) -> Response:
    """A file of the page."""
    return _answer(file, if_none_match, accept_encoding)


def _answer(name: str, if_none_match: str, accept_encoding: str) -> Response:
    file = _files().get(name)
    if file is None:
        raise HTTPException(404)
    compress = _COMPRESSED in accept_encoding
    tag = f'"{file.tag}{"-gzip" if compress else ""}"'
    headers = {"Cache-Control": _CACHE, "ETag": tag, "Vary": "Accept-Encoding"}
    if name == _FRAME:
        headers |= _OF_FRAME
    else:
        headers["Content-Security-Policy"] = _POLICY
    if tag in if_none_match:
        return Response(status_code=304, headers=headers)
    if compress:
        headers["Content-Encoding"] = _COMPRESSED
    return Response(
        file.compressed if compress else file.content, headers=headers, media_type=file.media_type
    )
