"""Answers to single pictures, as JSON that is rendered where it is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Request, Response
from pydantic_core import to_json

from service.parameters import Asking
from service.reading import Measured, read_glyph
from service.waiting import Interpret


async def answer(request: Request, query: Measured, asking: Asking, interpret: Interpret) -> Response:
    """What the model's answer for the posted glyph is interpreted as, rendered.

    Raises:
        BadRequest: one of its kinds, when the body cannot be used; and whatever `Engine.recognise` raises.
    """
    glyph = await read_glyph(request, query)
    return await asking.engine.recognise(asking.model, glyph, interpret, _rendered, deadline=asking.deadline)


def _rendered(found: Mapping[str, Any]) -> Response:
    """What was found, rendered by the executor at once.

    Returned as it is, FastAPI would check and render it on the event loop, where everybody else
    waits for it. That our own answers are what `service.schemas` promises is tested instead.
    """
    return Response(to_json(found), media_type="application/json")
