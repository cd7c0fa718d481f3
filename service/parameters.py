"""Query parameters that several endpoints share, read into the values the engine wants."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Query, Request

from glyphs.labels import Label, fold
from index.search import Filter
from recognition.candidates import Prior
from service.engine import Engine
from service.errors import InvalidRequest
from service.models import Context, ServedModel
from service.settings import Settings

_LONGEST = 10_000  # characters of a list
_K = "how many; the server has a limit, 100 unless set otherwise"
_SCRIPTS = "ISO 15924 codes, separated by commas"
_PRIOR = "uniform: every label alike; fonts: by how many font families have the label"
_CHARSET = "the possible characters, in all their forms, one after the other"
_LABELS = "the possible labels, separated by commas"
_MODEL = "name or digest of the model that shall answer; the default one otherwise"
_TIMEOUT = "seconds after which the answer is of no use; the server has a limit, 10 unless set otherwise"
_FAMILIES = "font families, separated by commas"


def read_engine(request: Request) -> Engine:
    """The engine of the application."""
    engine: Engine = request.app.state.engine
    return engine


def read_model(
    engine: Annotated[Engine, Depends(read_engine)],
    model: Annotated[str | None, Query(max_length=200, description=_MODEL)] = None,
) -> ServedModel:
    """The model that is asked for, or the default one.

    Raises:
        UnknownModel: it is not served here.
    """
    return engine.models.find(model)


def read_searchable_model(model: Annotated[ServedModel, Depends(read_model)]) -> ServedModel:
    """The model, if its bundle has an index.

    Raises:
        NoIndex: it has none.
    """
    _ = model.index
    return model


def read_deadline(
    request: Request,
    timeout: Annotated[float | None, Query(gt=0, allow_inf_nan=False, description=_TIMEOUT)] = None,
) -> float:
    """When the request's time is up, on `time.monotonic`'s clock."""
    settings: Settings = request.app.state.settings
    return time.monotonic() + min(timeout or settings.timeout, settings.timeout)


def count(default: int) -> Callable[[Request, int], int]:
    """A dependency that reads `k`, from 1 to the settings' `max_k`."""

    def read_count(request: Request, k: int = Query(default, ge=1, description=_K)) -> int:
        settings: Settings = request.app.state.settings
        if k > settings.max_k:
            message = f"Input should be less than or equal to {settings.max_k}"
            raise InvalidRequest([{"location": ["query", "k"], "message": message}])
        return k

    return read_count


def read_scripts(
    scripts: Annotated[str, Query(max_length=_LONGEST, description=_SCRIPTS, examples=["Latn,Arab"])] = "",
) -> frozenset[str]:
    """Scripts in the spelling of ISO 15924.

    Raises:
        InvalidRequest: one is not four Latin letters.
    """
    codes = frozenset(code.title() for code in _listed(scripts))
    if not all(len(code) == 4 and code.isascii() and code.isalpha() for code in codes):
        message = "A script is four letters, such as Latn"
        raise InvalidRequest([{"location": ["query", "scripts"], "message": message}])
    return codes


def read_context(
    scripts: Annotated[frozenset[str], Depends(read_scripts)],
    prior: Annotated[Prior, Query(description=_PRIOR)] = Prior.FONTS,
    charset: Annotated[str, Query(max_length=_LONGEST, description=_CHARSET)] = "",
    labels: Annotated[str, Query(max_length=_LONGEST, description=_LABELS, examples=["65,97"])] = "",
) -> Context:
    """What the caller says of the glyph.

    Raises:
        BadLabel: one of the labels is none.
    """
    return Context(
        prior=prior,
        scripts=scripts,
        charset="".join(sorted({chr(fold(ord(character)).codepoint) for character in charset})),
        labels=frozenset(Label.parse(text) for text in _listed(labels)),
    )


def read_filter(
    scripts: Annotated[frozenset[str], Depends(read_scripts)],
    families: Annotated[str, Query(max_length=_LONGEST, description=_FAMILIES, examples=["Amiri"])] = "",
) -> Filter:
    """Which references count."""
    return Filter(scripts=scripts, families=frozenset(_listed(families)))


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
