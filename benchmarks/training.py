"""How fast training runs, drawing and augmentation included, and how fast drawing is by itself.

The loader must not be the limit: it is measured alone, one process, against the training that it
feeds in the same run. On a GPU host the same command measures the GPU. Run:
`python -m benchmarks.training`.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import lightning as L
import torch
import typer

from glyphery import show
from training.data.module import GlyphData
from training.fit import prepare, trainer_options
from training.presets import PRESETS

_WARM_UP = 10  # batches that are not counted


class _Clock(L.Callback):
    def __init__(self) -> None:
        self.start = self.end = 0.0

    def on_train_batch_end(
        self, trainer: L.Trainer, module: Any, outputs: Any, batch: Any, number: int
    ) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.end = time.perf_counter()
        if number + 1 == _WARM_UP:
            self.start = self.end


def _loader_rate(data: GlyphData, batches: int) -> float:
    loader = iter(data.train_dataloader())
    next(loader)
    start, drawn = time.perf_counter(), 0
    for _ in range(batches):
        drawn += len(next(loader)["label"])
    return drawn / (time.perf_counter() - start)


def _main(
    dataset: Annotated[Path, typer.Option(help="Any data that training reads.")] = Path("runs/glyphs.db"),
    preset: Annotated[str, typer.Option(help="Preset.")] = "default",
    model: Annotated[list[str] | None, typer.Option(help="Models; the preset's by default.")] = None,
    batch: Annotated[int, typer.Option(help="Batch size.")] = 256,
    batches: Annotated[int, typer.Option(help="Batches that are counted.")] = 60,
    workers: Annotated[int, typer.Option(help="Processes that draw.")] = 1,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Images a second of the loader alone and of training."""
    total = (batches + _WARM_UP) * batch
    base = replace(
        PRESETS[preset].config, batch=batch, workers=workers, samples=total, epoch_samples=total, ema=0.0
    )
    rows, alone = [], 0.0
    for name in model or [base.model]:
        config = replace(base, model=name)
        data, module = prepare(dataset, config, None)
        if not alone:
            alone = _loader_rate(data, batches)
        clock = _Clock()
        trainer = L.Trainer(
            max_epochs=1, callbacks=[clock], logger=False, enable_checkpointing=False, limit_val_batches=0,
            enable_progress_bar=False, **trainer_options(config),
        )  # fmt: skip
        trainer.fit(module, data)
        rate = batches * batch / (clock.end - clock.start)
        rows.append({"model": name, "training": round(rate), "loader": round(alone), "ratio": alone / rate})
    if json:
        show.as_json(rows)
        return
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{torch.get_num_threads()} cores"
    show.table(f"Images a second, {device}", rows[0], (row.values() for row in rows))


if __name__ == "__main__":
    typer.run(_main)
