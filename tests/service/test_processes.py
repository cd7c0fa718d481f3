"""One process and several, under load, when they are killed and when they are told to stop."""

import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from recognition.bundle import Bundle, seal
from service.keys import new_key
from service.settings import Settings, usable_cpus
from tests.service.waits import eventually

ROOT = Path(__file__).resolve().parents[2]
_ONE_OF_EACH = {"GLYPHERY_EXECUTORS": "1", "GLYPHERY_PROCESSES": "1"}


class Service:
    """`glyphery serve` in a process of its own, with what it has logged so far."""

    def __init__(self, process: subprocess.Popen) -> None:
        self.process = process
        self._lines: list[str] = []
        self._reader = threading.Thread(target=lambda: self._lines.extend(process.stderr), daemon=True)
        self._reader.start()

    @property
    def log(self) -> str:
        return "".join(self._lines)

    @property
    def port(self) -> int:
        return int(self.wait_for(r"running on http://\S+?:(\d+)")[0])

    @property
    def workers(self) -> list[int]:
        """Ids of the processes that ever served."""
        return [int(pid) for pid in re.findall(r"Started server process \[(\d+)\]", self.log)]

    def wait_for(self, pattern: str, times: int = 1) -> list[str]:
        until = time.monotonic() + 60
        while len(found := re.findall(pattern, self.log)) < times:
            assert self.process.poll() is None, self.log
            assert time.monotonic() < until, self.log
            time.sleep(0.02)
        return found

    def end(self) -> int:
        """Its exit status, once it has ended by itself."""
        status = self.process.wait(40)
        self._reader.join(5)
        return status


@contextmanager
def serving(bundle: Path, temporary: Path, *options: str, **environment: str) -> Iterator[Service]:
    process = subprocess.Popen(
        [sys.executable, "-m", "glyphery", "serve", "--bundle", str(bundle), "--port", "0", *options],
        cwd=ROOT, env=os.environ | _ONE_OF_EACH | {"TMPDIR": str(temporary)} | environment,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    service = Service(process)
    try:
        service.wait_for("Application startup complete")
        yield service
    finally:
        if process.poll() is None:  # a test has failed
            process.terminate()
            service.end()
        process.stderr.close()


class Clients:
    """Threads that ask again and again and keep count of what becomes of it."""

    def __init__(self, port: int, body: bytes, number: int) -> None:
        self.counts: Counter[str] = Counter()
        self._port, self._body, self._stop = port, body, threading.Event()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(number)]
        for thread in self._threads:
            thread.start()

    def wait_for_more(self, answers: int) -> None:
        until, before = time.monotonic() + 30, self.counts["200"]
        while self.counts["200"] < before + answers:
            assert time.monotonic() < until, self.counts
            time.sleep(0.01)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def _ask(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        while not self._stop.is_set():
            try:
                connection.request("POST", "/classify?k=1", self._body)
                response = connection.getresponse()
            except (ConnectionError, http.client.RemoteDisconnected):  # no answer, not even a part of one
                self.counts["closed"] += 1
                connection.close()
                time.sleep(0.01)
                continue
            try:
                response.read()
            except (ConnectionError, http.client.HTTPException):
                self.counts["half"] += 1
                connection.close()
            else:
                self.counts[str(response.status)] += 1
        connection.close()


def numbers(port: int) -> dict[str, float]:
    """Of all processes, by name and by the values of labels."""
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_process_that_is_killed_under_load_is_replaced_and_the_service_goes_on(bundle, picture, tmp_path):
    with serving(bundle, tmp_path, "--processes", "2") as service:
        service.wait_for("Application startup complete", 2)
        port = service.port
        clients = Clients(port, picture("98"), 6)
        clients.wait_for_more(30)
        os.kill(service.workers[0], signal.SIGKILL)
        clients.wait_for_more(30)
        service.wait_for("Application startup complete", 3)
        clients.wait_for_more(30)
        clients.stop()
        # Each client has one request open at most, and may have found its connection closed behind it.
        assert set(clients.counts) <= {"200", "closed"}
        assert clients.counts["closed"] <= 2 * 6
        assert len(set(service.workers)) == 3

        eventually(lambda: numbers(port)["glyphery_executors"] == 2)  # the dead one's is forgotten
        eventually(lambda: numbers(port)["glyphery_ready"] == 1)
        found = numbers(port)
        # What the dead one had answered still counts.
        answered = found["glyphery_requests_total /classify POST 200"]
        assert clients.counts["200"] <= answered + 6
        assert found["glyphery_glyphs_recognised_total stars"] >= answered
        assert [value for name, value in found.items() if name.startswith("glyphery_model_info ")] == [1]
        folder = shared_by(service)
        assert len(list(folder.glob("*.db"))) > 0

        service.process.send_signal(signal.SIGTERM)
        assert service.end() == 0
        assert not any(alive(pid) for pid in service.workers)
        assert not folder.exists()
        assert "Traceback" not in service.log


def shared_by(service: Service) -> Path:
    """The folder that the processes of a service have in common."""
    variables = Path(f"/proc/{service.workers[-1]}/environ").read_bytes().split(b"\0")
    return Path(
        os.fsdecode(dict(each.partition(b"=")[::2] for each in variables)[b"PROMETHEUS_MULTIPROC_DIR"])
    )


def test_a_full_disk_for_temporary_files_ends_no_process(bundle, picture, small_disk):
    if shutil.disk_usage("/dev/shm").free < 2**25:
        pytest.skip("there is no room in memory")
    with serving(bundle, small_disk, "--processes", "2") as service:
        service.wait_for("Application startup complete", 2)
        with (small_disk / "filler").open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(4096))
        for path in ("/classify", "/embed", "/similar", "/primitives", "/healthz", "/models", "/jobs") * 8:
            url = f"http://127.0.0.1:{service.port}{path}"  # whose numbers take pages more
            assert httpx.post(url, content=picture("98"), trust_env=False).status_code < 500
        service.process.send_signal(signal.SIGTERM)
        assert service.end() == 0
        assert len(service.workers) == 2


def test_where_no_process_can_take_anothers_place_the_others_go_on_until_one_can(bundle, tmp_path):
    file = tmp_path / "keys"
    token, key = new_key("press")
    file.write_text(f"{key}\n", encoding="utf-8")
    with serving(bundle, tmp_path, "--processes", "2", "--keys", str(file)) as service:
        service.wait_for("Application startup complete", 2)
        file.write_text("not a key\n", encoding="utf-8")
        os.kill(service.workers[0], signal.SIGKILL)
        service.wait_for("Application startup failed", 2)  # it is tried again
        url, headers = f"http://127.0.0.1:{service.port}/models", {"X-API-Key": token}
        assert httpx.get(url, headers=headers, trust_env=False).status_code == 200
        file.write_text(f"{key}\n", encoding="utf-8")
        service.wait_for("Application startup complete", 3)
        assert alive(service.workers[1])
        # Nothing stays of those that could not start: they may be many.
        eventually(
            lambda: len({file.stem.rpartition("_")[2] for file in shared_by(service).glob("*.db")}) <= 3
        )
        service.process.send_signal(signal.SIGTERM)
        assert service.end() == 0


def test_a_restart_that_fails_is_forgotten(bundle, tmp_path):
    away = tmp_path / "away"
    mine = Path(shutil.copytree(bundle, tmp_path / "mine"))
    with serving(mine, tmp_path, "--processes", "2") as service:
        service.wait_for("Application startup complete", 2)
        mine.rename(away)
        service.process.send_signal(signal.SIGHUP)
        service.wait_for("aborting the restart")
        away.rename(mine)
        eventually(lambda: numbers(service.port)["glyphery_ready"] == 1)
        service.process.send_signal(signal.SIGTERM)
        assert service.end() == 0


def test_processes_end_with_the_one_that_supervises_them(bundle, tmp_path):
    with serving(bundle, tmp_path, "--processes", "2") as service:
        service.wait_for("Application startup complete", 2)
        folder, port = shared_by(service), service.port

        def is_free() -> bool:
            with socket.socket() as another, suppress(OSError):
                another.bind(("127.0.0.1", port))
                return True
            return False

        assert not is_free()
        service.process.kill()
        try:
            eventually(is_free)
        finally:  # or they would keep the log open, for which others wait
            for pid in service.workers:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        service.end()
        shutil.rmtree(folder)


def test_a_process_that_dies_before_it_answers_its_supervisor_is_replaced_at_once(bundle, tmp_path):
    with serving(bundle, tmp_path, "--processes", "2") as service:
        service.wait_for("Application startup complete", 2)
        os.kill(service.workers[1], signal.SIGSTOP)
        time.sleep(1.5)  # by now it was asked; an answer would be waited for as long as the next line waits
        os.kill(service.workers[1], signal.SIGKILL)
        service.wait_for("Application startup complete", 3)
        service.process.send_signal(signal.SIGTERM)
        assert service.end() == 0


def test_processes_are_replaced_one_after_the_other_when_asked_and_nobody_notices(bundle, picture, tmp_path):
    with serving(bundle, tmp_path, "--processes", "2") as service:
        service.wait_for("Application startup complete", 2)
        for pid in service.workers:  # matrix products take no threads beside the executors'
            assert b"OMP_NUM_THREADS=1" in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        clients = Clients(service.port, picture("98"), 4)
        clients.wait_for_more(10)
        service.process.send_signal(signal.SIGHUP)
        service.wait_for("Finished server process", 2)
        clients.wait_for_more(10)
        clients.stop()
        assert set(clients.counts) <= {"200", "closed"}  # kept connections are closed between two requests
        assert len(set(service.workers)) == 4
        eventually(lambda: numbers(service.port)["glyphery_executors"] == 2)
        service.process.send_signal(signal.SIGTERM)
        assert service.end() == 0


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_service_told_to_stop_under_load_gives_no_half_answers(bundle, picture, tmp_path, processes):
    with serving(bundle, tmp_path, "--processes", processes) as service:
        service.wait_for("Application startup complete", int(processes))
        clients = Clients(service.port, picture("98"), 12)
        clients.wait_for_more(50)
        service.process.send_signal(signal.SIGTERM)
        assert service.end() in (0, -signal.SIGTERM)
        clients.stop()
        assert set(clients.counts) <= {"200", "closed"}
        assert "Traceback" not in service.log


def test_a_full_disk_costs_the_log_and_no_answer(bundle, picture):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with Path("/dev/full").open("w") as full:
        process = subprocess.Popen(
            [sys.executable, "-m", "glyphery", "serve", "--bundle", str(bundle), "--port", str(port)],
            cwd=ROOT, stdout=full, stderr=full,
        )  # fmt: skip
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:

            def is_ready() -> bool:
                assert process.poll() is None
                with suppress(httpx.TransportError):
                    return client.get("/readyz").status_code == 200
                return False

            eventually(is_ready)
            for _ in range(5):
                assert client.post("/classify", content=picture("98")).status_code == 200
                assert client.post("/classify", content=b"no picture").status_code == 415
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) in (0, -signal.SIGTERM)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def test_a_port_in_use_ends_it_with_a_status_and_a_line(bundle, tmp_path):
    with serving(bundle, tmp_path) as service:
        command = [sys.executable, "-m", "glyphery", "serve", "--bundle", str(bundle)]
        done = subprocess.run(
            [*command, "--port", str(service.port), "--processes", "2"],
            cwd=ROOT, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode != 0
        assert "in use" in done.stderr
        assert "Traceback" not in done.stderr
        service.process.send_signal(signal.SIGTERM)
        service.end()


def test_processes_share_the_processors_among_them():
    assert Settings().processes * Settings().executors <= usable_cpus()
    assert Settings(device="cuda").processes == Settings(device="tensorrt").processes == 1
    assert Settings(processes=1).executors == usable_cpus()
    assert Settings(processes=64).executors == max(1, usable_cpus() // 64)
    assert Settings(processes=64, executors=3).executors == 3


def test_a_model_loaded_in_one_process_is_served_by_all_and_by_their_successors(bundle, picture, tmp_path):
    token, key = new_key("boss", admin=True)
    (tmp_path / "keys").write_text(f"{key}\n", encoding="utf-8")
    other = shutil.copytree(bundle, tmp_path / "other")
    seal(other, replace(Bundle.load(bundle).manifest, version="2.0"))
    with serving(bundle, tmp_path, "--processes", "2", "--keys", str(tmp_path / "keys")) as service:
        service.wait_for("Application startup complete", 2)
        url, headers = f"http://127.0.0.1:{service.port}", {"X-API-Key": token}

        def versions() -> set[str]:  # each on a connection of its own, which any process may take
            return {
                httpx.get(f"{url}/models", headers=headers, trust_env=False).json()["models"][0]["version"]
                for _ in range(20)
            }

        loaded = httpx.post(
            f"{url}/admin/models/stars/load", json={"path": str(other)}, headers=headers, trust_env=False,
            timeout=60,
        )  # fmt: skip
        assert loaded.json()["version"] == "2.0"
        eventually(lambda: versions() == {"2.0"})
        os.kill(service.workers[0], signal.SIGKILL)
        service.wait_for("Application startup complete", 3)
        assert versions() == {"2.0"}
        service.process.send_signal(signal.SIGTERM)
        assert service.end() == 0


def sockets_of(pid: int) -> int:
    found = 0
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            found += os.readlink(file).startswith("socket:")
    return found


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no system that tells open files")
def test_processes_have_as_many_connections_and_keep_to_processors_of_their_own(bundle, tmp_path):
    with serving(bundle, tmp_path, "--processes", "2", GLYPHERY_PIN="true") as service:
        service.wait_for("Application startup complete", 2)
        before = {pid: sockets_of(pid) for pid in service.workers}
        made = [socket.create_connection(("127.0.0.1", service.port), timeout=10) for _ in range(8)]
        eventually(lambda: sum(sockets_of(pid) - before[pid] for pid in before) == 8)
        more = [sockets_of(pid) - before[pid] for pid in before]
        assert min(more) >= 3, more  # four, but that one may be slow for a moment
        for connection in made:
            connection.close()
        mine = os.sched_getaffinity(0)
        first, second = (os.sched_getaffinity(pid) for pid in service.workers)
        if len(mine) % 2 == 0:
            assert (first | second, first & second) == (mine, set())
        else:
            assert first == second == mine
