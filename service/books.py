"""What is kept of every request, however it is answered: numbers for Prometheus, and a line in the log."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from service.exchange import Exchange, request_id
from service.logs import AccessLog
from service.metrics import Metrics

LEFT = 499  # nginx's status for an exchange whose client left before it was answered


@dataclass(frozen=True, slots=True)
class Books:
    """access_log: None where none is wanted"""

    metrics: Metrics
    access_log: AccessLog | None

    def opened(self, headers: Iterable[tuple[bytes, bytes]]) -> Exchange:
        """A request has come, with these headers."""
        self.metrics.in_flight += 1
        return Exchange(request_id(headers))

    def closed(
        self, exchange: Exchange, *, method: str, route: str, status: int, bytes_in: int, bytes_out: int,
        key: str,
    ) -> None:  # fmt: skip
        """A request has been answered, or is not going to be.

        route: the path of its route; a path that a client made up must not become a time series
        key: name of the access key it came with, or empty
        """
        seconds = time.perf_counter() - exchange.began
        self.metrics.in_flight -= 1
        self.metrics.answered(route, method, status, seconds, exchange.problem)
        if self.access_log:
            self.access_log.write(
                exchange, method=method, route=route, status=status, seconds=seconds,
                bytes_in=bytes_in, bytes_out=bytes_out, key=key,
            )  # fmt: skip
