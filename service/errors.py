"""What can go wrong between a client and the service, as a tree below Glyphery's own.

GlypheryError
├── BadInput
│   ├── BadSettings        an environment variable or option out of range
│   └── BadRequest         what the client sent cannot be used
│       ├── Unauthorized
│       ├── Forbidden
│       ├── EmptyBody
│       ├── MalformedBody
│       ├── UnsupportedBody
│       ├── BodyTooLarge
│       ├── TooManyItems
│       ├── SlowBody
│       ├── InvalidRequest
│       ├── UnknownModel
│       ├── UnknownLabel
│       ├── UnknownReference
│       ├── NoIndex
│       ├── NoPrimitives
│       ├── UnusableBundle
│       ├── NoJobs
│       ├── UnknownJob
│       ├── JobNotDone
│       ├── BadArchive
│       ├── ArchiveTooLarge
│       ├── TooManyFonts
│       ├── NoFonts
│       ├── UnusableFont
│       ├── TooManyGlyphs
│       ├── UnusableDocument
│       └── TooManyCodes
└── Unavailable            the client did nothing wrong: ask again later
    ├── RateLimited
    ├── Overloaded
    ├── TooLate
    ├── NotReady
    ├── ExecutorDied
    ├── QueueFull
    └── StorageFull

`service.problems` says which status and problem type each of them becomes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from glyphs.errors import BadInput, GlypheryError


class BadSettings(BadInput):
    """A setting of the service that cannot be used."""


class BadRequest(BadInput):
    """What a client sent cannot be used."""


class Unauthorized(BadRequest):
    """A request without a key that is known here."""

    def __init__(self) -> None:
        super().__init__(
            "A key is needed, and the request brings none that is known here.",
            "Send it as `Authorization: Bearer KEY` or `X-API-Key: KEY`.",
        )


class Forbidden(BadRequest):
    """A request for what its sender may not do."""


_PICTURE = "Post the bytes of one, a multipart form with a file `image`, or JSON with base64 in `image`."


class EmptyBody(BadRequest):
    """A request without the picture or font it is about."""

    def __init__(self, what: str = "picture", remedy: str = _PICTURE) -> None:
        super().__init__(f"The request holds no {what}.", remedy)


class MalformedBody(BadRequest):
    """A body that is not what its content type says."""


class UnsupportedBody(BadRequest):
    """A content type or content encoding the service does not read."""


class BodyTooLarge(BadRequest):
    """A body of more bytes than the service takes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"The body has more than {limit} bytes.")
        self.limit = limit
        self.unit = "bytes"


class TooManyItems(BadRequest):
    """A batch of more pictures than the service takes at once."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"The batch has more than {limit} items.", "Send the others in another.")
        self.limit = limit
        self.unit = "items"


class SlowBody(BadRequest):
    """A body, or the next piece of one, that did not arrive in time."""

    def __init__(self, seconds: float, what: str = "The body") -> None:
        super().__init__(f"{what} did not arrive within {seconds:g} s.")


class InvalidRequest(BadRequest):
    """Parameters or fields that are missing, misspelt or out of range.

    errors: {"location": [...], "message": "..."} each; never the value that was sent.
    """

    def __init__(self, errors: Iterable[Mapping[str, Any]]) -> None:
        self.errors = [dict(error) for error in errors]
        super().__init__("; ".join(f"{'.'.join(e['location'])}: {e['message']}" for e in self.errors))


class UnknownModel(BadRequest):
    """A model that is not served here."""


class UnknownLabel(BadRequest):
    """A label that has no reference in the index."""


class UnknownReference(BadRequest):
    """A reference number beyond the index."""


class NoIndex(BadRequest):
    """A question that needs reference glyphs, put to a bundle without any."""


class NoPrimitives(BadRequest):
    """A question about primitives, put to a model that names none."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} names no primitives.", "GET /models tells which models do.")


class UnusableBundle(BadRequest):
    """A bundle that an administrator wants served, and that cannot be.

    Not `BadBundle` itself: to anybody else a bundle that fails is the operator's affair.
    """

    def __init__(self, path: Path, reason: Exception) -> None:
        super().__init__(f"The bundle {path} cannot be served: {reason}")


class NoJobs(BadRequest):
    """A question about jobs, put to a service that takes none."""

    def __init__(self) -> None:
        super().__init__(
            "This service takes no jobs.", "Its log says why; GLYPHERY_JOBS names a folder for them."
        )


class UnknownJob(BadRequest):
    """A job that never was, was removed, or is somebody else's."""

    def __init__(self, id: str) -> None:
        super().__init__(f"There is no job {id[:64]}.", "GET /jobs lists those there are.")


class JobNotDone(BadRequest):
    """A report of a job that is not done, and perhaps never will be."""

    def __init__(self, status: str) -> None:
        super().__init__(
            f"There is no report, for the job is {status}.",
            "GET /jobs/{id}/results has what there is so far.",
        )


class BadArchive(BadRequest):
    """An archive that is broken, or not the kind it seems to be."""


class ArchiveTooLarge(BadRequest):
    """An archive that unpacks to more than the service takes, or has more members."""

    def __init__(self, message: str, limit: int, unit: str) -> None:
        super().__init__(message)
        self.limit, self.unit = limit, unit


class TooManyFonts(BadRequest):
    """A job of more fonts than the service takes at once."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"There are more than {limit} fonts.", "Send the others in another job.")
        self.limit = limit
        self.unit = "fonts"


class NoFonts(BadRequest):
    """Files and archives without a single font that could be scored."""


class UnusableFont(BadRequest):
    """A font that is to be identified and cannot be read.

    Not `BadFont` itself, which is nothing that a client did wherever else it comes up.
    """


class TooManyGlyphs(BadRequest):
    """A font of more glyphs than the service identifies at once."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"The font has more than {limit} glyphs.",
            "GLYPHERY_MAX_IDENTIFIED_GLYPHS allows more; on the command line `glyphery identify` takes any.",
        )
        self.limit = limit
        self.unit = "glyphs"


class UnusableDocument(BadRequest):
    """A PDF that is to be repaired and cannot be read, as `UnusableFont`."""


class TooManyCodes(BadRequest):
    """A PDF whose fonts set more different codes than the service looks at."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"The document's fonts set more than {limit} different codes.",
            "GLYPHERY_MAX_DOCUMENT_CODES allows more; on the command line `glyphery repair` takes any.",
        )
        self.limit = limit
        self.unit = "codes"


class Unavailable(GlypheryError):
    """The service cannot answer now.

    retry_after: seconds, after which it may be worth asking again
    """

    def __init__(self, message: str, remedy: str = "", *, retry_after: int = 1) -> None:
        super().__init__(message, remedy)
        self.retry_after = retry_after


class RateLimited(Unavailable):
    """One client asks more often than each may."""

    def __init__(self, *, retry_after: int) -> None:
        super().__init__("You ask too often.", "Ask again a little later.", retry_after=retry_after)


class Overloaded(Unavailable):
    """More requests are waiting than can be answered in time."""

    def __init__(self, *, retry_after: int = 1) -> None:
        super().__init__(
            "Too many requests are waiting.", "Ask again a little later.", retry_after=retry_after
        )


class TooLate(Unavailable):
    """A request whose time was up before it was answered."""

    def __init__(self) -> None:
        super().__init__(
            "The time for this request was up before it was answered.", "Ask again, or allow more."
        )


class NotReady(Unavailable):
    """The engine is still warming up, or has shut down."""


class ExecutorDied(Unavailable):
    """What was at work on the request broke off; another has taken its place."""

    def __init__(self) -> None:
        super().__init__("The executor at work on this request died.", "Ask again.")


class QueueFull(Unavailable):
    """As many jobs are waiting or running as may."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} jobs are waiting already.", "Post it again later.", retry_after=30)
        self.limit = limit
        self.unit = "jobs"


class StorageFull(Unavailable):
    """No place for another job, or for what becomes of one."""

    def __init__(self, why: str, what: str = "another job") -> None:
        super().__init__(f"There is no place for {what}: {why}.", "Ask again later.", retry_after=60)


# What any endpoint may answer but the probes, and any that asks the engine.
OF_THE_DOOR = (Unauthorized, RateLimited)
OF_THE_ENGINE = (*OF_THE_DOOR, Overloaded, TooLate, NotReady, ExecutorDied)
