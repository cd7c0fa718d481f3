"""The client that waits for its answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
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


class Client(Connection):
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
            BadInput: the address is none, the key cannot be sent, or proxies or certificates named by the
                environment are of no use.
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
        return self._ask(questions.classify(picture, metrics, timeout, context))

    def similar(
        self, picture: Picture, *, metrics: Mapping[str, float] | None = None, **search: Unpack[Search]
    ) -> list[Neighbour]:
        """The reference glyphs most similar to a picture.

        search: k, model, scripts, families, distinct, exclude_same, timeout; see `Search`
        """
        return self._ask(questions.similar(picture, metrics, search))

    def similar_to(self, label: str, **search: Unpack[Search]) -> list[Neighbour]:
        """The reference glyphs most similar to those of a label, such as 1593_init."""
        return self._ask(questions.similar_to(label, search))

    def embed(
        self,
        picture: Picture,
        *,
        metrics: Mapping[str, float] | None = None,
        model: str | None = None,
        timeout: float | None = None,
    ) -> NDArray[np.float32]:
        """The embedding of a picture, (E,) and of length 1: of like pictures the inner product is large."""
        return self._ask(questions.embed(picture, metrics, model, timeout))

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
            the error in place of its answer; a file that cannot be read ends it either way, once what is
            before it is answered
        progress: called with the number of pictures answered so far
        """
        return self._stream(
            pictures, Answers(questions.recognition, errors, progress), questions.of_context(**context)
        )

    def embed_batch(
        self,
        pictures: Iterable[Picture | Glyph],
        *,
        model: str | None = None,
        progress: Progress | None = None,
    ) -> NDArray[np.float32]:
        """The embeddings of any number of pictures, (N, E); rows of NaN for pictures that cannot be used."""
        rows = Rows(progress)
        for lines in questions.together(pictures):
            # All from one model, though another may take its name meanwhile: rows are to be compared.
            part, model = self._ask(questions.embed_batch(lines, model))
            rows.add(part)
        return rows.all

    def identify_font(
        self,
        font: File,
        *,
        pictures: bool = False,
        timeout: float | None = None,
        **context: Unpack[Context],
    ) -> IdentifiedFont:
        """What every glyph of a font shows, whatever the font's character map says.

        font: a file, or its bytes
        pictures: each glyph with ink has one
        timeout: seconds after which the answer is of no use
        context: k, model, prior, scripts, charset, labels; see `Context`
        """
        return self._ask(questions.identify_font(font, pictures, timeout, context))

    def repair(
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
        """Have the text of a PDF repaired whose fonts do not say, or say wrongly, what their codes stand for.

        document: a file, or its bytes
        everything: believe the pictures, also where the document says something else
        scripts: which are possible, no others, as "Latn,Zyyy,Zinh"
        k: how many predictions of each code
        pictures: each code with ink has one
        timeout: seconds after which the answer is of no use
        """
        return self._ask(questions.repair(document, everything, scripts, k, pictures, model, timeout))

    def score_fonts(self, fonts: Font | Iterable[Font], *, model: str | None = None) -> Job:
        """Have every glyph of fonts checked against what it claims to be.

        fonts: files, or names with bytes; fonts, or archives of some
        model: name or digest of the one that shall judge
        """
        return self._ask(questions.score_fonts(fonts, model))

    def job(self, id: str) -> Job:
        """How far a job is."""
        return self._ask(questions.job(id))

    def jobs(self, limit: int = 20) -> list[Job]:
        """The newest jobs that were posted with the same key, at most so many, the newest first."""
        found, before = self._ask(questions.jobs(limit, ""))
        while before and len(found) < limit:
            more, before = self._ask(questions.jobs(limit - len(found), before))
            found += more
        return found

    def wait(self, job: Job | str, *, progress: Callable[[Job], object] | None = None) -> Job:
        """A job once it is finished, whichever way.

        progress: called with the job as it is, again and again
        """
        while True:
            found = self.job(questions.id_of(job))
            if progress:
                progress(found)
            if found.is_finished:
                return found
            time.sleep(POLL)

    def results(self, job: Job | str) -> Iterator[dict[str, Any]]:
        """What is said of each glyph, as it comes, until the job is finished."""
        taken, patience = Taken(questions.id_of(job)), Patience(self._retries)
        while True:
            found = self.job(taken.job)
            try:
                with self._http.stream(**taken.question.request) as response:
                    if response.is_success:
                        for line in response.iter_lines():
                            yield taken.one(line)
                        if found.is_finished:
                            return taken.end(found)
                        patience = Patience(self._retries)  # of each question, as everywhere
                        time.sleep(POLL)
                        continue
                    response.read()
                    refusal = self._refusal(response)
            except httpx.RequestError as error:
                refusal = self._failure(error)
            time.sleep(patience.after(refusal))

    def report(self, job: Job | str, format: ReportFormat = "json") -> bytes:
        """The report of a job that is done: a file's bytes, as html of several fonts a ZIP's."""
        return self._ask(questions.report(questions.id_of(job), format))

    def cancel(self, job: Job | str, *, keep: bool = False) -> None:
        """Cancel a job; remove it with all that has come of it where it is finished.

        keep: leave it where it is finished
        """
        self._ask(questions.cancel(questions.id_of(job), keep))

    def models(self) -> list[ServedModel]:
        """The models of the service, the default first."""
        return self._ask(questions.MODELS)

    def ready(self) -> bool:
        """Whether the service can be reached and answers at full speed."""
        try:
            return self._http.get("/readyz").is_success
        except httpx.RequestError:
            return False

    def _ask(self, question: questions.Question[T]) -> T:
        patience = Patience(self._retries)
        while True:
            try:
                response = self._http.request(**question.request)
            except httpx.RequestError as error:
                refusal = self._failure(error, question.once)
            else:
                if response.is_success:
                    with understanding():
                        return question.read(response)
                refusal = self._refusal(response)
            time.sleep(patience.after(refusal))

    def _stream(
        self, pictures: Iterable[Picture | Glyph], answers: Answers[T], params: questions.Params
    ) -> Iterator[T | ServiceError]:
        for lines in questions.together(pictures):
            answers.expect(len(lines))
            yield from self._streamed(questions.classify_batch(lines, params), answers)

    def _streamed(
        self, question: questions.Question[None], answers: Answers[T]
    ) -> Iterator[T | ServiceError]:
        patience = Patience(self._retries)
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
            except httpx.RequestError as error:
                refusal = self._failure(error)
                if begun:
                    raise refusal from None
            time.sleep(patience.after(refusal))
