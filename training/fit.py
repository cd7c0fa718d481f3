"""Run a training: data, module, Lightning's trainer, and a folder that holds it all.

A run folder: run.json (configuration and dataset), metrics.jsonl, checkpoints/ (best.ckpt, last.ckpt
and one an epoch). Running the same folder again resumes it where it stopped.
"""

from __future__ import annotations

import json
import time
import warnings
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only

from glyphs.dataset.store import Dataset
from glyphs.errors import BadInput
from training.config import TrainConfig
from training.data import GlyphData
from training.module import GlyphModule


class JsonLines(Logger):
    """One JSON object a line: step, seconds since the start, and whatever was logged."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path, self._start = path, time.monotonic()

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


def train(dataset: Path, run: Path, config: TrainConfig, *, progress: bool = True) -> Path:
    """Train until the configured number of samples is drawn; returns the best checkpoint.

    Raises:
        BadInput: the folder holds a run of another configuration or dataset.
    """
    with Dataset.open(dataset) as opened:
        saved, this = run / "run.json", {"dataset": opened.digest, "config": config.to_dict()}
    if saved.exists() and json.loads(saved.read_text()) != this:
        raise BadInput(
            f"{run} holds a run of another configuration or dataset.",
            "Choose another --out, or remove the folder.",
        )
    run.mkdir(parents=True, exist_ok=True)
    saved.write_text(json.dumps(this, indent=1))
    L.seed_everything(config.seed, verbose=False)
    torch.set_float32_matmul_precision("high")
    data = GlyphData(dataset, config)
    module = GlyphModule(config, data)
    module.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    checkpoints = run / "checkpoints"
    last = checkpoints / "last.ckpt"
    keep = [
        ModelCheckpoint(checkpoints, "best", monitor="val_top1", mode="max", enable_version_counter=False),
        ModelCheckpoint(checkpoints, "epoch-{epoch:03d}", save_top_k=-1, save_last=True, every_n_epochs=1,
                        auto_insert_metric_name=False, enable_version_counter=False),
    ]  # fmt: skip
    trainer = L.Trainer(
        max_epochs=config.epochs, precision="bf16-mixed" if _has_bf16() else "32-true",
        gradient_clip_val=config.clip, logger=JsonLines(run / "metrics.jsonl"), log_every_n_steps=20,
        callbacks=[*keep, *([RichProgressBar()] if progress else [])],
        enable_progress_bar=progress, enable_model_summary=False, num_sanity_val_steps=0,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        trainer.fit(module, data, ckpt_path=str(last) if last.exists() else None)
    return checkpoints / "best.ckpt"


def _has_bf16() -> bool:
    """Whether bfloat16 is computed rather than emulated."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
