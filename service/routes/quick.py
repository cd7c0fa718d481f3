"""Routes of what is asked most: pydantic reads their query in one go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import lru_cache, partial
from typing import Any, get_type_hints

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.datastructures import QueryParams

from service.answers import Question
from service.parameters import check_encoding
from service.problems import refusal
from service.reading import posted, read_glyph

_QUERIES = 64  # of a route that are kept; most callers ask all their glyphs in the same words


class QuickRoute(APIRoute):
    """A route whose endpoint takes `request` and `query`, a model, and makes its response itself.

    FastAPI looks at each field of a query anew on every request, which takes more of the event loop's
    time than anything else that is done there for a glyph. Of the route it still makes the document.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        async def handle(request: Request) -> Response:
            response: Response = await self.endpoint(request, self._query_of(request))
            return response

        model: type[BaseModel] = get_type_hints(self.endpoint)["query"]
        self._read = lru_cache(_QUERIES)(partial(_validated, model))
        return handle

    def _query_of(self, request: Request) -> Any:
        """One for all requests that ask in the same words: not to be changed. Raises InvalidRequest."""
        try:
            return self._read(request.scope["query_string"])
        except ValidationError as error:
            raise refusal(error, "query") from None


class PictureRoute(QuickRoute):
    """One whose endpoint only says what is asked about the posted picture: it returns a `Question`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        async def handle(request: Request) -> Response:
            query = self._query_of(request)
            question: Question = self.endpoint(request, query)
            return await question.answer(await read_glyph(request, query))

        super().get_route_handler()
        return handle

    def ask(self, request: Request, picture: bytes) -> asyncio.Future[Response]:
        """The same where the body is the picture and there already.

        Raises:
            InvalidRequest; and whatever the endpoint and `Engine.ask` raise.
        """
        query = self._query_of(request)
        question: Question = self.endpoint(request, query)
        return question.ask(posted(picture, query.row))


def _validated(model: type[BaseModel], query: bytes) -> BaseModel:
    """Raises ValidationError, InvalidRequest."""
    check_encoding(query)
    return model.model_validate(dict(QueryParams(query)))
