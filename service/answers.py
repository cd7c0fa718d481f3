"""What is asked about a single picture, and its answer as JSON that is rendered where it is made."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Response
from pydantic_core import to_json

from service.parameters import Asking
from service.reading import PostedGlyph
from service.waiting import Interpret


@dataclass(frozen=True, slots=True)
class Question:
    """Whom a request asks about its picture, and what the model's answer is interpreted as."""

    asking: Asking
    interpret: Interpret

    async def answer(self, glyph: PostedGlyph) -> Response:
        """The answer, rendered. Raises whatever `Engine.recognise` does."""
        to = self.asking
        return await to.engine.recognise(to.model, glyph, self.interpret, _rendered, deadline=to.deadline)

    def ask(self, glyph: PostedGlyph) -> asyncio.Future[Response]:
        """The same for who does not wait in a coroutine. Raises whatever `Engine.ask` does."""
        to = self.asking
        return to.engine.ask(to.model, glyph, self.interpret, _rendered, deadline=to.deadline)


def _rendered(found: Mapping[str, Any]) -> Response:
    """What was found, rendered by the executor at once.

    Returned as it is, FastAPI would check and render it on the event loop, where everybody else
    waits for it. That our own answers are what `service.schemas` promises is tested instead.
    """
    return Response(to_json(found), media_type="application/json")
