"""What both clients have in common: whom to ask, what an answer means, and when to ask again."""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, Generic, TypeVar

import httpx
import numpy as np
from numpy.typing import NDArray

from glyphery.client import questions
from glyphery.client.records import Job, Progress, ServiceError
from glyphs.errors import BadInput

T = TypeVar("T")
POLL = 0.5  # seconds between two looks at a job

_URL: Final = "http://127.0.0.1:8000"
_PASSWORD = re.compile(r"(?<=://)([^/:]*):[^/]*@")
_FIRST_BACKOFF, _LONGEST_BACKOFF = 0.25, 8.0  # seconds
_LONGEST_WAIT = 60  # seconds; a service that wants to be left alone for longer is not waited for
_NOT_FOUND: Final = "urn:glyphery:problem:not-found"  # there is no such path
# The connection failed, rather than the service: to ask again is no harm, and may help.
_LOST = (httpx.NetworkError, httpx.RemoteProtocolError, httpx.ConnectTimeout)
# The service may have heard what was asked.
_HEARD = (
    httpx.ReadError, httpx.WriteError, httpx.CloseError, httpx.RemoteProtocolError, httpx.ReadTimeout,
    httpx.WriteTimeout,
)  # fmt: skip


class Connection:
    """What both clients have in common: whom to ask, what an answer means, and when to ask again.

    url: of the service, without the password it may hold
    """

    def __init__(self, url: str | None, api_key: str | None, retries: int, timeout: float) -> None:
        url = url or os.environ.get("GLYPHERY_SERVER") or _URL
        self._address = (url if "://" in url else f"http://{url}").rstrip("/")
        self.url = _PASSWORD.sub(r"\1:***@", self._address)
        self._api_key = (api_key or os.environ.get("GLYPHERY_API_KEY") or "").strip()
        if not (self._api_key.isascii() and self._api_key.isprintable()):
            raise BadInput("The API key has characters that cannot be sent.")
        self._retries, self._timeout = retries, timeout

    def _open(self, make: Callable[..., T]) -> T:
        """Make a client of httpx.

        Raises:
            BadInput: the address is none, or proxies or certificates named by the environment are of no use.
        """
        headers = {"Authorization": f"Bearer {self._api_key}"} if self._api_key else {}
        try:
            url = httpx.URL(self._address)
        except (httpx.InvalidURL, UnicodeError) as error:
            raise BadInput(f"{self.url} is no address of a service: {error}.") from None
        try:
            return make(base_url=url, headers=headers, timeout=self._timeout)
        except (httpx.InvalidURL, ImportError, OSError, ValueError) as error:
            raise BadInput(
                f"No connection can be made as the environment says: {str(error).rstrip('.')}.",
                "See ALL_PROXY, HTTP_PROXY, HTTPS_PROXY, SSL_CERT_FILE and SSL_CERT_DIR.",
            ) from None

    def _refusal(self, response: httpx.Response) -> ServiceError:
        """The error that a response is; its body has been read."""
        after = _seconds(response.headers.get("retry-after", ""))
        try:
            refusal = error_of(response.json(), retry_after=after)
        except Exception:  # it comes from something in between
            said = f"{response.status_code} {response.reason_phrase}".strip()
            return ServiceError(f"{self.url} answers {said}.", status=response.status_code, retry_after=after)
        if refusal.type != _NOT_FOUND:
            return refusal
        asked = f"{response.request.method} {response.request.url.path}"
        return ServiceError(
            f"{self.url} does not know {asked}: it may be older than this client. GET /v2 tells its version.",
            type=refusal.type,
            status=refusal.status,
        )

    def _failure(self, error: httpx.RequestError, once: bool = False) -> ServiceError:
        """What has become of a request that was not answered.

        once: it is not to be sent again where it may have been heard
        """
        lost = isinstance(error, _LOST)
        if isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.ConnectTimeout):
            seconds = error.request.extensions["timeout"]["read"]
            detail = f"{self.url} did not go on answering within {seconds:g} s."
        else:
            detail = f"The connection to {self.url} failed: {str(error).rstrip('.') or type(error).__name__}."
        if once and isinstance(error, _HEARD):
            lost, detail = False, f"{detail} What was asked may have been done all the same: see `jobs()`."
        return ServiceError(detail, lost=lost)


class Patience:
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


class Answers(Generic[T]):
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
        with understanding():
            document = json.loads(line)
            index = None if document["index"] is None else self._before + document["index"]
            problem = document.get("problem")
            answer = error_of(problem, index) if problem else self._read(document)
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


class Taken:
    """The results of a job that have come so far."""

    def __init__(self, job: str) -> None:
        self.job, self._count = job, 0

    @property
    def question(self) -> questions.Question[None]:
        """What asks for the others."""
        return questions.results(self.job, self._count)

    def one(self, line: str) -> dict[str, Any]:
        """What a line says."""
        with understanding():
            result: dict[str, Any] = json.loads(line)
        self._count += 1
        return result

    def end(self, job: Job) -> None:
        """Raises ServiceError where there are fewer than the job says."""
        if self._count != job.lines:
            raise ServiceError(f"{job.lines - self._count} results of the job did not come.")


class Rows:
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


def error_of(problem: Mapping[str, Any], index: int | None = None, retry_after: float = 0) -> ServiceError:
    type_, status = problem["type"], problem["status"]
    return ServiceError(problem["detail"], type=type_, status=status, index=index, retry_after=retry_after)


def _seconds(after: str) -> float:
    """How long Retry-After asks to wait: it has seconds, or a date; 0 where it has neither."""
    if after.isdecimal():
        return float(after)
    try:
        date = parsedate_to_datetime(after)
    except (OverflowError, ValueError):
        return 0
    # Of the three ways to write a date for HTTP one names no zone: all mean Greenwich's.
    return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


@contextmanager
def understanding() -> Generator[None, None, None]:
    """Says so where an answer is not as a service of ours would give it."""
    try:
        yield
    except Exception as error:  # of JSON nested without end, or the broken header of an array, it is any
        raise ServiceError("The answer is not one of a Glyphery service.") from error
