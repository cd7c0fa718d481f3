"""Answers as JSON, rendered where they are made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi.responses import JSONResponse

from recognition.recogniser import Answers
from service.models import ServedModel

Finish = Callable[[ServedModel, Answers], dict[str, Any]]


def rendered(finish: Finish) -> Callable[[ServedModel, Answers], JSONResponse]:
    """`finish`, with its answer rendered by the executor at once.

    Returned as it is, FastAPI would check and render it on the event loop, where everybody else
    waits for it. That our own answers are what `service.schemas` promises is tested instead.
    """

    def finish_and_render(model: ServedModel, answers: Answers) -> JSONResponse:
        return JSONResponse(finish(model, answers))

    return finish_and_render
