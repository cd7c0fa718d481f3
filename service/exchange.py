"""The request at hand: what logs, metrics, traces and problem documents tell of it.

A middleware sets it before anything else is done; whoever learns something of the request writes it
there. A context variable, because errors are made and logged where no request is handed on.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from urllib.parse import quote

from starlette.types import Scope

from service.waiting import Work

_HEADER = b"x-request-id"
_LONGEST = 128
_VISIBLE = bytes(range(0x21, 0x7F))
_NAMES = random.Random(os.urandom(16))  # to ask the system each time would let go of Python's lock
_IN_URNS = "()+,-.:=@;$_!*'"  # RFC 2141's characters besides letters and digits


@dataclass(slots=True)
class Exchange:
    """A request and its answer.

    id: the client's, or made here
    model: name of the model that was asked
    problem: name of the problem it was answered with
    trace: id of the trace it is part of
    on_work: told of each piece of the engine's work for it, once that is done
    began: on `time.perf_counter`'s clock
    """

    id: str
    model: str = ""
    problem: str = ""
    trace: str = ""
    on_work: Callable[[Work], None] | None = None
    began: float = field(default_factory=time.perf_counter)

    @property
    def urn(self) -> str:
        """The `instance` of a problem document."""
        id = self.id if self.id.isalnum() else quote(self.id, safe=_IN_URNS)
        return f"urn:glyphery:request:{id}"


CURRENT: ContextVar[Exchange | None] = ContextVar("exchange", default=None)


def path_of(scope: Scope) -> str:
    """A request's path as routes know it: without the prefix under which the application stands."""
    path: str = scope["path"]
    prefix: str = scope.get("root_path", "")
    return path[len(prefix) :] if f"{path}/".startswith(f"{prefix}/") else path


def request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """What the client calls its request, if that is short and visible ASCII; otherwise a new name."""
    for name, value in headers:
        if name == _HEADER:
            if 0 < len(value) <= _LONGEST and not value.strip(_VISIBLE):
                return value.decode("ascii")
            break
    return f"{_NAMES.getrandbits(128):032x}"
