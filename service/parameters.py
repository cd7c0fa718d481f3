"""Query parameters, as models that endpoints put theirs together from, and what is made of them.

One model an endpoint, and not a dependency for each thing to read: on every request FastAPI spends
more time on a handful of dependencies than the whole of the rest of its work takes.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Self
from urllib.parse import unquote_to_bytes

from fastapi import Request
from pydantic import AfterValidator, BaseModel, Field

from glyphs.characters import iso_15924
from glyphs.errors import BadInput
from glyphs.labels import Label, fold
from index.search import Filter
from recognition.priors import Prior
from service.engine import Engine
from service.errors import InvalidRequest, NoJobs
from service.identifier import Identifier
from service.jobs.desk import Desk
from service.models import Context, ServedModel
from service.repairer import Repairer
from service.settings import Settings

_LONGEST = 10_000  # characters of a list
_K = "how many; the server has a limit, 100 unless set otherwise"
_SCRIPTS = "ISO 15924 codes, separated by commas"
_PRIOR = (
    "uniform: every label alike; fonts: by how many font families have the label; text: by how often"
    " it stands in text, of the world's languages together"
)
_CHARSET = "the possible characters, in all their forms, one after the other"
_LABELS = "the possible labels, separated by commas"
_MODEL = "name or digest of the model that shall answer; the default one otherwise"
_TIMEOUT = "seconds after which the answer is of no use; the server has a limit, 10 unless set otherwise"
_FAMILIES = "font families, separated by commas"

Count = Annotated[int, Field(ge=1, description=_K)]


def check_encoding(query: bytes) -> None:
    """Raises InvalidRequest where a query is not UTF-8: whoever decodes it would read U+FFFD, and go on."""
    try:
        unquote_to_bytes(query).decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidRequest([{"location": ["query"], "message": "not percent-encoded UTF-8"}]) from None


async def check_query(request: Request) -> None:
    """The same of a request."""
    check_encoding(request.scope["query_string"])


def listed(text: str) -> list[str]:
    """The parts of a text such as `Latn,Arab`."""
    return [part.strip() for part in text.split(",") if part.strip()]


def _iso_15924(scripts: str) -> str:
    """Scripts in the spelling of ISO 15924."""
    try:
        return ",".join(iso_15924(scripts))
    except BadInput:
        raise ValueError("A script is four letters, such as Latn") from None


Scripts = Annotated[
    str, Field(max_length=_LONGEST, description=_SCRIPTS, examples=["Latn,Arab"]), AfterValidator(_iso_15924)
]


class ToModel(BaseModel):
    """Which model is asked."""

    model: Annotated[str | None, Field(max_length=200, description=_MODEL)] = None


class Asked(ToModel):
    """Which model is asked, and how long its answer is of use."""

    timeout: Annotated[float | None, Field(gt=0, allow_inf_nan=False, description=_TIMEOUT)] = None


class InContext(BaseModel):
    """What the caller knows of a glyph beforehand."""

    prior: Annotated[Prior, Field(description=_PRIOR)] = Prior.FONTS
    scripts: Scripts = ""
    charset: Annotated[str, Field(max_length=_LONGEST, description=_CHARSET)] = ""
    labels: Annotated[str, Field(max_length=_LONGEST, description=_LABELS, examples=["65,97"])] = ""

    @cached_property
    def context(self) -> Context:
        """The same as the engine wants it.

        Raises:
            BadLabel: one of the labels is none.
        """
        return Context(
            prior=self.prior,
            scripts=frozenset(listed(self.scripts)),
            charset="".join(sorted({chr(fold(ord(character)).codepoint) for character in self.charset})),
            labels=frozenset(Label.parse(text) for text in listed(self.labels)),
        )


class Filtered(BaseModel):
    """Which references count."""

    scripts: Scripts = ""
    families: Annotated[str, Field(max_length=_LONGEST, description=_FAMILIES, examples=["Amiri"])] = ""

    @cached_property
    def filter(self) -> Filter:
        """The same as the index wants it."""
        return Filter(scripts=frozenset(listed(self.scripts)), families=frozenset(listed(self.families)))


@dataclass(frozen=True, slots=True)
class Asking:
    """Whom a request asks, and how many seconds it may wait."""

    engine: Engine
    model: ServedModel
    patience: float

    @classmethod
    def of(cls, request: Request, query: Asked, longest: float | None = None) -> Self:
        """longest: seconds that it may wait at most; the server's for most requests, where None

        Raises UnknownModel where the model that is asked for is not served here.
        """
        engine = engine_of(request)
        longest = longest or settings_of(request).timeout
        return cls(engine, engine.models.find(query.model), min(query.timeout or longest, longest))

    @property
    def deadline(self) -> float:
        """When its time is up, on `time.monotonic`'s clock, if it begins to wait now, with its body there."""
        return time.monotonic() + self.patience


def engine_of(request: Request) -> Engine:
    """The engine of the application."""
    engine: Engine = request.app.state.engine
    return engine


def identifier_of(request: Request) -> Identifier:
    """What has the application's fonts identified."""
    identifier: Identifier = request.app.state.identifier
    return identifier


def repairer_of(request: Request) -> Repairer:
    """What has the application's documents repaired."""
    repairer: Repairer = request.app.state.repairer
    return repairer


def settings_of(request: Request) -> Settings:
    """The settings of the application."""
    settings: Settings = request.app.state.settings
    return settings


def desk_of(request: Request) -> Desk:
    """Where jobs are handed in. Raises NoJobs where none are taken."""
    desk: Desk | None = request.app.state.desk
    if desk is None:
        raise NoJobs
    return desk


def caller_of(request: Request) -> str:
    """Name of the key a request came with; empty where no keys are in use."""
    caller: str = request.scope.get("state", {}).get("caller", "")
    return caller


def check_count(request: Request, k: int) -> None:
    """Raises InvalidRequest where more is asked for than the server gives at once."""
    most = settings_of(request).max_k
    if k > most:
        message = f"Input should be less than or equal to {most}"
        raise InvalidRequest([{"location": ["query", "k"], "message": message}])
