"""Who may ask, and how often: middleware that stands before everything that costs anything.

Access       asks for an API key where keys are configured, and for an admin's before /admin
RateLimit    gives each caller a bucket of tokens, one a request

Probes are let through by both, so that whoever watches the service needs no key, and so is the page: it asks
people for theirs.
"""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict
from pathlib import Path

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import BadSettings, Forbidden, RateLimited, Unauthorized
from service.exchange import path_of
from service.keys import Key, KeyRing, find_key, read_keys
from service.problems import answer_to
from service.settings import Settings

_PROBES = frozenset({"/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"})
_PAGE, _PAGE_FILES = "/", "/page/"
_ROUNDING = 1e-6  # seconds; less is not worth a refusal


def check_access(settings: Settings) -> None:
    """Whether the service may listen where it is told to, with the keys it is told to ask for.

    Raises:
        BadSettings: anybody on the network could ask and nobody said so, or the keys cannot be read.
    """
    if settings.keys is not None:
        read_keys(settings.keys)
    elif not settings.open_access and not _is_loopback(settings.host):
        raise BadSettings(
            f"The service would answer anybody who reaches {settings.host or 'any address'}.",
            "Give it keys (`glyphery keys add NAME --file FILE`, then GLYPHERY_KEYS=FILE), or allow that"
            " with --open-access or GLYPHERY_OPEN_ACCESS=true.",
        )


class Access:
    """Refuses requests without a key, and tells the others' names on in the request's state, as `caller`."""

    def __init__(self, app: ASGIApp, keys: Path | None) -> None:
        """As of `Gate`."""
        self.app = app
        self._gate = Gate(keys)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not _is_open(path_of(scope)):
            try:
                self._gate.check(scope)
            except (Unauthorized, Forbidden) as error:
                await answer_to(Request(scope), error)(scope, receive, send)
                return
        await self.app(scope, receive, send)


class Gate:
    """Knows who may ask.

    /admin is never open, not even on a loopback address: any page in a browser there can post to it.
    """

    def __init__(self, keys: Path | None) -> None:
        """keys: their file; None lets everybody in, except to /admin. Raises BadSettings if it is bad."""
        self._ring = KeyRing(keys) if keys else None

    def check(self, scope: Scope) -> None:
        """Write the name of a request's key into its state, as `caller`.

        Raises:
            Unauthorized: a key is needed.
            Forbidden: an admin's is.
        """
        key = self._admitted(scope)
        if key:
            scope.setdefault("state", {})["caller"] = key.name

    def _admitted(self, scope: Scope) -> Key | None:
        keys = self._ring.keys if self._ring else ()
        to_admin = f"{path_of(scope)}/".startswith("/admin/")
        if to_admin and not any(key.admin for key in keys):
            raise Forbidden(
                "No admin key is configured here.", "`glyphery keys add NAME --file FILE --admin` makes one."
            )
        if self._ring is None:
            return None
        key = find_key(keys, _token(scope))
        if key is None:
            raise Unauthorized
        if to_admin and not key.admin:
            raise Forbidden("The key is not an admin's.", "Use an admin key for /admin.")
        return key


class RateLimit:
    """Refuses requests of a caller whose bucket is empty. Callers are keys, or addresses without keys."""

    def __init__(self, app: ASGIApp, rate: float, burst: int) -> None:
        """rate: tokens a second; burst: tokens a bucket holds."""
        self.app = app
        self._buckets = Buckets(rate, burst)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not _is_open(path_of(scope)):
            address, _ = scope.get("client") or ("", 0)  # none over a Unix socket
            caller = scope.get("state", {}).get("caller", address)
            wait = self._buckets.take(caller, time.monotonic())
            if wait:
                error = RateLimited(retry_after=math.ceil(wait))
                await answer_to(Request(scope), error)(scope, receive, send)
                return
        await self.app(scope, receive, send)


class Buckets:
    """Token buckets by caller, each kept as the one moment at which it will be full again.

    A bucket that is full is as good as none. So where there are too many, the one that has gone
    longest without use is forgotten: it is the likeliest to be full.
    """

    def __init__(self, rate: float, burst: int, most: int = 10_000) -> None:
        """rate: tokens a second; burst: tokens a bucket holds; most: buckets kept."""
        self._interval, self._size, self._most = 1 / rate, burst / rate, most
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, caller: str, now: float) -> float:
        """Take a token, and return 0; or, where there is none, the seconds until there is one."""
        full_at = max(self._full_at.get(caller, now), now) + self._interval
        wait = full_at - now - self._size
        if wait > _ROUNDING:
            return wait
        self._full_at[caller] = full_at
        self._full_at.move_to_end(caller)
        if len(self._full_at) > self._most:
            self._full_at.popitem(last=False)
        return 0.0


def _is_open(path: str) -> bool:
    """Whether anybody may ask, as often as they like."""
    return path in _PROBES or path == _PAGE or path.startswith(_PAGE_FILES)


def _token(scope: Scope) -> str:
    """The key a request brings, in X-API-Key or else as a bearer's; empty if none."""
    headers: dict[bytes, bytes] = dict(scope["headers"])
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    bearer = token if scheme.lower() == b"bearer" else b""
    return headers.get(b"x-api-key", bearer).strip().decode("latin-1")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name, or empty, which means every address
        return host == "localhost"
