"""Run a training: data, module, Lightning's trainer, and a folder that holds it all.

A run folder: run.json (configuration and dataset), metrics.jsonl, checkpoints/ (best.ckpt, last.ckpt
and one an epoch). Running the same folder again resumes it where it stopped, unless it had come to its end.
"""

from __future__ import annotations

import json
import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import (
    Callback,
    EarlyStopping,
    LearningRateMonitor,
    ModelCheckpoint,
    RichProgressBar,
    WeightAveraging,
)
from lightning.pytorch.tuner.tuning import Tuner
from torch import Tensor

from glyphs.errors import BadInput
from glyphs.folders import put
from training.checkpoint import weights_of
from training.config import TrainConfig
from training.data import open_source
from training.data.module import GlyphData, favoured_families
from training.folder import Checkpoints, JsonLines, held, says, stopped
from training.models import create
from training.module import GlyphModule
from training.teacher import Teacher
from training.warm_start import Start, take_over


def train(
    dataset: Path,
    run: Path,
    config: TrainConfig,
    *,
    start: Start | None = None,
    teacher: Teacher | None = None,
    progress: bool = True,
) -> Path:
    """Train until the configured number of samples is drawn; returns the best checkpoint.

    start: weights to begin with, unless the folder holds a checkpoint to resume

    Raises:
        BadInput: the folder holds a run of another configuration or dataset, or cannot be written, or another
            process trains in it; or the weights do not fit, or the dataset lacks families that are favoured.
        BadDataset: there is nothing to train on.
        BadCheckpoint: the checkpoint to resume is broken.
        GlypheryError: training fell apart.
    """
    if run.exists() and not run.is_dir():
        raise BadInput(f"{run} is a file.", "Choose another --out.")
    with held(run):
        return _train(dataset, run, config, start, teacher, progress)


def _train(
    dataset: Path,
    run: Path,
    config: TrainConfig,
    start: Start | None,
    teacher: Teacher | None,
    progress: bool,
) -> Path:
    with open_source(dataset, colour=config.channels == 3) as source:
        saved, this = run / "run.json", {"dataset": source.digest, "config": config.to_dict()}
        if config.favoured:  # what the file says is part of the run, not its name alone
            this["favoured"] = sorted(favoured_families(source, config).tolist())
    checkpoints = run / "checkpoints"
    last = checkpoints / "last.ckpt"
    # Without a checkpoint there is nothing to resume: what failed at once may be mended in its folder.
    if last.exists() and saved.exists() and not says(saved, this):
        raise BadInput(
            f"{run} holds a run of another configuration or dataset.",
            "Choose another --out, or remove the folder.",
        )
    patience = EarlyStopping("val_top1", mode="max", patience=config.patience)
    if last.exists() and stopped(last, patience):
        return weights_of(run)
    data, module = prepare(dataset, config, teacher, None if last.exists() else start)
    put(json.dumps(this, indent=1).encode(), saved)
    callbacks: list[Callback] = [
        ModelCheckpoint(checkpoints, "best", monitor="val_top1", mode="max", enable_version_counter=False),
        ModelCheckpoint(checkpoints, "epoch-{epoch:03d}", save_top_k=-1, save_last=True, every_n_epochs=1,
                        auto_insert_metric_name=False, enable_version_counter=False),
        LearningRateMonitor(logging_interval="epoch"),
    ]  # fmt: skip
    if config.ema:
        callbacks.append(WeightAveraging(use_buffers=True, multi_avg_fn=partial(_average, config.ema)))
    if config.patience:
        callbacks.append(patience)
    if progress:
        callbacks.append(RichProgressBar(10, console_kwargs={"stderr": True}))  # stdout is for results
    with _quiet():
        trainer = L.Trainer(
            max_epochs=config.epochs, logger=JsonLines(run / "metrics.jsonl"), log_every_n_steps=20,
            callbacks=callbacks, plugins=[Checkpoints()], enable_progress_bar=progress,
            **trainer_options(config),
        )  # fmt: skip
        trainer.fit(module, data, ckpt_path=str(last) if last.exists() else None)
    return weights_of(run)


def find_learning_rate(
    dataset: Path,
    config: TrainConfig,
    plot: Path,
    *,
    start: Start | None = None,
    teacher: Teacher | None = None,
    steps: int = 100,
) -> float:
    """Lightning's learning-rate finder (Smith, "Cyclical Learning Rates", WACV 2017).

    Trains `steps` batches at rates from 1e-6 to 1, draws the loss over the rate as a picture to
    `plot`, and returns the suggestion: where the loss falls fastest.

    start: weights to begin with

    Raises:
        BadInput: the loss never fell, `plot` is of no kind that can be drawn, or the weights do not fit.
    """
    from matplotlib.backend_bases import FigureCanvasBase

    kinds = FigureCanvasBase.get_supported_filetypes()
    if plot.suffix[1:].lower() not in kinds:
        raise BadInput(f"{plot} names no kind of picture.", f"There are {', '.join(sorted(kinds))}.")
    data, module = prepare(dataset, config, teacher, start)
    with _quiet(), tempfile.TemporaryDirectory() as scratch:
        trainer = L.Trainer(
            default_root_dir=scratch, max_steps=steps, logger=False, enable_checkpointing=False,
            enable_progress_bar=False, **trainer_options(config),
        )  # fmt: skip
        found = Tuner(trainer).lr_find(
            module, datamodule=data, min_lr=1e-6, max_lr=1.0, num_training=steps, update_attr=False
        )
    suggestion = found.suggestion() if found is not None else None
    if found is None or suggestion is None:
        raise BadInput(
            "The loss fell at no learning rate.", "Give the search more data, or look at the model."
        )
    figure = found.plot(suggest=True)
    assert figure is not None
    figure.axes[0].set_title(f"{config.model}: loss over learning rate; suggested {suggestion:.1e}")
    plot.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(plot, dpi=120, bbox_inches="tight")
    return float(suggestion)


def prepare(
    dataset: Path, config: TrainConfig, teacher: Teacher | None = None, start: Start | None = None
) -> tuple[GlyphData, GlyphModule]:
    """Data and a model, fresh or with the weights of `start`, both set by the configuration's seed."""
    L.seed_everything(config.seed, verbose=False)
    torch.set_float32_matmul_precision("high")
    with torch.device("meta"):  # a model that cannot be made is refused before data are waited for
        create(config.model, labels=2, channels=config.channels, size=config.size, options=config.options)
    data = GlyphData(dataset, config)
    module = GlyphModule(config, data, teacher)
    module.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if start is not None:
        take_over(module.model, data.vocabulary.classes, start, data.batches())
    return data, module


def trainer_options(config: TrainConfig) -> dict[str, Any]:
    """What the configuration asks of Lightning's trainer, whatever the trainer is for."""
    auto = "bf16-mixed" if _has_bf16() else "32-true"
    return {
        "precision": auto if config.precision == "auto" else config.precision,
        "gradient_clip_val": config.clip,
        "accumulate_grad_batches": config.accumulate,
        "devices": config.devices,
        "strategy": "ddp" if config.devices > 1 else "auto",
        "sync_batchnorm": config.devices > 1 and torch.cuda.is_available(),
        # Our sampler shares a batch out itself: partners must stay together.
        "use_distributed_sampler": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
    }


def _average(decay: float, averages: list[Tensor], currents: list[Tensor], updates: Tensor) -> None:
    """An exponential moving average, in place, that forgets its start.

    The decay grows as (1 + n) / (10 + n): with the full decay from the first step, a batch
    normalisation would carry the variance it was initialised with for thousands of steps.
    """
    if averages[0].is_floating_point():
        decay = min(decay, (1 + int(updates)) / (10 + int(updates)))
        torch._foreach_lerp_(averages, currents, 1 - decay)
    else:
        torch._foreach_copy_(averages, currents)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Lightning's advice: on workers it counts cores, and not what drawing costs."""
    log = logging.getLogger("lightning.pytorch")
    before = log.level
    log.setLevel(logging.WARNING)
    with warnings.catch_warnings():
        for advice in (".*not have many workers.*", ".*than the logging interval.*", ".*LeafSpec.*"):
            warnings.filterwarnings("ignore", message=advice)
        try:
            yield
        finally:
            log.setLevel(before)


def _has_bf16() -> bool:
    """Whether bfloat16 is computed rather than emulated.

    oneDNN calls it supported on any AVX-512, where it trains at less than half the rate of float32.
    """
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    has = torch.cpu.get_capabilities()
    return any(has.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
