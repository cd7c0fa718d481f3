"""Replicas of the service on Ray: the rate of one beside that of two, and what the loss of a node costs.

`python -m benchmarks.replicas` makes a cluster of two nodes on this machine, each with one processor and so
with room for one replica, and asks with a few callers at once. Callers, proxy and nodes share the machine's
processors, so that two replicas can be twice as fast only where there are processors to spare.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import httpx
import typer

from bundles import default_bundle

_NODE = {"num_cpus": 1, "object_store_memory": 200 * 2**20, "include_dashboard": False}
_PICTURE = Path(__file__).parents[1] / "docs" / "ain-initial.png"
_PATIENCE = 600.0
# On a busy machine Ray would give its own parts up while they still start.
_PATIENT = {
    "RAY_raylet_start_wait_time_s": "600",
    "RAY_agent_register_timeout_ms": "600000",
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "600",
    "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "600",
}


class Callers:
    """They ask without a pause, and count what they are answered."""

    def __init__(self, url: str, count: int) -> None:
        self.statuses: Counter[int] = Counter()
        self.last_failure = 0.0
        self._url, self._over = url, threading.Event()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def rate(self, seconds: float) -> float:
        """Answers a second, from now on."""
        before, began = self.statuses[200], time.monotonic()
        time.sleep(seconds)
        return round((self.statuses[200] - before) / (time.monotonic() - began), 1)

    def end(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        picture = _PICTURE.read_bytes()
        with httpx.Client(base_url=self._url, timeout=60) as client:
            while not self._over.is_set():
                status = 0
                with suppress(httpx.TransportError):
                    status = client.post("/classify", content=picture).status_code
                self.statuses[status] += 1
                if status != 200:
                    self.last_failure = time.monotonic()


def main(
    seconds: Annotated[float, typer.Option(help="Of each measurement.")] = 20.0,
    callers: Annotated[int, typer.Option(help="How many ask at once.")] = 16,
) -> None:
    """Measure, and print each figure as a line of JSON when it is there."""
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0", "OMP_NUM_THREADS": "1"}
    os.environ |= _PATIENT
    import ray
    from ray import serve
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args=_NODE)
    node = cluster.add_node(**_NODE)
    ray.init(cluster.address, log_to_driver=False)
    try:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        serve.start(proxy_location="HeadOnly", http_options={"host": "127.0.0.1", "port": port})
        url = f"http://127.0.0.1:{port}"
        _tell("callers", callers)
        _deploy(1)
        asking = Callers(url, callers)
        asking.rate(seconds / 4)  # warm
        _tell("one replica, glyphs/s", asking.rate(seconds))
        _deploy(2)
        asking.rate(seconds / 4)
        _tell("two replicas, glyphs/s", asking.rate(seconds))
        before = Counter(asking.statuses)
        lost = time.monotonic()
        cluster.remove_node(node, allow_graceful=False)
        _tell("after the loss of a node, glyphs/s", asking.rate(seconds))
        _tell("failed at the loss", _failed(asking.statuses - before))
        _tell("last failure after the loss, s", round(max(0.0, asking.last_failure - lost), 2))
        cluster.add_node(**_NODE)
        began = time.monotonic()
        _wait_for(lambda: _serving() == 2)
        _tell("second replica back after its node, s", round(time.monotonic() - began, 1))
        _tell("two replicas again, glyphs/s", asking.rate(seconds))
        _tell("failed in all", _failed(asking.statuses))
        asking.end()
    finally:
        serve.shutdown()
        ray.shutdown()
        cluster.shutdown()


def _tell(what: str, figure: float) -> None:
    print(json.dumps({what: figure}), flush=True)


def _deploy(replicas: int) -> None:
    from ray import serve

    from service.on_ray import deployment

    arguments = {"bundles": str(default_bundle()), "open_access": True, "access_log": False, "executors": 1}
    options = {"num_replicas": replicas, "health_check_period_s": 1, "ray_actor_options": {"num_cpus": 1}}
    serve.run(deployment(**options).bind(arguments), name="glyphery", route_prefix="/")
    _wait_for(lambda: _serving() == replicas)


def _serving() -> int:
    from ray import serve

    [deployment] = serve.status().applications["glyphery"].deployments.values()
    return int(deployment.replica_states.get("RUNNING", 0))


def _wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError("The cluster did not come to rest.")
        time.sleep(0.1)


def _failed(statuses: Counter[int]) -> int:
    return sum(count for status, count in statuses.items() if status != 200)


if __name__ == "__main__":
    typer.run(main)
