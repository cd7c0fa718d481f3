"""Scoring fonts on a Ray cluster: Ray Data hands them out one by one and gives the scores back in order.

Workers read the fonts themselves, so that the driver sees names and scores only. Nodes need glyphery
and ray, nothing else: a bundle that is not on a node is sent to it once. A font whose worker dies is
given to another, but not for ever: one that no worker survives gets an ERROR verdict.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from glyphs.errors import BadBundle, BadFont, BadInput, GlypheryError
from glyphs.processes import affinity
from recognition.bundle import MANIFEST, Bundle, in_precision
from scoring import places
from scoring.local import DEADLY, Setup
from scoring.places import Place
from scoring.score import unreadable
from scoring.verdicts import FontScore

_TRIES = 4  # of a font; when so many workers have died at it, it is likely the font
_HOST_AND_PORT = re.compile(r"(ray://)?(?P<host>[^/]+):(?P<port>\d+)/?")
_QUIET = {
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # or it warns about GPUs, which are not used
}


def score_all_on_ray(
    fonts: Sequence[Place], setup: Setup, address: str | None = None, workers: int | None = None
) -> Iterator[FontScore]:
    """The scores of fonts, in their order, the same as `scoring.local.score_all` gives.

    fonts: files, and addresses; `scoring.places.find` lists folders of them
    address: of the cluster; by default that of RAY_ADDRESS, or one that is started here and then ended
    workers: processes with a model each, of one processor; by default as many as the cluster has processors

    Raises:
        BadInput: ray is not installed, or there is no such cluster.
        BadBundle: the bundle cannot be used.
        GlypheryError: the cluster cannot do it.
    """
    ray = _ray()
    shipped = _Shipment.of(setup)  # a broken bundle is an error here rather than on every node
    if not fonts:
        return
    with _cluster(ray, address, workers):
        from ray.exceptions import RayError

        crew = min(len(fonts), workers or max(1, int(ray.cluster_resources().get("CPU", 1))))
        try:
            tries = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(_Tries).remote(_TRIES)
            yield from _scores(fonts, shipped.put(ray), tries, crew)
        except RayError as error:
            *_, last = str(error).strip().splitlines() or [type(error).__name__]
            raise GlypheryError(
                f"The Ray cluster cannot score: {last}",
                "Every node needs the versions of Python, ray and glyphery that are used here.",
            ) from None


def _ray() -> Any:
    # Read when ray is imported, and by what it starts. Nothing is reported to anybody.
    os.environ |= _QUIET | {key: os.environ[key] for key in _QUIET if key in os.environ}
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        import ray
        import ray.data
    except ImportError:
        raise BadInput("The Ray engine is not installed.", "pip install 'glyphery[ray]'") from None
    return ray


@contextmanager
def _cluster(ray: Any, address: str | None, workers: int | None) -> Iterator[None]:
    """A connection to a cluster, unless the process has one."""
    for logger in ("ray", "ray.data"):  # whose progress is told by the scores that come
        logging.getLogger(logger).setLevel(logging.ERROR)
    if ray.is_initialized():
        yield
        return
    wanted = address or os.environ.get("RAY_ADDRESS") or "local"
    local: dict[str, Any] = {}
    if wanted == "local":
        local = {
            "num_cpus": max(workers or 0, affinity()),
            "include_dashboard": False,
        }
    elif found := _HOST_AND_PORT.fullmatch(wanted):  # ray itself would go on asking for minutes
        try:
            socket.create_connection((found["host"].strip("[]"), int(found["port"])), timeout=10).close()
        except (OSError, OverflowError) as error:
            raise BadInput(f"There is no Ray cluster at {wanted}: {error}.") from None
    try:
        with _sigterm_kept(), _obedience_unsaid():
            ray.init(wanted, log_to_driver=False, logging_level=logging.ERROR, **local)
    except (ConnectionError, RuntimeError, ValueError) as error:
        first, *_ = str(error).splitlines()
        raise BadInput(f"The Ray cluster {wanted} cannot be used: {first}") from None
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _sigterm_kept() -> Iterator[None]:
    """Have SIGTERM do what it did: ray takes it for itself, and ends a program before it has cleared away."""
    former = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit:  # ray's answer to one that came meanwhile, by its own exit codes
        if callable(former):
            former(signal.SIGTERM, None)
        raise
    finally:
        if threading.current_thread() is threading.main_thread():  # no other may set it, ray neither
            signal.signal(signal.SIGTERM, former)


@contextmanager
def _obedience_unsaid() -> Iterator[None]:
    """Leave out of stderr the line in which ray's core says, before it is quiet, that it was told to be so.
    What else comes on stderr follows afterwards.
    """
    if sys.stderr is None:  # closed, and descriptor 2 may be anything
        yield
        return
    with tempfile.TemporaryFile() as said:
        stderr = os.dup(2)
        os.dup2(said.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            said.seek(0)
            os.write(2, b"".join(line for line in said if b"RAY_BACKEND_LOG_LEVEL" not in line))


def _scores(fonts: Sequence[Place], shipped: _Shipment, tries: Any, crew: int) -> Iterator[FontScore]:
    from ray.data import ActorPoolStrategy, DataContext, from_items

    context = DataContext.get_current().copy()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    rows = [
        {
            "number": number,
            "name": places.name(font),
            "path": isinstance(font, Path),
            "place": _anywhere(font),
        }
        for number, font in enumerate(fonts)
    ]
    with DataContext.current(context):
        scores = from_items(rows, override_num_blocks=len(rows)).map(
            _Worker,
            fn_constructor_args=(shipped, tries),
            compute=ActorPoolStrategy(size=crew, max_tasks_in_flight_per_actor=2),
            num_cpus=1,
        )
        # Ray Data restarts workers that die, and gives what they were at to others, without end.
        for row in scores.iter_rows():
            yield FontScore.from_json(row["score"])


def _anywhere(font: Place) -> str:
    """What means the same in another process, which may work in another folder."""
    return str(font.absolute()) if isinstance(font, Path) else font


class _Tries:
    """How often each font was begun; an actor of its own, for it must outlive workers."""

    def __init__(self, most: int) -> None:
        self._most, self._begun = most, Counter[int]()

    def begin(self, number: int) -> bool:
        """Whether one more try is worth it."""
        self._begun[number] += 1
        return self._begun[number] <= self._most


class _Worker:
    """What a process of the cluster holds: a model, and its sandbox."""

    def __init__(self, shipped: _Shipment, tries: Any) -> None:
        self._tries = tries
        self._scorer = shipped.unpack().scorer()

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        import ray

        font = Path(row["place"]) if row["path"] else row["place"]
        try:
            if not ray.get(self._tries.begin.remote(row["number"])):
                raise BadFont(DEADLY)
            score = self._scorer.score(row["name"], places.read(font))
        except BadFont as error:
            score = FontScore(font=row["name"], sha256="", findings=(unreadable(error),))
        return {"score": score.to_json()}


@dataclass(frozen=True, slots=True)
class _Shipment:
    """A setup for other machines: its bundle by digest, and where in the cluster its files are."""

    setup: Setup
    digest: str
    variant: str
    files: Any = None

    @classmethod
    def of(cls, setup: Setup) -> _Shipment:
        bundle = Bundle.load(setup.bundle)
        keep = setup.keep and setup.keep.absolute()
        setup = replace(setup, bundle=bundle.address.absolute(), keep=keep)
        return cls(setup, bundle.digest, bundle.variant)

    def put(self, ray: Any) -> _Shipment:
        """Store the files in the cluster; nodes fetch them only where they have to."""
        bundle = Bundle.load(self.setup.bundle)
        names = [MANIFEST, *bundle.manifest.files]
        return replace(self, files=ray.put({name: (bundle.path / name).read_bytes() for name in names}))

    def unpack(self) -> Setup:
        """The setup with a bundle that is on this machine: in its own place, as in an image or a shared
        folder, or in one of ours.
        """
        own = _folder() / self.digest.removeprefix("sha256:")
        address = in_precision(own, self.variant)
        for path in (self.setup.bundle, address):
            if self._is(path):
                return replace(self.setup, bundle=path)
        import ray

        with tempfile.TemporaryDirectory(dir=own.parent, ignore_cleanup_errors=True) as work:
            made = Path(work, "bundle")
            made.mkdir()
            for name, content in ray.get(self.files).items():
                (made / name).write_bytes(content)
            try:
                made.rename(own)
            except OSError:  # another worker was quicker, or what was there is broken
                if not self._is(address):
                    own.rename(Path(work, "broken"))
                    made.rename(own)
        return replace(self.setup, bundle=address)

    def _is(self, path: Path) -> bool:
        try:
            return Bundle.load(path).digest == self.digest
        except BadBundle:
            return False


def _folder() -> Path:
    """Of bundles that were sent here; nobody else may write to it, or what was checked might change."""
    folder = Path(tempfile.gettempdir(), f"glyphery-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if status.st_uid != os.getuid() or status.st_mode & 0o077 or folder.is_symlink():
        return Path(tempfile.mkdtemp(prefix="glyphery-"))
    return folder
