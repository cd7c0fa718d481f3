"""The client for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, Unpack, overload

import httpx
import numpy as np
from numpy.typing import NDArray

from glyphery.client import questions
from glyphery.client.connection import POLL, Answers, Connection, Patience, Rows, Taken, understanding
from glyphery.client.records import (
    Context,
    File,
    Font,
    Glyph,
    IdentifiedFont,
    Job,
    Neighbour,
    Progress,
    Recognition,
    RepairedDocument,
    ReportFormat,
    Search,
    ServedModel,
    ServiceError,
)

if TYPE_CHECKING:
    from glyphery.client.records import Picture

T = TypeVar("T")


class AsyncClient(Connection):
    """`Client` for asyncio: the same methods with the same parameters, to be awaited."""

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        retries: int = 3,
        timeout: float = 30.0,
    ) -> None:
        """As for Client."""
        super().__init__(url, api_key, retries, timeout)
        self._http = self._open(httpx.AsyncClient)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections to the service."""
        await self._http.aclose()

    async def classify(
        self,
        picture: Picture,
        *,
        metrics: Mapping[str, float] | None = None,
        timeout: float | None = None,
        **context: Unpack[Context],
    ) -> Recognition:
        """As Client.classify."""
        return await self._ask(questions.classify(picture, metrics, timeout, context))

    async def similar(
        self, picture: Picture, *, metrics: Mapping[str, float] | None = None, **search: Unpack[Search]
    ) -> list[Neighbour]:
        """As Client.similar."""
        return await self._ask(questions.similar(picture, metrics, search))

    async def similar_to(self, label: str, **search: Unpack[Search]) -> list[Neighbour]:
        """As Client.similar_to."""
        return await self._ask(questions.similar_to(label, search))

    async def embed(
        self,
        picture: Picture,
        *,
        metrics: Mapping[str, float] | None = None,
        model: str | None = None,
        timeout: float | None = None,
    ) -> NDArray[np.float32]:
        """As Client.embed."""
        return await self._ask(questions.embed(picture, metrics, model, timeout))

    @overload
    def classify_batch(
        self, pictures: Iterable[Picture | Glyph], *, errors: Literal["raise"] = ...,
        progress: Progress | None = ..., **context: Unpack[Context],
    ) -> AsyncIterator[Recognition]: ...  # fmt: skip

    @overload
    def classify_batch(
        self, pictures: Iterable[Picture | Glyph], *, errors: Literal["return"],
        progress: Progress | None = ..., **context: Unpack[Context],
    ) -> AsyncIterator[Recognition | ServiceError]: ...  # fmt: skip

    def classify_batch(
        self,
        pictures: Iterable[Picture | Glyph],
        *,
        errors: Literal["raise", "return"] = "raise",
        progress: Progress | None = None,
        **context: Unpack[Context],
    ) -> AsyncIterator[Recognition | ServiceError]:
        """As Client.classify_batch, for `async for`."""
        return self._stream(
            pictures, Answers(questions.recognition, errors, progress), questions.of_context(**context)
        )

    async def embed_batch(
        self,
        pictures: Iterable[Picture | Glyph],
        *,
        model: str | None = None,
        progress: Progress | None = None,
    ) -> NDArray[np.float32]:
        """As Client.embed_batch."""
        rows = Rows(progress)
        for lines in questions.together(pictures):
            # All from one model, though another may take its name meanwhile: rows are to be compared.
            part, model = await self._ask(questions.embed_batch(lines, model))
            rows.add(part)
        return rows.all

    async def identify_font(
        self,
        font: File,
        *,
        pictures: bool = False,
        timeout: float | None = None,
        **context: Unpack[Context],
    ) -> IdentifiedFont:
        """As Client.identify_font."""
        return await self._ask(questions.identify_font(font, pictures, timeout, context))

    async def repair(
        self,
        document: File,
        *,
        everything: bool = False,
        scripts: str | Iterable[str] = (),
        k: int = 1,
        pictures: bool = False,
        model: str | None = None,
        timeout: float | None = None,
    ) -> RepairedDocument:
        """As Client.repair."""
        return await self._ask(questions.repair(document, everything, scripts, k, pictures, model, timeout))

    async def score_fonts(self, fonts: Font | Iterable[Font], *, model: str | None = None) -> Job:
        """As Client.score_fonts."""
        return await self._ask(questions.score_fonts(fonts, model))

    async def job(self, id: str) -> Job:
        """As Client.job."""
        return await self._ask(questions.job(id))

    async def jobs(self, limit: int = 20) -> list[Job]:
        """As Client.jobs."""
        found, before = await self._ask(questions.jobs(limit, ""))
        while before and len(found) < limit:
            more, before = await self._ask(questions.jobs(limit - len(found), before))
            found += more
        return found

    async def wait(self, job: Job | str, *, progress: Callable[[Job], object] | None = None) -> Job:
        """As Client.wait."""
        while True:
            found = await self.job(questions.id_of(job))
            if progress:
                progress(found)
            if found.is_finished:
                return found
            await asyncio.sleep(POLL)

    async def results(self, job: Job | str) -> AsyncIterator[dict[str, Any]]:
        """As Client.results."""
        taken, patience = Taken(questions.id_of(job)), Patience(self._retries)
        while True:
            found = await self.job(taken.job)
            try:
                async with self._http.stream(**taken.question.request) as response:
                    if response.is_success:
                        async for line in response.aiter_lines():
                            yield taken.one(line)
                        if found.is_finished:
                            taken.end(found)
                            return
                        patience = Patience(self._retries)  # of each question, as everywhere
                        await asyncio.sleep(POLL)
                        continue
                    await response.aread()
                    refusal = self._refusal(response)
            except httpx.RequestError as error:
                refusal = self._failure(error)
            await asyncio.sleep(patience.after(refusal))

    async def report(self, job: Job | str, format: ReportFormat = "json") -> bytes:
        """As Client.report."""
        return await self._ask(questions.report(questions.id_of(job), format))

    async def cancel(self, job: Job | str, *, keep: bool = False) -> None:
        """As Client.cancel."""
        await self._ask(questions.cancel(questions.id_of(job), keep))

    async def models(self) -> list[ServedModel]:
        """As Client.models."""
        return await self._ask(questions.MODELS)

    async def ready(self) -> bool:
        """As Client.ready."""
        try:
            return (await self._http.get("/readyz")).is_success
        except httpx.RequestError:
            return False

    async def _ask(self, question: questions.Question[T]) -> T:
        patience = Patience(self._retries)
        while True:
            try:
                response = await self._http.request(**question.request)
            except httpx.RequestError as error:
                refusal = self._failure(error, question.once)
            else:
                if response.is_success:
                    with understanding():
                        return question.read(response)
                refusal = self._refusal(response)
            await asyncio.sleep(patience.after(refusal))

    async def _stream(
        self, pictures: Iterable[Picture | Glyph], answers: Answers[T], params: questions.Params
    ) -> AsyncIterator[T | ServiceError]:
        for lines in questions.together(pictures):
            answers.expect(len(lines))
            async for answer in self._streamed(questions.classify_batch(lines, params), answers):
                yield answer

    async def _streamed(
        self, question: questions.Question[None], answers: Answers[T]
    ) -> AsyncIterator[T | ServiceError]:
        patience = Patience(self._retries)
        while True:
            begun = False
            try:
                async with self._http.stream(**question.request) as response:
                    if response.is_success:
                        async for line in response.aiter_lines():
                            begun = True
                            yield answers.take(line)
                        answers.end()
                        return
                    await response.aread()
                    refusal = self._refusal(response)
            except httpx.RequestError as error:
                refusal = self._failure(error)
                if begun:
                    raise refusal from None
            await asyncio.sleep(patience.after(refusal))
