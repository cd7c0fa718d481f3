"""A client of the service, blocking (`Client`) or for asyncio (`AsyncClient`); their methods are alike.

    with Client("http://localhost:8000") as client:
        print(client.classify(Path("glyph.png")).best.label)

    with Client() as client:
        job = client.wait(client.score_fonts(["Amiri-Regular.ttf"]))
        Path("report.html").write_bytes(client.report(job, "html"))

What is refused for the moment (429, 503), or does not get through, is asked again a few times, as late
as the service wishes. Batches go out in requests of some hundred pictures, of which the first answers
come as soon as the last picture is sent; such a request, too, is repeated until its first answer is there.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import random
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    Final,
    Generic,
    Literal,
    Self,
    TypeAlias,
    TypedDict,
    TypeVar,
    Unpack,
    overload,
)
from urllib.parse import quote

import httpx
import numpy as np
from numpy.typing import NDArray

from glyphs.errors import BadFont, BadInput, BadPicture, GlypheryError

if TYPE_CHECKING:
    from PIL.Image import Image

    Picture: TypeAlias = bytes | str | os.PathLike[str] | Image  # a file's bytes, where it is, or Pillow's

Font: TypeAlias = "str | os.PathLike[str] | tuple[str, bytes]"  # where it is, or its name and its bytes

T = TypeVar("T")
Progress = Callable[[int], object]  # told how many have been answered
ReportFormat = Literal["jsonl", "json", "csv", "md", "html"]

_Params: TypeAlias = dict[str, "str | float"]

_URL: Final = "http://127.0.0.1:8000"
_FIRST_BACKOFF, _LONGEST_BACKOFF = 0.25, 8.0  # seconds
_LONGEST_WAIT = 60  # seconds; a service that wants to be left alone for longer is not waited for
_MOST_TOGETHER, _MOST_BYTES = 256, 4 * 2**20  # of one request of a batch
_POLL = 0.5  # seconds between two looks at a job
_PNG_MODES = {"1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16"}
# The connection failed, rather than the service: to ask again is no harm, and may help.
_LOST = (httpx.NetworkError, httpx.RemoteProtocolError, httpx.ConnectTimeout)


class ServiceError(GlypheryError):
    """A problem that the service answered with, or that stood between it and us.

    type: stable, such as urn:glyphery:problem:blank-image; empty where the service said nothing
    status: of HTTP; 0 where the service said nothing
    detail: for people
    retry_after: seconds, after which the service wants to be asked again
    index: the item's place in its batch
    """

    def __init__(
        self,
        detail: str,
        *,
        type: str = "",
        status: int = 0,
        retry_after: float = 0,
        index: int | None = None,
        lost: bool = False,
    ) -> None:
        super().__init__(detail if index is None else f"Item {index}: {detail}")
        self.detail, self.type, self.status = detail, type, status
        self.retry_after, self.index = retry_after, index
        self.transient = lost or status in (429, 503)
        self.exit_code = BadInput.exit_code if 400 <= status < 500 and status != 429 else self.exit_code


@dataclass(frozen=True, slots=True)
class Glyph:
    """A picture in a batch, and what is known of it.

    metrics: in em, any of width, height, bottom and advance
    """

    picture: Picture
    metrics: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """The model an answer comes from; equal digests mean equal answers."""

    name: str
    version: str
    digest: str


@dataclass(frozen=True, slots=True)
class Prediction:
    """A label that a picture may show; `equivalents` are labels that are drawn alike."""

    label: str
    codepoint: str
    character: str
    form: str | None
    name: str
    script: str
    probability: float
    equivalents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Recognition:
    """What a picture shows, most probable first; `known` is false for what is like nothing learned."""

    model: Model
    known: bool
    predictions: tuple[Prediction, ...]

    @property
    def best(self) -> Prediction:
        """The most probable label."""
        return self.predictions[0]


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A reference glyph and its similarity (cosine); `raster` is the path of its picture."""

    label: str
    codepoint: str
    character: str
    form: str | None
    name: str
    script: str
    family: str
    style: str
    similarity: float
    raster: str


@dataclass(frozen=True, slots=True)
class ServedModel(Model):
    """A model as `models()` lists it."""

    precision: str
    labels: int
    embedding: int
    raster: Mapping[str, int]
    quality: Mapping[str, Any]
    index: bool
    references: int


@dataclass(frozen=True, slots=True)
class Job:
    """Fonts that are scored, or were; as it was when the service was asked.

    status: queued, running, done, failed or cancelled
    created, started, finished: RFC 3339
    reason: why it failed, or does not get on
    fonts: `total`, `done`, and `counts` of those that are done by status
    current: `font` at work, and how many of `total` glyphs of its face are `done`
    glyphs_done, counts: of fonts that are done; the latter by status
    worst: status of the worst font
    lines: how many results there are so far
    skipped: files that are not scored, as `name` and `reason`; the first of `skipped_total`
    """

    id: str
    status: str
    created: str
    started: str | None
    finished: str | None
    reason: str | None
    model: Model
    fonts: Mapping[str, Any]
    current: Mapping[str, Any] | None
    glyphs_done: int
    counts: Mapping[str, int]
    worst: str | None
    lines: int
    skipped: tuple[Mapping[str, str], ...]
    skipped_total: int

    @property
    def is_finished(self) -> bool:
        """Whether nothing more becomes of it."""
        return self.status not in ("queued", "running")


class Context(TypedDict, total=False):
    """What may be said with a picture that is to be classified.

    k: how many predictions
    model: name or digest of the one that shall answer
    prior: what is likely: fonts or uniform
    scripts, labels: the possible ones, as a list or separated by commas
    charset: the possible characters
    """

    k: int | None
    model: str | None
    prior: str | None
    scripts: str | Iterable[str]
    charset: str
    labels: str | Iterable[str]


class Search(TypedDict, total=False):
    """Which neighbours are wanted.

    k: how many
    model: name or digest of the one that shall answer
    scripts, families: only of these, as a list or separated by commas
    exclude_same: only of other labels
    timeout: seconds after which the answer is of no use
    """

    k: int | None
    model: str | None
    scripts: str | Iterable[str]
    families: str | Iterable[str]
    exclude_same: bool
    timeout: float | None


@dataclass(frozen=True, slots=True)
class _Question(Generic[T]):
    """A request, and how its answer is read."""

    path: str
    read: Callable[[httpx.Response], T]
    params: _Params = field(default_factory=dict)
    content: bytes | None = None
    media_type: str = "application/octet-stream"
    fonts: Sequence[Font] = ()
    method: str = "GET"  # of what sends nothing

    @property
    def request(self) -> dict[str, Any]:
        """As httpx wants it."""
        if self.fonts:
            files = [("font", _font_file(font)) for font in self.fonts]
            return {"method": "POST", "url": self.path, "params": self.params, "files": files}
        if self.content is None:
            return {"method": self.method, "url": self.path, "params": self.params}
        return {
            "method": "POST", "url": self.path, "params": self.params, "content": self.content,
            "headers": {"Content-Type": self.media_type},
        }  # fmt: skip


class _Answers(Generic[T]):
    """Reads the lines that a batch is answered with."""

    def __init__(self, read: Callable[[Any], T], errors: str, progress: Progress | None) -> None:
        if errors not in ("raise", "return"):
            raise BadInput(f"Errors of items cannot be treated by {errors!r}.", "Choose raise or return.")
        self._read, self._raising, self._progress = read, errors == "raise", progress
        self._before, self._sent, self.count = 0, 0, 0

    def expect(self, items: int) -> None:
        """Another request with so many items is about to be answered."""
        self._before, self._sent = self._sent, self._sent + items

    def take(self, line: str) -> T | ServiceError:
        """What a line says. Raises ServiceError for what is wrong with the batch, or not to be returned."""
        with _understanding():
            document = json.loads(line)
            index = None if document["index"] is None else self._before + document["index"]
            problem = document.get("problem")
            answer = _error_of(problem, index) if problem else self._read(document)
        if isinstance(answer, ServiceError) and (index is None or self._raising):
            raise answer
        self.count += 1
        if self._progress:
            self._progress(self.count)
        return answer

    def end(self) -> None:
        """Raises ServiceError where items of the request were not answered."""
        if self.count != self._sent:
            raise ServiceError(f"{self._sent - self.count} items of the batch were not answered.")


class _Patience:
    """How long to wait before a question is asked again."""

    def __init__(self, retries: int) -> None:
        self._retries, self._backoff = retries, _FIRST_BACKOFF

    def after(self, refusal: ServiceError) -> float:
        """Seconds. Raises the refusal where there is no point, or where it was often enough."""
        if not self._retries or not refusal.transient or refusal.retry_after > _LONGEST_WAIT:
            raise refusal
        self._retries -= 1
        # Who were refused at the same moment shall not all come back at the same moment.
        seconds = refusal.retry_after + self._backoff * random.uniform(0.5, 1)
        self._backoff = min(2 * self._backoff, _LONGEST_BACKOFF)
        return seconds


class _Connection:
    """What both clients have in common: whom to ask, what an answer means, and when to ask again."""

    def __init__(self, url: str | None, api_key: str | None, retries: int, timeout: float) -> None:
        url = url or os.environ.get("GLYPHERY_SERVER") or _URL
        self.url = (url if "://" in url else f"http://{url}").rstrip("/")
        self._api_key = api_key or os.environ.get("GLYPHERY_API_KEY")
        self._retries, self._timeout = retries, timeout

    def _open(self, make: Callable[..., T]) -> T:
        """Make a client of httpx. Raises BadInput where the address is none."""
        headers = {"Authorization": f"Bearer {self._api_key}"} if self._api_key else {}
        try:
            return make(base_url=self.url, headers=headers, timeout=self._timeout)
        except (httpx.InvalidURL, UnicodeError) as error:
            raise BadInput(f"{self.url} is no address of a service: {error}.") from None

    def _refusal(self, response: httpx.Response) -> ServiceError:
        """The error that a response is; its body has been read."""
        after = response.headers.get("retry-after", "")
        try:
            return _error_of(response.json(), retry_after=int(after) if after.isdecimal() else 0)
        except (KeyError, TypeError, ValueError):  # it comes from something in between
            said = f"{response.status_code} {response.reason_phrase}".strip()
            return ServiceError(f"{self.url} answers {said}.", status=response.status_code)

    def _failure(self, error: httpx.TransportError) -> ServiceError:
        """What has become of a request that was not answered."""
        if isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.ConnectTimeout):
            return ServiceError(f"{self.url} did not go on answering within {self._timeout:g} s.")
        why = str(error).rstrip(".") or type(error).__name__
        return ServiceError(f"The connection to {self.url} failed: {why}.", lost=isinstance(error, _LOST))


class Client(_Connection):
    """Asks a service. Several threads may use it; close it, or use it as a context manager.

    Every method raises ServiceError where the service refuses or fails, and BadPicture for a file that
    cannot be read.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        retries: int = 3,
        timeout: float = 30.0,
    ) -> None:
        """Nothing is sent before something is asked.

        url: of the service; otherwise what GLYPHERY_SERVER says, or port 8000 of this machine
        api_key: for services that want one; otherwise GLYPHERY_API_KEY
        retries: how often to ask again
        timeout: seconds within which a connection, or more of an answer, has to come

        Raises:
            BadInput: the address is none.
        """
        super().__init__(url, api_key, retries, timeout)
        self._http = self._open(httpx.Client)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to the service."""
        self._http.close()

    def classify(
        self,
        picture: Picture,
        *,
        metrics: Mapping[str, float] | None = None,
        timeout: float | None = None,
        **context: Unpack[Context],
    ) -> Recognition:
        """Which character and joining form a picture shows.

        metrics: in em, any of width, height, bottom and advance
        timeout: seconds after which the answer is of no use
        context: k, model, prior, scripts, charset, labels; see `Context`
        """
        return self._ask(_classify(picture, metrics, timeout, context))

    def similar(
        self, picture: Picture, *, metrics: Mapping[str, float] | None = None, **search: Unpack[Search]
    ) -> list[Neighbour]:
        """The reference glyphs most similar to a picture.

        search: k, model, scripts, families, exclude_same, timeout; see `Search`
        """
        return self._ask(_similar(picture, metrics, search))

    def similar_to(self, label: str, **search: Unpack[Search]) -> list[Neighbour]:
        """The reference glyphs most similar to those of a label, such as 1593_init."""
        return self._ask(_similar_to(label, search))

    def embed(
        self,
        picture: Picture,
        *,
        metrics: Mapping[str, float] | None = None,
        model: str | None = None,
        timeout: float | None = None,
    ) -> NDArray[np.float32]:
        """The embedding of a picture, (E,) and of length 1: of like pictures the inner product is large."""
        return self._ask(_embed(picture, metrics, model, timeout))

    @overload
    def classify_batch(
        self, pictures: Iterable[Picture | Glyph], *, errors: Literal["raise"] = ...,
        progress: Progress | None = ..., **context: Unpack[Context],
    ) -> Iterator[Recognition]: ...  # fmt: skip

    @overload
    def classify_batch(
        self, pictures: Iterable[Picture | Glyph], *, errors: Literal["return"],
        progress: Progress | None = ..., **context: Unpack[Context],
    ) -> Iterator[Recognition | ServiceError]: ...  # fmt: skip

    def classify_batch(
        self,
        pictures: Iterable[Picture | Glyph],
        *,
        errors: Literal["raise", "return"] = "raise",
        progress: Progress | None = None,
        **context: Unpack[Context],
    ) -> Iterator[Recognition | ServiceError]:
        """What each of any number of pictures shows, in their order, as the answers come.

        pictures: taken as they are needed; Glyph where metrics are known
        errors: what becomes of pictures that cannot be used: raise ends it with the first, return gives
            the error in place of its answer
        progress: called with the number of pictures answered so far
        """
        return self._stream(pictures, _Answers(_recognition, errors, progress), _context(**context))

    def embed_batch(
        self,
        pictures: Iterable[Picture | Glyph],
        *,
        model: str | None = None,
        progress: Progress | None = None,
    ) -> NDArray[np.float32]:
        """The embeddings of any number of pictures, (N, E); rows of NaN for pictures that cannot be used."""
        rows = _Rows(progress)
        for lines in _together(pictures):
            rows.add(self._ask(_embed_batch(lines, model)))
        return rows.all

    def score_fonts(self, fonts: Font | Iterable[Font], *, model: str | None = None) -> Job:
        """Have every glyph of fonts checked against what it claims to be.

        fonts: files, or names with bytes; fonts, or archives of some
        model: name or digest of the one that shall judge
        """
        return self._ask(_score_fonts(fonts, model))

    def job(self, id: str) -> Job:
        """How far a job is."""
        return self._ask(_job(id))

    def jobs(self, limit: int = 20) -> list[Job]:
        """Jobs that were posted with the same key, the newest first."""
        return self._ask(_jobs(limit))

    def wait(self, job: Job | str, *, progress: Callable[[Job], object] | None = None) -> Job:
        """A job once it is finished, whichever way.

        progress: called with the job as it is, again and again
        """
        while True:
            found = self.job(_id_of(job))
            if progress:
                progress(found)
            if found.is_finished:
                return found
            time.sleep(_POLL)

    def results(self, job: Job | str) -> Iterator[dict[str, Any]]:
        """What is said of each glyph, as it comes, until the job is finished."""
        taken, patience = _Taken(_id_of(job)), _Patience(self._retries)
        while True:
            found = self.job(taken.job)
            try:
                with self._http.stream(**taken.question.request) as response:
                    if response.is_success:
                        for line in response.iter_lines():
                            yield taken.one(line)
                        if found.is_finished:
                            return taken.end(found)
                        time.sleep(_POLL)
                        continue
                    response.read()
                    refusal = self._refusal(response)
            except httpx.TransportError as error:
                refusal = self._failure(error)
            time.sleep(patience.after(refusal))

    def report(self, job: Job | str, format: ReportFormat = "json") -> bytes:
        """The report of a job that is done: a file's bytes, as html of several fonts a ZIP's."""
        return self._ask(_report(_id_of(job), format))

    def cancel(self, job: Job | str) -> None:
        """Cancel a job; remove it with all that has come of it where it is finished."""
        self._ask(_cancel(_id_of(job)))

    def models(self) -> list[ServedModel]:
        """The models of the service, the default first."""
        return self._ask(_MODELS)

    def ready(self) -> bool:
        """Whether the service can be reached and answers at full speed."""
        try:
            return self._http.get("/readyz").is_success
        except httpx.TransportError:
            return False

    def _ask(self, question: _Question[T]) -> T:
        patience = _Patience(self._retries)
        while True:
            try:
                response = self._http.request(**question.request)
            except httpx.TransportError as error:
                refusal = self._failure(error)
            else:
                if response.is_success:
                    with _understanding():
                        return question.read(response)
                refusal = self._refusal(response)
            time.sleep(patience.after(refusal))

    def _stream(
        self, pictures: Iterable[Picture | Glyph], answers: _Answers[T], params: _Params
    ) -> Iterator[T | ServiceError]:
        for lines in _together(pictures):
            answers.expect(len(lines))
            yield from self._streamed(_classify_batch(lines, params), answers)

    def _streamed(self, question: _Question[None], answers: _Answers[T]) -> Iterator[T | ServiceError]:
        patience = _Patience(self._retries)
        while True:
            begun = False
            try:
                with self._http.stream(**question.request) as response:
                    if response.is_success:
                        for line in response.iter_lines():
                            begun = True
                            yield answers.take(line)
                        return answers.end()
                    response.read()
                    refusal = self._refusal(response)
            except httpx.TransportError as error:
                refusal = self._failure(error)
                if begun:
                    raise refusal from None
            time.sleep(patience.after(refusal))


class AsyncClient(_Connection):
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
        return await self._ask(_classify(picture, metrics, timeout, context))

    async def similar(
        self, picture: Picture, *, metrics: Mapping[str, float] | None = None, **search: Unpack[Search]
    ) -> list[Neighbour]:
        """As Client.similar."""
        return await self._ask(_similar(picture, metrics, search))

    async def similar_to(self, label: str, **search: Unpack[Search]) -> list[Neighbour]:
        """As Client.similar_to."""
        return await self._ask(_similar_to(label, search))

    async def embed(
        self,
        picture: Picture,
        *,
        metrics: Mapping[str, float] | None = None,
        model: str | None = None,
        timeout: float | None = None,
    ) -> NDArray[np.float32]:
        """As Client.embed."""
        return await self._ask(_embed(picture, metrics, model, timeout))

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
        return self._stream(pictures, _Answers(_recognition, errors, progress), _context(**context))

    async def embed_batch(
        self,
        pictures: Iterable[Picture | Glyph],
        *,
        model: str | None = None,
        progress: Progress | None = None,
    ) -> NDArray[np.float32]:
        """As Client.embed_batch."""
        rows = _Rows(progress)
        for lines in _together(pictures):
            rows.add(await self._ask(_embed_batch(lines, model)))
        return rows.all

    async def score_fonts(self, fonts: Font | Iterable[Font], *, model: str | None = None) -> Job:
        """As Client.score_fonts."""
        return await self._ask(_score_fonts(fonts, model))

    async def job(self, id: str) -> Job:
        """As Client.job."""
        return await self._ask(_job(id))

    async def jobs(self, limit: int = 20) -> list[Job]:
        """As Client.jobs."""
        return await self._ask(_jobs(limit))

    async def wait(self, job: Job | str, *, progress: Callable[[Job], object] | None = None) -> Job:
        """As Client.wait."""
        while True:
            found = await self.job(_id_of(job))
            if progress:
                progress(found)
            if found.is_finished:
                return found
            await asyncio.sleep(_POLL)

    async def results(self, job: Job | str) -> AsyncIterator[dict[str, Any]]:
        """As Client.results."""
        taken, patience = _Taken(_id_of(job)), _Patience(self._retries)
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
                        await asyncio.sleep(_POLL)
                        continue
                    await response.aread()
                    refusal = self._refusal(response)
            except httpx.TransportError as error:
                refusal = self._failure(error)
            await asyncio.sleep(patience.after(refusal))

    async def report(self, job: Job | str, format: ReportFormat = "json") -> bytes:
        """As Client.report."""
        return await self._ask(_report(_id_of(job), format))

    async def cancel(self, job: Job | str) -> None:
        """As Client.cancel."""
        await self._ask(_cancel(_id_of(job)))

    async def models(self) -> list[ServedModel]:
        """As Client.models."""
        return await self._ask(_MODELS)

    async def ready(self) -> bool:
        """As Client.ready."""
        try:
            return (await self._http.get("/readyz")).is_success
        except httpx.TransportError:
            return False

    async def _ask(self, question: _Question[T]) -> T:
        patience = _Patience(self._retries)
        while True:
            try:
                response = await self._http.request(**question.request)
            except httpx.TransportError as error:
                refusal = self._failure(error)
            else:
                if response.is_success:
                    with _understanding():
                        return question.read(response)
                refusal = self._refusal(response)
            await asyncio.sleep(patience.after(refusal))

    async def _stream(
        self, pictures: Iterable[Picture | Glyph], answers: _Answers[T], params: _Params
    ) -> AsyncIterator[T | ServiceError]:
        for lines in _together(pictures):
            answers.expect(len(lines))
            async for answer in self._streamed(_classify_batch(lines, params), answers):
                yield answer

    async def _streamed(
        self, question: _Question[None], answers: _Answers[T]
    ) -> AsyncIterator[T | ServiceError]:
        patience = _Patience(self._retries)
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
            except httpx.TransportError as error:
                refusal = self._failure(error)
                if begun:
                    raise refusal from None
            await asyncio.sleep(patience.after(refusal))


def _classify(
    picture: Picture, metrics: Mapping[str, float] | None, timeout: float | None, context: Context
) -> _Question[Recognition]:
    params = _context(**context) | _metrics(**(metrics or {})) | _params(timeout=timeout)
    return _Question("/classify", lambda response: _recognition(response.json()), params, _bytes_of(picture))


def _similar(
    picture: Picture, metrics: Mapping[str, float] | None, search: Search
) -> _Question[list[Neighbour]]:
    params = _search(**search) | _metrics(**(metrics or {}))
    return _Question("/similar", _neighbours, params, _bytes_of(picture))


def _similar_to(label: str, search: Search) -> _Question[list[Neighbour]]:
    return _Question(f"/similar/{quote(label, safe='')}", _neighbours, _search(**search))


def _embed(
    picture: Picture, metrics: Mapping[str, float] | None, model: str | None, timeout: float | None
) -> _Question[NDArray[np.float32]]:
    def read(response: httpx.Response) -> NDArray[np.float32]:
        return np.array(response.json()["embedding"], np.float32)

    params = _metrics(**(metrics or {})) | _params(model=model, timeout=timeout)
    return _Question("/embed", read, params, _bytes_of(picture))


def _classify_batch(lines: list[bytes], params: _Params) -> _Question[None]:
    return _Question("/classify/batch", lambda _: None, params, b"".join(lines), "application/x-ndjson")


def _embed_batch(lines: list[bytes], model: str | None) -> _Question[NDArray[np.float32]]:
    def read(response: httpx.Response) -> NDArray[np.float32]:
        found: NDArray[np.float32] = np.load(io.BytesIO(response.content), allow_pickle=False)
        return found

    params = _params(model=model, format="npy")
    return _Question("/embed/batch", read, params, b"".join(lines), "application/x-ndjson")


def _score_fonts(fonts: Font | Iterable[Font], model: str | None) -> _Question[Job]:
    some = [fonts] if isinstance(fonts, str | os.PathLike | tuple) else list(fonts)
    if not some:
        raise BadInput("There are no fonts to score.")
    return _Question("/fonts/score", _job_of, _params(model=model), fonts=some)


def _job(id: str) -> _Question[Job]:
    return _Question(_path_of(id), _job_of)


def _jobs(limit: int) -> _Question[list[Job]]:
    def read(response: httpx.Response) -> list[Job]:
        return [_made_job(document) for document in response.json()["jobs"]]

    return _Question("/jobs", read, _params(limit=limit))


def _report(id: str, format: ReportFormat) -> _Question[bytes]:
    return _Question(f"{_path_of(id)}/report", lambda response: response.content, _params(format=format))


def _cancel(id: str) -> _Question[None]:
    return _Question(_path_of(id), lambda _: None, method="DELETE")


def _path_of(id: str) -> str:
    return f"/jobs/{quote(id, safe='')}"


def _id_of(job: Job | str) -> str:
    return job if isinstance(job, str) else job.id


def _job_of(response: httpx.Response) -> Job:
    return _made_job(response.json())


def _made_job(document: Mapping[str, Any]) -> Job:
    return _made(Job, {**document, "model": _made(Model, document["model"])})


class _Taken:
    """The results of a job that have come so far."""

    def __init__(self, job: str) -> None:
        self.job, self._count = job, 0

    @property
    def question(self) -> _Question[None]:
        """What asks for the others."""
        return _Question(f"{_path_of(self.job)}/results", lambda _: None, _params(start=self._count))

    def one(self, line: str) -> dict[str, Any]:
        """What a line says."""
        with _understanding():
            result: dict[str, Any] = json.loads(line)
        self._count += 1
        return result

    def end(self, job: Job) -> None:
        """Raises ServiceError where there are fewer than the job says."""
        if self._count != job.lines:
            raise ServiceError(f"{job.lines - self._count} results of the job did not come.")


class _FontFile:
    """A file that is open only while it is read: of many fonts, one after the other."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: io.BufferedReader | None = None

    def read(self, size: int) -> bytes:
        """Raises BadFont where it cannot be read."""
        try:
            if self._file is None:
                self._file = self._path.open("rb")
            piece = self._file.read(size)
        except OSError as error:
            raise BadFont(f"{self._path} cannot be read: {error.strerror}.") from None
        if not piece:
            self._file.close()
        return piece


def _font_file(font: Font) -> tuple[str, Any]:
    """A file of a form, as httpx wants it."""
    if isinstance(font, tuple):
        return font
    return Path(font).name, _FontFile(Path(font))


def _context(
    *,
    k: int | None = None,
    model: str | None = None,
    prior: str | None = None,
    scripts: str | Iterable[str] = "",
    charset: str = "",
    labels: str | Iterable[str] = "",
) -> _Params:
    return _params(
        k=k, model=model, prior=prior, scripts=_listed(scripts), charset=charset, labels=_listed(labels)
    )


def _search(
    *,
    k: int | None = None,
    model: str | None = None,
    scripts: str | Iterable[str] = "",
    families: str | Iterable[str] = "",
    exclude_same: bool = False,
    timeout: float | None = None,
) -> _Params:
    return _params(
        k=k, model=model, scripts=_listed(scripts), families=_listed(families), exclude_same=exclude_same,
        timeout=timeout,
    )  # fmt: skip


def _metrics(
    *,
    width: float | None = None,
    height: float | None = None,
    bottom: float | None = None,
    advance: float | None = None,
) -> _Params:
    return _params(width=width, height=height, bottom=bottom, advance=advance)


def _params(**given: str | float | None) -> _Params:
    """Those parameters of the query that say something."""
    return {name: value for name, value in given.items() if value is not None and value != ""}


def _listed(names: str | Iterable[str]) -> str:
    return names if isinstance(names, str) else ",".join(names)


def _bytes_of(picture: Picture) -> bytes:
    if isinstance(picture, bytes):
        return picture
    if isinstance(picture, str | os.PathLike):
        try:
            return Path(picture).read_bytes()
        except OSError as error:
            raise BadPicture(f"{os.fspath(picture)} cannot be read: {error.strerror}.") from None
    file = io.BytesIO()
    (picture if picture.mode in _PNG_MODES else picture.convert("RGB")).save(file, "PNG")
    return file.getvalue()


def _together(pictures: Iterable[Picture | Glyph]) -> Iterator[list[bytes]]:
    """The lines of one request after the other."""
    lines: list[bytes] = []
    size = 0
    for item in pictures:
        glyph = item if isinstance(item, Glyph) else Glyph(item)
        said: dict[str, Any] = {"image": base64.b64encode(_bytes_of(glyph.picture)).decode("ascii")}
        if glyph.metrics:
            said["metrics"] = _metrics(**glyph.metrics)
        lines.append(json.dumps(said).encode("ascii") + b"\n")
        size += len(lines[-1])
        if len(lines) == _MOST_TOGETHER or size >= _MOST_BYTES:
            yield lines
            lines, size = [], 0
    if lines:
        yield lines


class _Rows:
    """Gathers the embeddings of a batch."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._parts: list[NDArray[np.float32]] = []

    def add(self, part: NDArray[np.float32]) -> None:
        self._parts.append(part)
        if self._progress:
            self._progress(sum(map(len, self._parts)))

    @property
    def all(self) -> NDArray[np.float32]:
        return np.concatenate(self._parts) if self._parts else np.zeros((0, 0), np.float32)


def _recognition(document: Any) -> Recognition:
    predictions = tuple(_made(Prediction, prediction) for prediction in document["predictions"])
    return Recognition(_made(Model, document["model"]), document["known"], predictions)


def _neighbours(response: httpx.Response) -> list[Neighbour]:
    return [_made(Neighbour, neighbour) for neighbour in response.json()["neighbours"]]


def _made(kind: type[T], document: Mapping[str, Any]) -> T:
    """One of our records; what a newer service says beside it is passed over."""
    values = {each.name: document[each.name] for each in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})


_MODELS: Final = _Question(
    "/models", lambda response: [_made(ServedModel, model) for model in response.json()["models"]]
)


def _error_of(problem: Mapping[str, Any], index: int | None = None, retry_after: float = 0) -> ServiceError:
    type_, status = problem["type"], problem["status"]
    return ServiceError(problem["detail"], type=type_, status=status, index=index, retry_after=retry_after)


@contextmanager
def _understanding() -> Generator[None, None, None]:
    """Says so where an answer is not as a service of ours would give it."""
    try:
        yield
    except (EOFError, KeyError, TypeError, ValueError):
        raise ServiceError("The answer is not one of a Glyphery service.") from None
