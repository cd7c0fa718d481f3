"""One training step, one validation step, the optimiser: Lightning runs the rest."""

from __future__ import annotations

import math
from typing import Any

import lightning as L
import torch
from lightning.pytorch.utilities.types import LRSchedulerConfigType, OptimizerLRSchedulerConfig
from torch import Tensor
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from training.config import TrainConfig
from training.data import Batch, GlyphData
from training.evaluation import alike_matrix
from training.losses import AdjustedCrossEntropy, SupervisedContrastive
from training.models import create


class GlyphModule(L.LightningModule):
    """A model with its losses. Its checkpoint alone is enough to build the model again."""

    alike: Tensor

    def __init__(self, config: TrainConfig, data: GlyphData) -> None:
        super().__init__()
        self.config, self.vocabulary = config, data.vocabulary
        self.equivalence, self.digest = data.equivalence, data.digest
        labels = data.vocabulary.labels
        self.model = create(config.model, labels=len(labels), size=config.size)
        sampling = torch.tensor(data.sampling, dtype=torch.float32)
        self.classification = AdjustedCrossEntropy(sampling, config.smoothing)
        self.contrast = SupervisedContrastive(config.temperature)
        alike = torch.from_numpy(alike_matrix(labels, data.equivalence))
        self.register_buffer("alike", alike, persistent=False)

    def training_step(self, batch: Batch, _: int) -> Tensor:
        answers = self.model(_channels_last(batch["image"]), batch["metrics"])
        label, shape = batch["label"], batch["shape"]
        classification = self.classification(answers["logits"], label)
        alike = self.alike[label][:, label] | (shape[:, None] == shape[None])
        contrast = self.contrast(answers["embedding"], label, alike)
        loss: Tensor = classification + self.config.contrastive * contrast
        right = (answers["logits"].argmax(1) == label).float().mean()
        self.log_dict(
            {"loss": loss.detach(), "contrast": contrast.detach(), "train_top1": right}, prog_bar=True
        )
        return loss

    def validation_step(self, batch: Batch, _: int) -> None:
        logits = self.model(_channels_last(batch["image"]), batch["metrics"])["logits"].float()
        label = batch["label"]
        best = logits.topk(min(10, logits.shape[1])).indices
        right = best == label[:, None]
        figures = {f"val_top{k}": right[:, :k].any(1).float().mean() for k in (1, 5, 10)}
        figures["val_equivalent"] = (right[:, 0] | self.alike[label, best[:, 0]]).float().mean()
        self.log_dict(figures, prog_bar=True, batch_size=len(label))

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        config = self.config
        # Norms, biases and attention biases are not decayed: they have no scale to lose.
        named = list(self.model.named_parameters())
        decayed = [p for name, p in named if p.ndim > 1 and "bias" not in name]
        kept = [p for name, p in named if p.ndim <= 1 or "bias" in name]
        groups = [
            {"params": decayed, "weight_decay": config.weight_decay},
            {"params": kept, "weight_decay": 0.0},
        ]
        optimizer = AdamW(groups, lr=config.learning_rate)
        total = config.epochs * config.steps_per_epoch
        warm = max(1, round(total * config.warmup))

        def rate(step: int) -> float:
            return min((step + 1) / warm, 0.5 * (1 + math.cos(math.pi * min(1.0, step / total))))

        schedule: LRSchedulerConfigType = {"scheduler": LambdaLR(optimizer, rate), "interval": "step"}
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["glyphery"] = {
            "config": self.config.to_dict(),
            "labels": [str(label) for label in self.vocabulary.labels],
            "families": list(self.vocabulary.families),
            "equivalence": self.equivalence.to_json(),
            "dataset": self.digest,
        }


def _channels_last(image: Tensor) -> Tensor:
    return image.to(memory_format=torch.channels_last)
