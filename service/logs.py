"""What the service writes down: whatever goes wrong, and a line for each request.

The former goes through `logging`, so that an application which embeds the service arranges it as its
own; `configuration` is the arrangement of a service that is run by itself: standard error, as text or
as a JSON object a line. Requests go there straight, for `logging` would take longer over a line than the
service over all else that it does for a request outside an executor. Nothing that was posted is logged.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal

from service.exchange import CURRENT, Exchange

Format = Literal["text", "json"]
Level = Literal["debug", "info", "warning", "error"]
_ACCESS = "service.access"


class Trouble:
    """What is tried again and again, each time in a `with` block, and may fail for a while: for want of open
    files or of room on a disk. The error is logged when it comes and when it is another, not each time, and
    goes no further.
    """

    def __init__(self, log: logging.Logger, what: str) -> None:
        self._log, self._what = log, what
        self._last = ""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if error is None:
            if self._last:
                self._log.info("over: %s", self._what)
            self._last = ""
        elif isinstance(error, Exception) and repr(error) != self._last:
            self._log.error(self._what, exc_info=error)
            self._last = repr(error)
        return isinstance(error, Exception)


class AccessLog:
    """A line for each request; those answered in one turn of the event loop are written together."""

    def __init__(self, form: Format) -> None:
        self._json = form == "json"
        self._lines: list[str] = []

    def write(
        self,
        exchange: Exchange,
        *,
        method: str,
        route: str,
        status: int,
        seconds: float,
        bytes_in: int,
        bytes_out: int,
        key: str,
    ) -> None:
        """key: name of the access key it came with, or empty, as are those of the exchange."""
        now, milliseconds = _stamp(time.time()), round(1000 * seconds, 2)
        known = (
            ("key", key),
            ("model", exchange.model),
            ("problem", exchange.problem),
            ("trace", exchange.trace),
        )
        named = [pair for pair in known if pair[1]]
        if self._json:
            line = json.dumps(
                {
                    "time": now, "level": "info", "logger": _ACCESS, "request": exchange.id,
                    "method": method, "route": route, "status": status, "milliseconds": milliseconds,
                    "bytes_in": bytes_in, "bytes_out": bytes_out, **dict(named),
                }
            )  # fmt: skip
        else:
            details = "".join([f", {name} {value}" for name, value in named])
            line = (
                f"{now} INFO {_ACCESS}: {method} {route} {status} in {milliseconds} ms, "
                f"{bytes_in} B in, {bytes_out} B out{details} [{exchange.id}]"
            )
        if not self._lines:
            asyncio.get_running_loop().call_soon(self._flush)
        self._lines.append(line + "\n")

    def _flush(self) -> None:
        lines, self._lines = self._lines, []
        with suppress(OSError):  # a full disk costs the lines, not the requests
            sys.stderr.write("".join(lines))


class TextFormatter(logging.Formatter):
    """Time, level, logger, message, and the request's id where there is one."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        exchange = CURRENT.get()
        request = f" [{exchange.id}]" if exchange else ""
        return f"{_stamp(record.created)} {record.levelname} {record.name}: {record.message}{request}"


class JsonFormatter(logging.Formatter):
    """The same as JSON. What a message is made of by name stands there by name too."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": _stamp(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        exchange = CURRENT.get()
        if exchange:
            entry["request"] = exchange.id
        if isinstance(record.args, Mapping):
            entry |= record.args
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def configuration(form: Format, level: Level) -> dict[str, Any]:
    """For `logging.config.dictConfig`; uvicorn applies it in every process that it starts."""
    formatter = {"text": TextFormatter, "json": JsonFormatter}[form]
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"ours": {"()": f"{formatter.__module__}.{formatter.__qualname__}"}},
        "handlers": {"ours": {"class": "logging.StreamHandler", "formatter": "ours"}},
        "root": {"handlers": ["ours"], "level": level.upper()},
        "loggers": {
            "uvicorn.error": {"level": level.upper()},
            # Pillow complains of a sender's file, or tells what is in it; the answer says what is wrong.
            "PIL": {"level": "CRITICAL"},
        },
    }


def _stamp(seconds: float) -> str:
    """RFC 3339, in UTC."""
    whole = int(seconds)
    return f"{_second(whole)}.{int(1000 * (seconds - whole)):03}Z"


@lru_cache(maxsize=2)  # one second has many lines
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
