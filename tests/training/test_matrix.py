"""Every model with every loss: it takes steps on real glyphs, and learns 64 of them by heart."""

from __future__ import annotations

import math
from dataclasses import replace

import lightning as L
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from glyphs.dataset.store import Dataset
from training.config import Distillation, Losses, Mixing, PrimitiveLosses, TrainConfig
from training.data.module import GlyphData
from training.data.samples import Clean, Drawn, together
from training.models.options import ModelOptions
from training.module import GlyphModule
from training.teacher import Teacher

MODELS = ["levit_128s", "unified_mlp", "residual_cnn", "vit_tiny"]
BASE = TrainConfig(
    size=64, box=56, min_families=1, samples=3 * 16, epoch_samples=3 * 16, batch=16, validation_samples=16,
    workers=0, precision="32-true",
)  # fmt: skip
LOSSES: dict[str, dict[str, object]] = {
    "smoothing": {"losses": Losses(smoothing=0.2, embedding="none")},
    "unadjusted": {"losses": Losses(adjusted=False)},
    "inverse weights": {"losses": Losses(class_weights="inverse")},
    "square-root weights": {"losses": Losses(class_weights="square_root")},
    "effective-number weights": {"losses": Losses(class_weights="effective")},
    "balanced BCE": {"losses": Losses(classification="balanced_bce")},
    "contrast by label": {"losses": Losses(grouping="label")},
    "contrast by equivalence": {"losses": Losses(grouping="equivalence")},
    "contrast by joining group": {"losses": Losses(grouping="joining"), "partner": "group"},
    "contrast by hybrid group": {"losses": Losses(grouping="hybrid"), "partner": "group"},
    "ArcFace": {"losses": Losses(embedding="arcface")},
    "mixup and cutmix": {"mixing": Mixing(mixup=0.8, cutmix=1.0, share=1.0)},
    "teacher": {"distillation": Distillation(teacher="given", weight=((0.0, 0.7),))},
    "colour": {"channels": 3},
}
# What only the unified MLP has.
PRIMITIVES: dict[str, dict[str, object]] = {
    "straight-through": {"options": ModelOptions(tokens="straight_through")},
    "Gumbel-soft": {"options": ModelOptions(tokens="gumbel")},
    "soft": {"options": ModelOptions(tokens="soft")},
    "fixed positions": {"options": ModelOptions(positions="fixed", relative_bias=False)},
    "k-means": {"primitives": PrimitiveLosses(targets="kmeans")},
    "staged": {
        "primitives": PrimitiveLosses(alpha=((0.0, 1.0), (0.5, 0.3), (1.0, 0.0))),
        "distillation": Distillation(teacher="given", weight=((0.0, 0.0), (0.3, 0.0), (0.3, 0.7))),
    },
}
COMBINATIONS = [(model, loss) for model in MODELS for loss in LOSSES] + [
    ("unified_mlp", choice) for choice in PRIMITIVES
]


@pytest.fixture(scope="module")
def data(small_dataset: Dataset) -> GlyphData:
    return GlyphData(small_dataset.path, BASE)


def _trainer(**how: object) -> L.Trainer:
    return L.Trainer(
        logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        num_sanity_val_steps=0, limit_val_batches=0, **how,
    )  # type: ignore[arg-type]  # fmt: skip


def _module(config: TrainConfig, data: GlyphData) -> GlyphModule:
    labels = data.vocabulary.labels
    teacher = Teacher.of_function(
        lambda rasters, _: np.random.default_rng(0).random((len(rasters), len(labels)), np.float32),
        labels, config.raster,
    )  # fmt: skip
    return GlyphModule(config, data, teacher if config.distillation.teacher else None)


@pytest.mark.filterwarnings("ignore:.*does not have many workers.*")
@pytest.mark.parametrize(("model", "loss"), COMBINATIONS)
def test_every_model_takes_steps_with_every_loss(model: str, loss: str, data: GlyphData) -> None:
    torch.manual_seed(0)
    config = replace(BASE, model=model, **(LOSSES | PRIMITIVES)[loss])  # type: ignore[arg-type]
    module = _module(config, data)
    before = {name: value.clone() for name, value in module.model.named_parameters()}
    trainer = _trainer(max_epochs=1)
    trainer.fit(module, data.train_dataloader())
    assert trainer.global_step == 3
    assert math.isfinite(trainer.callback_metrics["loss"].item())
    moved = [name for name, value in module.model.named_parameters() if not torch.equal(value, before[name])]
    assert any(name.startswith("backbone.stem") or name.startswith("backbone.patch") for name in moved)
    assert all(value.isfinite().all() for value in module.model.state_dict().values())


@pytest.mark.filterwarnings("ignore:.*does not have many workers.*")
@pytest.mark.parametrize("model", MODELS)
def test_every_model_learns_sixteen_glyphs_by_heart(model: str, data: GlyphData) -> None:
    torch.manual_seed(0)
    # Glyphs that can be told apart: no two of one shape, none without a shape of its own.
    _, rows = np.unique(data.training.table.shape, return_index=True)
    rows = np.random.default_rng(0).permutation(rows)[:16]
    drawn = data.training
    chosen = Drawn(drawn.table.take(rows), drawn.places[rows], drawn.shapes)
    small = replace(BASE, size=32, box=28)
    batch = DataLoader(Clean(chosen, small.raster), 16, collate_fn=together)
    steps = 160 if model == "vit_tiny" else 80
    config = replace(
        small, model=model, learning_rate=1e-3, warmup=0.1, batch=16, samples=16 * steps, epoch_samples=16,
        options=ModelOptions(drop_path=0.0), primitives=PrimitiveLosses(alpha=((0.0, 0.3),)),
    )  # fmt: skip
    module = _module(config, data)
    _trainer(max_epochs=steps).fit(module, batch)
    [glyphs] = batch
    module.model.eval()
    with torch.inference_mode():
        answers = module.model(glyphs["image"], glyphs["metrics"])
    assert (answers["logits"].argmax(1) == glyphs["label"]).float().mean() >= 0.99
