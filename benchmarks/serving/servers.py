"""Starting a server as a process of its own, waiting until it answers, and ending it with its children."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.serving.load import HOST

ROOT = Path(__file__).parents[2]
_PATIENCE = 120.0  # seconds that a server may take to start
_SILENCE = 60.0  # seconds that a server may take to answer a single request
_PAUSE = 0.1  # seconds between two attempts
_GRACE = 5.0  # seconds between being asked to end and being made to


class NotMeasured(Exception):
    """Something that could not be measured; the message says why, in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """How to start a server.

    command: its command line, for a port
    environment: variables besides those of this process, for a port
    probe: a request that it answers with 200 as soon as it is ready
    """

    command: Callable[[int], Sequence[str]]
    environment: Callable[[int], Mapping[str, str]] = field(default=lambda port: {})
    probe: bytes


@dataclass(frozen=True, slots=True)
class Running:
    port: int
    pid: int

    def resident(self) -> float:
        """Resident memory of the server with all its children, MiB."""
        return sum(map(_resident, {self.pid, *_descendants(self.pid)}))

    def computed(self) -> float:
        """Seconds that processors have spent on the server with all its children."""
        return sum(map(_computed, {self.pid, *_descendants(self.pid)}))

    def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body."""
        return ask(self.port, request)


@contextmanager
def running(server: Server, log: Path) -> Iterator[Running]:
    """The server at work, until the block ends.

    log: file for what it prints

    Raises:
        NotMeasured: it ends before it answers, or does not answer in time.
    """
    port = _free_port()
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | dict(server.environment(port))
    with log.open("wb") as out:
        process = subprocess.Popen(
            server.command(port), stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            env=environment, cwd=ROOT, start_new_session=True,
        )  # fmt: skip
    try:
        _wait(server, port, process, log)
        yield Running(port, process.pid)
    finally:
        _end(process)


def ask(port: int, request: bytes) -> tuple[int, bytes]:
    """Status and body of the answer to a whole request."""
    with socket.create_connection((HOST, port), timeout=_SILENCE) as connection:
        connection.sendall(request)
        response = http.client.HTTPResponse(connection)
        response.begin()
        return response.status, response.read()


def _wait(server: Server, port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _PATIENCE
    said = "no connection"
    while time.monotonic() < until:
        if process.poll() is not None:
            raise NotMeasured(f"It ended with {process.returncode}: {_last_line(log)}")
        with contextlib.suppress(OSError, http.client.HTTPException):
            status, body = ask(port, server.probe)
            if status == 200:
                return
            said = f"{status} {body[:120]!r}"
        time.sleep(_PAUSE)
    raise NotMeasured(f"It did not answer within {_PATIENCE:.0f} s, at last: {said}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the server to end, then whatever children it leaves behind; who does not is made to."""
    family = _descendants(process.pid)
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE)
    _signal(family, signal.SIGTERM)
    until = time.monotonic() + _GRACE
    while any(map(_lives, family)) and time.monotonic() < until:
        time.sleep(_PAUSE)
    _signal({process.pid, *family}, signal.SIGKILL)
    process.wait()


def _signal(pids: Iterable[int], which: signal.Signals) -> None:
    for pid in filter(_lives, pids):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, which)


def _descendants(pid: int) -> set[int]:
    """Children of a process, their children, and so on."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and (parent := _parent(int(entry.name))) is not None:
            children.setdefault(parent, []).append(int(entry.name))
    found: set[int] = set()
    new = [pid]
    while new:
        new = [child for parent in new for child in children.get(parent, ()) if child not in found]
        found.update(new)
    return found


def _stat(pid: int) -> list[str]:
    """What the system says of a process, from its state on; nothing of one that is gone."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _parent(pid: int) -> int | None:
    """None of a process that is gone, or has ended and waits for its parent to notice."""
    found = _stat(pid)
    return int(found[1]) if found and found[0] != "Z" else None


def _computed(pid: int) -> float:
    in_user, in_system = _stat(pid)[11:13] or (0, 0)
    return (int(in_user) + int(in_system)) / os.sysconf("SC_CLK_TCK")


def _lives(pid: int) -> bool:
    return _parent(pid) is not None


def _resident(pid: int) -> float:
    try:
        found = re.search(r"^VmRSS:\s+(\d+) kB", (Path("/proc") / str(pid) / "status").read_text(), re.M)
    except OSError:
        return 0.0
    return int(found[1]) / 1024 if found else 0.0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1][:200] if lines else "it said nothing"
