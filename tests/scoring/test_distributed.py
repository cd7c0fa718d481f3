from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from bundles import default_bundle
from glyphs.errors import BadBundle, BadInput
from recognition.bundle import Bundle, in_precision
from scoring import distributed, places
from scoring.distributed import score_all_on_ray
from scoring.local import Setup, score_all
from scoring.sandbox import Limits

_MIB = 2**20


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of two nodes with a processor each."""
    pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RAY_USAGE_STATS_ENABLED", "0")
        environment.setenv("RAY_worker_niceness", "0")  # tests should not wait for all else that runs
        from ray.cluster_utils import Cluster

        node = {"num_cpus": 1, "object_store_memory": 200 * _MIB, "include_dashboard": False}
        nodes = Cluster(initialize_head=True, head_node_args=node)
        try:
            nodes.add_node(**node)
            yield nodes.address
        finally:
            nodes.shutdown()


@pytest.fixture
def fonts(font_dir: Path, tmp_path: Path) -> list[Path]:
    """Two fonts, what is none, what takes too much memory, and what is not there."""
    folder = tmp_path / "some fonts"
    folder.mkdir()
    for name in ("mono.otf", "phagspa.ttf"):
        shutil.copy(font_dir / name, folder)
    (folder / "broken.ttf").write_bytes(b"no font")
    (folder / "greedy.ttc").write_bytes(b"\0\1\0\0" + bytes(127 * _MIB))
    return [*sorted(folder.iterdir()), folder / "missing.ttf"]


@pytest.fixture
def setup() -> Setup:
    return Setup(default_bundle(), Limits(max_memory=340 * _MIB))


def _local(fonts: list[Path], setup: Setup) -> list[str]:
    return [score.to_json() for score in score_all(fonts, setup, processes=1)]


def test_two_nodes_say_what_one_process_says_to_the_byte(
    cluster: str, fonts: list[Path], setup: Setup
) -> None:
    scored = list(score_all_on_ray(fonts, setup, cluster))
    assert [score.to_json() for score in scored] == _local(fonts, setup)
    errors = {Path(score.font).name: score.findings[0].message for score in scored if score.findings}
    assert set(errors) == {"broken.ttf", "greedy.ttc", "missing.ttf"}
    assert "340 MiB of memory" in errors["greedy.ttc"]


def test_paths_may_be_relative_and_addresses_are_read_by_the_workers(
    cluster: str, font_dir: Path, setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(font_dir.parent)
    relative = Path("fonts/phagspa.ttf")
    address = places.place(f"file://{font_dir}/phagspa.ttf")
    first, second = score_all_on_ray([relative, address], setup, cluster)
    assert [first.to_json()] == _local([relative], setup)
    assert (second.font, second.faces) == (address, first.faces)


def test_a_killed_workers_font_is_scored_again(
    cluster: str, font_dir: Path, setup: Setup, tmp_path: Path
) -> None:
    fonts = [tmp_path / f"{number}.otf" for number in range(8)]
    for font in fonts:
        shutil.copy(font_dir / "mono.otf", font)
    scored: list[str] = []
    for score in score_all_on_ray(fonts, setup, cluster):
        if not scored:
            os.kill(_worker(), signal.SIGKILL)  # which is at one of those that follow
        scored.append(score.to_json())
    assert scored == _local(fonts, setup)


def test_a_font_that_no_worker_survives_is_given_up() -> None:
    tries = distributed._Tries(2)
    assert [tries.begin(7) for _ in range(3)] == [True, True, False]
    assert tries.begin(8)


def _worker() -> int:
    """A process of the cluster that scores: it has a reader of fonts."""
    for _ in range(1200):
        for process in Path("/proc").iterdir():
            with suppress(OSError, ValueError):  # gone meanwhile, or no process
                if b"scoring.sandboxed" in (process / "cmdline").read_bytes():
                    parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
                    if Path(f"/proc/{parent}/cmdline").read_bytes().startswith(b"ray::"):
                        return parent
        time.sleep(0.1)
    pytest.fail("no worker has a reader")


@pytest.mark.parametrize("variant", ["", "int8"])
def test_a_bundle_that_is_not_on_a_node_is_sent_there_once(
    cluster: str, setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variant: str
) -> None:
    import ray

    gone = shutil.copytree(setup.bundle, tmp_path / "bundle")
    monkeypatch.setattr(distributed, "_folder", lambda: tmp_path)
    ray.init(cluster, log_to_driver=False)
    try:
        address = in_precision(gone, variant)
        shipped = distributed._Shipment.of(Setup(address)).put(ray)
        digest = Bundle.load(address).digest
        shutil.rmtree(gone)
        first, folder = shipped.unpack().bundle, tmp_path / digest.removeprefix("sha256:")
        assert first == in_precision(folder, variant)
        assert Bundle.load(first).digest == digest
        (folder / "labels.json").write_text("altered")
        assert shipped.unpack().bundle == first
        assert Bundle.load(first).digest == digest
        assert list(tmp_path.iterdir()) == [folder]
    finally:
        ray.shutdown()


def test_whoever_stops_listening_leaves_no_worker_behind(cluster: str, font_dir: Path, setup: Setup) -> None:
    import ray

    ray.init(cluster, log_to_driver=False)  # a connection of the caller's own, which stays
    try:
        scores = score_all_on_ray([font_dir / "phagspa.ttf"] * 6, setup)
        next(scores)
        scores.close()  # type: ignore[attr-defined]
        assert ray.is_initialized()
        while ray.available_resources().get("CPU") != ray.cluster_resources()["CPU"]:
            time.sleep(0.1)
    finally:
        ray.shutdown()


def test_a_broken_bundle_and_a_cluster_that_is_not_there_are_told_at_once(
    tmp_path: Path, setup: Setup, font_dir: Path
) -> None:
    pytest.importorskip("ray")
    fonts = [font_dir / "phagspa.ttf"]
    with pytest.raises(BadBundle):
        next(score_all_on_ray(fonts, Setup(tmp_path)))
    with pytest.raises(BadInput, match="The Ray cluster nonsense cannot be used"):
        next(score_all_on_ray(fonts, setup, "nonsense"))
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # but not listening
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(BadInput, match=f"There is no Ray cluster at {address}"):
            next(score_all_on_ray(fonts, setup, address))


def test_ray_is_imported_only_when_it_is_asked_for_and_its_absence_is_told(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from scoring.distributed import score_all_on_ray
from scoring.local import Setup
assert not {"ray", "pyarrow"} & set(sys.modules)
sys.modules["ray"] = None
try:
    next(score_all_on_ray([Path("a.ttf")], Setup(Path("bundle"))))
except Exception as error:
    print(type(error).__name__, error)
"""
    said = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert said == "BadInput The Ray engine is not installed. pip install 'glyphery[ray]'\n"
