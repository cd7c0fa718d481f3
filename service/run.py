"""Serving: one process under uvicorn, or several that share a port under uvicorn's supervisor."""

from __future__ import annotations

import errno
import logging.config
import math
import os
import shutil
import signal
import sys
import threading
import time
from asyncio import AbstractEventLoop
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property, partial
from multiprocessing import parent_process
from pathlib import Path
from socket import AI_PASSIVE, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET, getaddrinfo, socket
from tempfile import TemporaryDirectory
from typing import Any

import uvicorn
from prometheus_client.multiprocess import mark_process_dead
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import Process

from service import logs
from service.access import check_access
from service.app import create_app
from service.connections import connection_class
from service.errors import BadSettings
from service.models import Models
from service.settings import Settings
from service.sharing import Tally, keep_to_share, loop_that_shares

_KEEP_ALIVE = 30  # seconds an idle connection is kept: clients that ask again save the handshake
_DRAIN = 20  # seconds given to open requests at shutdown
_DEAF = 60  # seconds after which a process that does not answer its supervisor is replaced
_AGAIN = 10  # seconds from one try to replace a process to the next, where the former could not start
_MEMORY, _ROOM = "/dev/shm", 2**24  # a folder in memory, and bytes that are plenty for what processes share
log = logging.getLogger(__name__)


def serve(settings: Settings) -> None:
    """Serve until told to stop (SIGINT, SIGTERM; a single process SIGHUP, too), then finish what was begun.

    Raises:
        BadBundle, BadIndex, BadSettings: the bundles, the keys or the address cannot be used, or anybody on
            the network could ask and nobody said so; raised before anything listens.
    """
    check_access(settings)
    logging.config.dictConfig(_options(settings)["log_config"])  # what is said of loading belongs there too
    if settings.processes > 1:
        Models.load(settings.bundles, settings.device)  # each loads its own; here only to see that it can
        _check_address(settings.host, settings.port)
        _serve_from_several_processes(settings)
        return
    models = Models.load(settings.bundles, settings.device)
    _check_address(settings.host, settings.port)
    protocol = connection_class(settings.max_header_seconds)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # under nohup it is ignored, and stays so
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    uvicorn.run(partial(create_app, settings, models=models), http=protocol, **_options(settings))


def _check_address(host: str, port: int) -> None:
    """Raises BadSettings where nothing can listen there, of which uvicorn tells the system's words alone."""
    error = _trouble(host, port)
    if error is None:
        return
    other = "--port NUMBER or GLYPHERY_PORT=NUMBER"
    if error.errno == errno.EADDRINUSE:
        problem = f"Port {port} of {host} is in use."
        remedy = f"End what listens there, or choose another: {other}."
    elif error.errno == errno.EACCES:
        problem, remedy = (
            f"This user may not listen at port {port}.",
            f"Choose one from 1024 upwards: {other}.",
        )
    else:
        problem = f"Nothing can listen at {host}: {error.strerror}."
        remedy = "Give an address of this machine: --host ADDRESS or GLYPHERY_HOST=ADDRESS."
    raise BadSettings(problem, remedy)


def _trouble(host: str, port: int) -> OSError | None:
    """Why nothing can listen at any address of a host: without IPv6 one of localhost's works."""
    first: OSError | None = None
    try:
        for family, kind, protocol, _, address in getaddrinfo(host, port, type=SOCK_STREAM, flags=AI_PASSIVE):
            try:
                with socket(family, kind, protocol) as tried:
                    tried.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
                    tried.bind(address)
                    return None
            except OSError as error:
                first = first or error
    except OSError as error:  # nobody knows the name
        first = error
    return first


def _serve_from_several_processes(settings: Settings) -> None:
    with TemporaryDirectory(prefix="glyphery-", dir=_shared_place()) as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder  # read by the processes as they start
        try:
            config = _Config(settings.model_copy(update={"shared": Path(folder)}))
            supervisor = _Supervisor(config, [config.bind_socket()])
            supervisor.run()
        finally:
            del os.environ["PROMETHEUS_MULTIPROC_DIR"]
    if supervisor.failed:
        sys.exit(STARTUP_FAILURE)


def _shared_place() -> str | None:
    """Where the folder is made that processes share: in memory, or, where that has no room, with other
    temporary files. They map it, and a page for which a disk has no place kills the process that writes it.
    """
    with suppress(OSError):
        if os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free >= _ROOM:
            return _MEMORY
    return None


def _options(settings: Settings) -> dict[str, Any]:
    return {
        "factory": True,  # for what is said while the application is made belongs into the log
        "host": settings.host,
        "port": settings.port,
        "lifespan": "on",
        "ws": "none",
        "server_header": False,
        "access_log": False,  # ours says more
        "log_config": logs.configuration(settings.log_format, settings.log_level),
        "timeout_keep_alive": _KEEP_ALIVE,
        "timeout_graceful_shutdown": _DRAIN,
    }


class _Config(uvicorn.Config):
    """What every process serves; sent to each, which makes for itself what cannot be sent."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(
            partial(create_app, settings),
            workers=settings.processes,
            timeout_worker_healthcheck=_DEAF,
            **_options(settings),
        )
        assert settings.shared is not None
        self._header_seconds, self.shared = settings.max_header_seconds, settings.shared
        self._pin = settings.pin

    @cached_property
    def _tally(self) -> Tally:
        """Asked for by each process for the first time once it is one of its own."""
        return Tally(self.shared, self.workers)

    def get_loop_factory(self) -> Callable[[], AbstractEventLoop]:
        return loop_that_shares(self._tally)

    def load(self) -> None:
        threading.Thread(target=_end_with_supervisor, daemon=True).start()
        if self._pin:
            keep_to_share(self._tally.share, self.workers)
        self.http = connection_class(self._header_seconds, self._tally)
        super().load()


def _end_with_supervisor() -> None:
    """One that was killed cannot tell its processes, which would keep the port from the next."""
    supervisor = parent_process()
    assert supervisor is not None
    supervisor.join()
    signal.raise_signal(signal.SIGTERM)


class _Supervisor(Multiprocess):
    """Replaces processes that die; what a dead one last said of its state is forgotten.

    failed: whether one of the first could not start, whereupon none serves
    """

    def __init__(self, config: _Config, sockets: list[socket]) -> None:
        super().__init__(config, sockets)
        self.failed = False
        self._shared = config.shared
        self._first: list[Process] = []
        self._tried = -math.inf

    def init_processes(self) -> None:
        super().init_processes()
        self._first = list(self.processes)

    def keep_subprocess_alive(self) -> None:
        """In place of uvicorn's, which ends them all where one cannot take another's place, as while a bundle
        is away or the keys are broken. Here the others go on, and it is tried again.
        """
        if self.should_exit.is_set():
            return
        is_time = time.monotonic() >= self._tried + _AGAIN
        for place, process in enumerate(self.processes):
            # The child has its own. While this end is open, too, the death of a child that was just asked
            # whether it lives does not end the wait for its answer.
            process.child_conn.close()
            if process.is_alive(timeout=self.config.timeout_worker_healthcheck):
                continue
            process.kill()  # it may hang
            process.process.join()
            if process.exitcode == STARTUP_FAILURE and process in self._first:
                log.error("process %d could not start, and the service ends", process.pid)
                self.failed = True
                self.should_exit.set()
                return
            if process.exitcode == STARTUP_FAILURE and not is_time:
                continue
            log.error("process %d died; another takes its place", process.pid)
            if process.exitcode == STARTUP_FAILURE:  # it has counted nothing, and may be one of many
                for file in self._shared.glob(f"*_{process.pid}.db"):
                    file.unlink()
            self._tried = time.monotonic()
            self.processes[place] = Process(self.config, self.sockets)
            self.processes[place].start()
        living = {process.pid for process in self.processes if process.pid}
        # Files tell, too, of those that SIGHUP started and that never took another's place.
        said = {int(file.stem.rpartition("_")[2]) for file in self._shared.glob("gauge_live*_*.db")}
        for pid in said - living:
            mark_process_dead(pid)  # type: ignore[no-untyped-call]
