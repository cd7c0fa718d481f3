"""Answers as JSON, rendered where they are made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Response
from pydantic_core import to_json


def rendered(answer: Mapping[str, Any]) -> Response:
    """An answer, rendered by the executor at once.

    Returned as it is, FastAPI would check and render it on the event loop, where everybody else
    waits for it. That our own answers are what `service.schemas` promises is tested instead.
    """
    return Response(to_json(answer), media_type="application/json")
