"""A run's folder: who may train in it, what is logged there, and its checkpoints."""

from __future__ import annotations

import errno
import fcntl
import io
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.plugins.io import TorchCheckpointIO
from lightning.pytorch.utilities import rank_zero_only

from glyphs.errors import BadCheckpoint, BadInput
from glyphs.folders import put, written
from training.checkpoint import read


@contextmanager
def held(run: Path) -> Iterator[None]:
    """A run's folder for this process and those it shares batches with; what was made for it is gone again
    where nothing was put into it.

    Raises:
        BadInput: it cannot be written, or another process trains in it.
    """
    if rank_zero_only.rank:  # type: ignore[attr-defined]  # the first of those processes holds it for all
        yield
        return
    made = [folder for folder in (run, *run.parents) if not folder.exists()]
    lock = run / ".lock"
    with written(run):
        run.mkdir(parents=True, exist_ok=True)
        file = lock.open("w")
    with file:
        try:
            # Not flock: workers would inherit it, and hold it until they notice that a run was killed.
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:  # of others, that there are no locks on this file system
            if error.errno in (errno.EACCES, errno.EAGAIN):
                raise BadInput(
                    f"Another process trains in {run}.", "Wait for it, or choose another --out."
                ) from None
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)
            with suppress(OSError):  # there is something in it
                for folder in made:
                    folder.rmdir()


class JsonLines(Logger):
    """One JSON object a line: step, seconds since the start, and whatever was logged."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path, self._start = path, time.monotonic()
        self._end_line()

    @rank_zero_only
    def _end_line(self) -> None:
        """Of a run that was killed, or the disk full, the last line may have broken off."""
        with self._path.open("a+b") as file:
            if file.tell():
                file.seek(-1, io.SEEK_END)
                if file.read() != b"\n":
                    file.write(b"\n")

    @property
    def name(self) -> str:
        return self._path.parent.name

    @property
    def version(self) -> str:
        return ""

    @rank_zero_only
    def log_hyperparams(self, *_: Any, **__: Any) -> None:
        """The configuration is a file of its own."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        line = {"step": step, "seconds": round(time.monotonic() - self._start, 1)}
        with self._path.open("a") as file:
            file.write(
                json.dumps(line | {key: round(float(value), 6) for key, value in metrics.items()}) + "\n"
            )


class Checkpoints(TorchCheckpointIO):
    """Writes a checkpoint beside its place and then puts it there, so that a whole one is always to be had.

    Lightning writes in TMPDIR: where that is another file system, it then copies over the one there is.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Raises OSError where it cannot be written."""
        content = io.BytesIO()  # writing to a file, torch makes a RuntimeError of a full disk
        torch.save(checkpoint, content)
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        put(content.getbuffer(), path)


def stopped(last: Path, patience: EarlyStopping) -> bool:
    """Whether the run of a checkpoint was stopped by `patience`: Lightning would go on with it.

    Raises:
        BadCheckpoint: it is broken, or not enough to go on from.
    """
    remedy = "Copy the newest epoch-*.ckpt that is whole over it, or remove it to begin anew."
    content = read(last, remedy)
    if missing := {"callbacks", "loops", "optimizer_states", "state_dict"} - content.keys():
        raise BadCheckpoint(f"{last} cannot be gone on from: it has no {min(missing)}.", remedy)
    state = content["callbacks"].get(patience.state_key)  # none where the run has no patience
    return state is not None and bool(state["wait_count"] >= patience.patience)


def says(saved: Path, run: dict[str, Any]) -> bool:
    """Whether a run.json is that of a run."""
    try:
        known = json.loads(saved.read_text())
    except ValueError:
        return False
    return bool(known == json.loads(json.dumps(run)))  # through JSON, which knows no tuples
