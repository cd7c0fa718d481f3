"""Replicas on a Ray cluster of two nodes, one of which is lost under load."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from glyphs.errors import BadBundle
from recognition.bundle import Bundle, seal
from service.errors import BadSettings
from service.settings import Settings

pytest.importorskip("ray.serve")
from service.on_ray import Replica

CONFIG = Path(__file__).parents[2] / "deploy" / "ray" / "serve.yaml"
_NODE = {"num_cpus": 1, "object_store_memory": 100 * 2**20, "include_dashboard": False}
_CALLERS = 6
# On a busy machine Ray would give its own parts up while they still start.
_PATIENT = {
    "RAY_raylet_start_wait_time_s": "600",
    "RAY_agent_register_timeout_ms": "600000",
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "600",
    "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "600",
}


class Load:
    """Callers that ask without a pause, each again once it is answered."""

    def __init__(self, url: str, picture: bytes) -> None:
        self.statuses: Counter[int] = Counter()
        self.versions: Counter[str] = Counter()
        self._url, self._picture = url, picture
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(_CALLERS)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    @property
    def failed(self) -> int:
        return sum(count for status, count in self.statuses.items() if status != 200)

    def wait_for(self, answers: int) -> None:
        """Until so many more have been answered well."""
        until = self.statuses[200] + answers
        _eventually(lambda: self.statuses[200] >= until)

    def _ask(self) -> None:
        with httpx.Client(base_url=self._url, timeout=60) as client:
            while not self._over.is_set():
                try:
                    answer = client.post("/classify", content=self._picture)
                except httpx.TransportError:
                    self.statuses[0] += 1
                else:
                    self.statuses[answer.status_code] += 1
                    if answer.status_code == 200:
                        self.versions[answer.json()["model"]["version"]] += 1


def _eventually(condition: Callable[[], object]) -> None:
    until = time.monotonic() + 600
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.1)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes with a processor each, so that there is room for one replica on each."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RAY_USAGE_STATS_ENABLED", "0")
        environment.setenv("RAY_worker_niceness", "0")  # tests should not wait for all else that runs
        for name, value in _PATIENT.items():
            environment.setenv(name, value)
        import ray
        from ray.cluster_utils import Cluster

        cluster = Cluster(initialize_head=True, head_node_args=_NODE)
        try:
            ray.init(cluster.address, log_to_driver=False)
            yield cluster
        finally:
            ray.shutdown()
            cluster.shutdown()


@pytest.fixture(scope="module")
def url(cluster: Any) -> Iterator[str]:
    """Where Ray's proxy listens; only that of the first node, for they share this machine's ports."""
    from ray import serve

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    serve.start(proxy_location="HeadOnly", http_options={"host": "127.0.0.1", "port": port})
    yield f"http://127.0.0.1:{port}"
    serve.shutdown()


def _deploy(bundle: Path) -> None:
    """What `serve deploy` does with the shipped file, for two replicas of this bundle."""
    from ray.serve.context import _get_global_client
    from ray.serve.schema import ServeDeploySchema

    config = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    [application] = config["applications"]
    application["args"] = {"bundles": str(bundle), "open_access": True, "access_log": False, "executors": 1}
    [deployment] = application["deployments"]
    del deployment["autoscaling_config"]
    deployment |= {"num_replicas": 2, "health_check_period_s": 1}
    _get_global_client().deploy_apps(ServeDeploySchema.parse_obj(config))


def _serving() -> int:
    """How many replicas serve."""
    from ray import serve

    application = serve.status().applications.get("glyphery")
    assert application is None or application.status != "DEPLOY_FAILED", application
    deployments = application.deployments.values() if application else ()
    return sum(deployment.replica_states.get("RUNNING", 0) for deployment in deployments)


def test_the_shipped_configuration_is_one_for_ray() -> None:
    from ray.serve.schema import ServeDeploySchema

    config = ServeDeploySchema.parse_obj(yaml.safe_load(CONFIG.read_text(encoding="utf-8")))
    [application] = config.applications
    assert application.import_path == "service.on_ray:build"
    assert set(application.args) <= set(Settings.model_fields)


def test_without_keys_replicas_start_only_where_anybody_may_ask(bundle: Path) -> None:
    with pytest.raises(BadSettings, match="would answer anybody"):
        Replica({"bundles": str(bundle)})
    Replica({"bundles": str(bundle), "open_access": True})


def test_a_bundle_that_is_not_there_is_an_error_that_the_status_shows(tmp_path: Path) -> None:
    with pytest.raises(BadBundle, match="There is no bundle"):  # here, and not in the lifespan
        Replica({"bundles": str(tmp_path / "none"), "open_access": True})


def test_a_node_that_is_lost_under_load_costs_no_more_than_was_in_flight(
    cluster: Any, url: str, bundle: Path, picture: Callable[..., bytes]
) -> None:
    node = cluster.add_node(**_NODE)
    _deploy(bundle)
    _eventually(lambda: _serving() == 2)
    answer = httpx.get(f"{url}/healthz", headers={"X-Request-ID": "mine"}, timeout=60)
    assert answer.headers.get_list("x-request-id") == ["mine"]  # the proxy says it, too
    with Load(url, picture("65")) as load:
        load.wait_for(60)
        assert not load.failed
        cluster.remove_node(node, allow_graceful=False)
        _eventually(lambda: _serving() == 1)
        load.wait_for(60)
        lost = load.failed
        assert lost <= _CALLERS, load.statuses
        cluster.add_node(**_NODE)
        _eventually(lambda: _serving() == 2)  # by itself
        load.wait_for(60)
        assert load.failed == lost


def test_a_new_bundle_is_rolled_out_under_load_and_nothing_fails(
    cluster: Any, url: str, bundle: Path, tmp_path: Path, picture: Callable[..., bytes]
) -> None:
    newer = shutil.copytree(bundle, tmp_path / "newer")
    seal(newer, replace(Bundle.load(bundle).manifest, version="2.0"))
    if len(cluster.list_all_nodes()) < 2:
        cluster.add_node(**_NODE)
    _deploy(bundle)
    _eventually(lambda: _serving() == 2)
    with Load(url, picture("65")) as load:
        load.wait_for(20)
        _deploy(newer)
        _eventually(lambda: load.versions["2.0"] and _serving() == 2)
        old = load.versions["1.0"]
        load.wait_for(60)
        assert not load.failed, load.statuses
        assert load.versions["1.0"] == old
        assert old >= 20
