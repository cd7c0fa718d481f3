"""Errors as RFC 9457 problem documents: one table says what each error becomes.

A client may rely on `type`; `instance` names the request as the log does. `limit`, `unit`,
`retry_after` and `errors` are added where the error has them, and `error` under /v2. Nothing of what
was posted is sent back.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import ValidationError
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from glyphs.errors import BadLabel, BadPicture, GlypheryError
from glyphs.picture import BlankPicture, BrokenPicture, PictureTooLarge, UnsupportedPicture
from recognition.candidates import NoCandidates
from service import errors
from service.exchange import CURRENT, path_of

MEDIA_TYPE = "application/problem+json"
_URN = "urn:glyphery:problem:"
_EXTRAS = ("limit", "unit", "retry_after", "errors")
_FAILED = "The service failed to answer; the failure is in its log."
_LONGEST_DETAIL, _MOST_ERRORS, _LONGEST_LOCATION = 500, 20, 64

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem: HTTP status, the last part of its type, and its title."""

    status: int
    name: str
    title: str

    @property
    def type(self) -> str:
        return _URN + self.name


INTERNAL = Kind(500, "internal-error", "Internal error")
INVALID = Kind(422, "invalid-request", "Invalid request")

KINDS: Mapping[type[Exception], Kind] = {
    errors.Unauthorized: Kind(401, "unauthorized", "Unauthorized"),
    errors.Forbidden: Kind(403, "forbidden", "Forbidden"),
    errors.EmptyBody: Kind(400, "empty-body", "Empty body"),
    errors.MalformedBody: Kind(400, "malformed-body", "Malformed body"),
    errors.SlowBody: Kind(408, "slow-body", "Body did not arrive in time"),
    errors.BodyTooLarge: Kind(413, "body-too-large", "Body too large"),
    errors.TooManyItems: Kind(413, "too-many-items", "Too many items"),
    errors.UnsupportedBody: Kind(415, "unsupported-media-type", "Unsupported media type"),
    errors.InvalidRequest: INVALID,
    errors.UnknownModel: Kind(404, "unknown-model", "Unknown model"),
    errors.UnknownLabel: Kind(404, "unknown-label", "Unknown label"),
    errors.UnknownReference: Kind(404, "unknown-reference", "Unknown reference"),
    errors.NoIndex: Kind(404, "no-index", "No index"),
    errors.NoPrimitives: Kind(404, "no-primitives", "No primitives"),
    errors.UnusableBundle: Kind(422, "bad-bundle", "Bad bundle"),
    errors.NoJobs: Kind(404, "no-jobs", "No jobs"),
    errors.UnknownJob: Kind(404, "unknown-job", "Unknown job"),
    errors.JobNotDone: Kind(409, "job-not-done", "Job is not done"),
    errors.BadArchive: Kind(422, "bad-archive", "Bad archive"),
    errors.ArchiveTooLarge: Kind(413, "archive-too-large", "Archive too large"),
    errors.TooManyFonts: Kind(413, "too-many-fonts", "Too many fonts"),
    errors.NoFonts: Kind(422, "no-fonts", "No fonts"),
    errors.UnusableFont: Kind(422, "bad-font", "Bad font"),
    errors.TooManyGlyphs: Kind(413, "too-many-glyphs", "Too many glyphs"),
    errors.UnusableDocument: Kind(422, "bad-document", "Bad document"),
    errors.TooManyCodes: Kind(413, "too-many-codes", "Too many codes"),
    errors.RateLimited: Kind(429, "rate-limited", "Too many requests of one client"),
    errors.Overloaded: Kind(429, "overloaded", "Too many requests"),
    errors.NotReady: Kind(503, "not-ready", "Not ready"),
    errors.ExecutorDied: Kind(503, "executor-died", "Executor died"),
    errors.TooLate: Kind(504, "too-late", "Too late"),
    errors.QueueFull: Kind(429, "job-queue-full", "Too many jobs"),
    errors.StorageFull: Kind(507, "storage-full", "Storage full"),
    PictureTooLarge: Kind(413, "image-too-large", "Image too large"),
    UnsupportedPicture: Kind(415, "unsupported-image", "Unsupported image"),
    BrokenPicture: Kind(422, "broken-image", "Broken image"),
    BlankPicture: Kind(422, "blank-image", "Blank image"),
    BadPicture: Kind(422, "bad-image", "Bad image"),
    BadLabel: Kind(422, "bad-label", "Bad label"),
    NoCandidates: Kind(422, "no-candidates", "No label is possible"),
}


def kind_of(error: BaseException) -> Kind:
    """The kind of the nearest class of the error that the table knows; an internal error if none."""
    return next((KINDS[base] for base in type(error).__mro__ if base in KINDS), INTERNAL)


def problem(
    kind: Kind, detail: str, extras: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """A problem document as a response."""
    content = _document(kind, detail) | dict(extras or {})
    exchange = CURRENT.get()
    if exchange:
        exchange.problem = kind.name
        content["instance"] = exchange.urn
    sent = {"Cache-Control": "no-store"} | dict(headers or {})
    return Response(to_json(content), kind.status, headers=sent, media_type=MEDIA_TYPE)


def refusal(error: ValidationError, part: str, remedy: str = "") -> errors.BadRequest:
    """What is wrong with a part of a request, without its values: MalformedBody where it is no JSON, else
    InvalidRequest.

    remedy: of what is no JSON
    """
    found = error.errors(include_url=False, include_input=False, include_context=False)
    if found[0]["type"] == "json_invalid":
        return errors.MalformedBody("The body is not the JSON it says it is.", remedy)
    return errors.InvalidRequest(_locations(found, part))


def _locations(found: Sequence[Any], *prefix: str) -> list[dict[str, Any]]:
    """Validation errors of pydantic as `errors.InvalidRequest` wants them."""
    return [
        {
            "location": [*prefix, *(str(part)[:_LONGEST_LOCATION] for part in error["loc"])],
            "message": error["msg"],
        }
        for error in found[:_MOST_ERRORS]
    ]


def add_problem_handlers(app: FastAPI) -> None:
    """Make every error of the app a problem document."""
    app.add_middleware(LastResort)
    app.add_exception_handler(GlypheryError, _own)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ClientDisconnect, _departed)


class LastResort:
    """Middleware: what nobody handled is logged and answered.

    Starlette's own handler for it raises the error again behind its answer, whereupon uvicorn
    closes the connection under a client that may be asking already again.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched_send(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, watched_send)
        except Exception as error:
            if started or scope["type"] != "http":
                raise
            log.error("%s %r failed", scope["method"], scope["path"], exc_info=error)
            await _internal(scope)(scope, receive, send)


def documented(*kinds: type[Exception]) -> dict[int | str, dict[str, Any]]:
    """The problems of an endpoint for its OpenAPI description, by status."""
    responses: dict[int | str, dict[str, Any]] = {}
    for error in (*kinds, errors.InvalidRequest):
        kind = KINDS[error]
        response = responses.setdefault(kind.status, {"description": HTTPStatus(kind.status).phrase})
        content = response.setdefault("content", {}).setdefault(MEDIA_TYPE, {"examples": {}})
        content["schema"] = {"$ref": "#/components/schemas/Problem"}
        content["examples"][kind.name] = {"value": _document(kind, "...")}
    return responses


def _document(kind: Kind, detail: str) -> dict[str, Any]:
    detail = detail[:_LONGEST_DETAIL]
    return {"type": kind.type, "title": kind.title, "status": kind.status, "detail": detail}


def document_of(error: Exception) -> dict[str, Any]:
    """The problem document of any error, as its response would hold it."""
    kind = kind_of(error)
    if kind is INTERNAL:
        return _document(kind, _FAILED)
    return _document(kind, str(error)) | _extras(error)


def _extras(error: BaseException) -> dict[str, Any]:
    return {name: getattr(error, name) for name in _EXTRAS if hasattr(error, name)}


def answer_to(request: Request, error: BaseException) -> Response:
    """What a client is told of an error; one that is none of the house is logged."""
    kind = kind_of(error)
    if kind is INTERNAL:
        log.error("%s %r failed", request.method, request.url.path, exc_info=error)
        return _internal(request.scope)
    headers = {}
    if isinstance(error, errors.Unavailable):
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, errors.Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    extras = _extras(error) | _protocols(request.scope, str(error))
    return problem(kind, str(error), extras, headers)


async def _own(request: Request, error: Exception) -> Response:
    assert isinstance(error, GlypheryError)
    return answer_to(request, error)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return answer_to(request, errors.InvalidRequest(_locations(error.errors())))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    phrase = HTTPStatus(error.status_code).phrase
    kind = Kind(error.status_code, phrase.lower().replace(" ", "-"), phrase.capitalize())
    detail = f"{request.method} {request.url.path}: {error.detail}."
    return problem(kind, detail, _protocols(request.scope, detail), error.headers)


async def _departed(request: Request, error: Exception) -> Response:
    return Response(status_code=400)  # nobody is there to read it


def _internal(scope: Scope) -> Response:
    return problem(INTERNAL, _FAILED, _protocols(scope, _FAILED))


def _protocols(scope: Scope, detail: str) -> dict[str, str]:
    """Under /v2 the detail again as `error`, where clients of the Open Inference Protocol look for it."""
    return {"error": detail[:_LONGEST_DETAIL]} if f"{path_of(scope)}/".startswith("/v2/") else {}
