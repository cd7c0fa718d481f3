"""One training step, one validation step, the optimiser: Lightning runs the rest."""

from __future__ import annotations

import math
from typing import Any, cast

import lightning as L
import numpy as np
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LinearLR, ReduceLROnPlateau

from glyphs.errors import GlypheryError
from training.config import TrainConfig, at
from training.data import Batch
from training.data.module import GlyphData, as_seen
from training.evaluation import alike_matrix
from training.losses import ArcFace, Classification, SupervisedContrastive, distillation
from training.mixing import Mixed, mix
from training.models import EMBEDDING, METRICS, create
from training.models.unified_mlp import UnifiedMLP
from training.primitives import PrimitiveLoss
from training.teacher import Lessons, Teacher


class GlyphModule(L.LightningModule):
    """A model with its losses. Its checkpoint alone is enough to build the model again."""

    alike: Tensor
    group: Tensor

    def __init__(self, config: TrainConfig, data: GlyphData, teacher: Teacher | None = None) -> None:
        super().__init__()
        self.config, self.vocabulary = config, data.vocabulary
        self.equivalence, self.digest = data.equivalence, data.digest
        self.learning_rate = config.learning_rate  # where Lightning's learning-rate finder looks
        labels = data.vocabulary.labels
        losses = config.losses
        self.model = create(
            config.model,
            labels=len(labels),
            channels=config.channels,
            size=config.size,
            options=config.options,
        )
        self.classification = Classification(losses, data.sampling, data.counts)
        self.contrast = SupervisedContrastive(losses.temperature)
        self.arcface: nn.Module | None = None
        if losses.embedding == "arcface":
            self.arcface = ArcFace(len(labels), EMBEDDING, losses.margin, losses.scale)
        self.primitives = PrimitiveLoss(config.primitives.targets, config.primitives.entropy)
        self._lessons = None if teacher is None else Lessons(teacher, data.vocabulary.classes, config.raster)
        self.register_buffer(
            "alike", torch.from_numpy(alike_matrix(labels, data.equivalence)), persistent=False
        )
        group = data.group.copy()
        if losses.grouping == "joining":  # letters that do not join have no group, not even one another
            group[[label.character.joining_group is None for label in labels]] = -1
        self.register_buffer("group", torch.from_numpy(group), persistent=False)

    def on_fit_start(self) -> None:
        # What is recorded stays as it is: Gumbel-softmax has a temperature that falls on the way, and mixed
        # pictures are of another type than those that are not.
        mixing, options = self.config.mixing, self.config.options
        changing = options.tokens == "gumbel" or mixing.mixup or mixing.cutmix
        if self.device.type == "cuda" and self.trainer.world_size == 1 and not changing:
            self._record()

    def _record(self) -> None:
        """Record the model's step as CUDA graphs: small kernels take longer to ask for than to run."""
        config, device = self.config, self.device
        state = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
        image = torch.randint(256, (config.batch, config.channels, config.size, config.size), device=device)
        sample = _channels_last(image.to(torch.uint8)), torch.rand(config.batch, METRICS, device=device)
        with self.trainer.precision_plugin.forward_context():
            torch.cuda.make_graphed_callables(self.model.train(), sample)
        self.model.load_state_dict(state)  # recording moved the running statistics

    def on_train_batch_start(self, batch: Batch, number: int) -> None:
        # Drop path and Gumbel noise draw from torch's generator. Seeding it by the number of the
        # batch makes a resumed run draw what an uninterrupted one would have drawn.
        config = self.config
        self._batches = self.current_epoch * config.batches_per_epoch + number
        self._number = self._batches * config.devices + self.global_rank
        torch.manual_seed((config.seed << 40) + self._number)
        self._done = self._batches / config.batches
        if isinstance(self.model.backbone, UnifiedMLP):
            self.model.backbone.temperature = at(config.primitives.temperature, self._done)

    def training_step(self, batch: Batch, _: int) -> Tensor:
        config, label = self.config, batch["label"]
        batch = as_seen(batch, config, self._number)
        rng = np.random.Generator(np.random.Philox(key=[config.seed + 2, self._batches]))
        mixed = mix(batch, config.mixing, rng)
        image, metrics = batch["image"], batch["metrics"]
        if mixed is not None:  # of which of the two glyphs would the metrics be?
            image, metrics = mixed.image, torch.full_like(metrics, torch.nan)
        answers = self.model(_channels_last(image), metrics)

        logits = answers["logits"]
        right = (logits.argmax(1) == label).float().mean()
        loss = self._classification(logits, batch, mixed)
        if config.losses.embedding != "none" and mixed is None:
            apart = self._embedding(answers["embedding"], batch)
            loss = loss + config.losses.embedding_weight * apart
            self.log("embedding_loss", apart.detach())
        if "primitives" in answers and (alpha := at(config.primitives.alpha, self._done)) > 0:
            primitive = self.primitives(answers["primitives"], image)
            loss = loss + alpha * primitive
            self.log("primitive_loss", primitive.detach())
        self.log_dict({"loss": loss.detach(), "train_top1": right}, prog_bar=True)
        return loss

    def _classification(self, logits: Tensor, batch: Batch, mixed: Mixed | None) -> Tensor:
        label = batch["label"]
        losses: Tensor = self.classification(logits, label)
        if mixed is not None:
            other: Tensor = self.classification(logits, label[mixed.other])
            return (mixed.share * losses + (1 - mixed.share) * other).mean()
        weight = at(self.config.distillation.weight, self._done)
        if self._lessons is not None and weight > 0:
            lesson, known = self._lessons(batch)
            taught = distillation(logits, lesson, self.config.distillation.temperature)
            losses = torch.where(known, (1 - weight) * losses + weight * taught, losses)
        return losses.mean()

    def _embedding(self, embedding: Tensor, batch: Batch) -> Tensor:
        if self.arcface is not None:
            loss: Tensor = self.arcface(embedding, batch["label"], self.alike[batch["label"]])
            return loss
        # Positives and negatives come from the batches of all devices.
        embedding, label, shape = (
            self._gathered(column) for column in (embedding, batch["label"], batch["shape"])
        )
        same, alike = label[:, None] == label[None], self.alike[label][:, label]
        grouping, group = self.config.losses.grouping, self.group[label]
        if grouping == "label":
            positive = same
        elif grouping == "equivalence":
            positive = same | alike
        else:
            positive = (group[:, None] == group[None]) & (group[:, None] >= 0)
        contrast: Tensor = self.contrast(embedding, positive, same | alike | (shape[:, None] == shape[None]))
        return contrast

    def _gathered(self, column: Tensor) -> Tensor:
        if self.trainer.world_size == 1:
            return column
        gathered = cast(Tensor, self.all_gather(column, sync_grads=column.requires_grad))
        return gathered.flatten(0, 1)

    def validation_step(self, batch: Batch, _: int) -> None:
        """Raises GlypheryError where the model answers with what is no finite number."""
        logits = self.model(_channels_last(batch["image"]), batch["metrics"])["logits"].float()
        if not logits.sum().isfinite():  # before its weights take the place of a checkpoint's
            raise GlypheryError(
                f"Training fell apart: after {self.global_step} steps answers are no finite numbers.",
                "Train in another folder with a lower learning_rate; --find-rate suggests one.",
            )
        label = batch["label"]
        best = logits.topk(min(10, logits.shape[1])).indices
        right = best == label[:, None]
        figures = {f"val_top{k}": right[:, :k].any(1).float().mean() for k in (1, 5, 10)}
        figures["val_equivalent"] = (right[:, 0] | self.alike[label, best[:, 0]]).float().mean()
        self.log_dict(figures, prog_bar=True, batch_size=len(label), sync_dist=True)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        config = self.config
        # Fused it takes a quarter of the time, but cannot be had with float16's scaled gradients.
        fused = config.precision != "16-mixed"
        optimizer = AdamW(self._parameter_groups(), lr=self.learning_rate, fused=fused)
        warm = max(1, round(config.steps * config.warmup))
        if config.schedule == "plateau":
            rising = LinearLR(optimizer, 1 / warm, total_iters=warm - 1)
            falling = ReduceLROnPlateau(optimizer, mode="max", factor=0.1, patience=2)
            schedulers = [
                {"scheduler": rising, "interval": "step"},
                {"scheduler": falling, "interval": "epoch", "monitor": "val_top1"},
            ]
            return cast(OptimizerLRScheduler, ([optimizer], schedulers))

        def rate(step: int) -> float:
            falling = 0.5 * (1 + math.cos(math.pi * min(1.0, step / config.steps)))
            return min((step + 1) / warm, falling if config.schedule == "cosine" else 1.0)

        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": LambdaLR(optimizer, rate), "interval": "step"},
        }

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        # Lightning's own refuses every fused optimiser in mixed precision, fearing for scaled gradients.
        if gradient_clip_val:
            nn.utils.clip_grad_norm_(self.parameters(), gradient_clip_val)

    def _parameter_groups(self) -> list[dict[str, Any]]:
        """Backbone and heads, each with and without weight decay.

        Norms, biases and attention biases are not decayed: they have no scale to lose.
        """
        config, groups = self.config, []
        of_backbone = {id(parameter) for parameter in self.model.backbone.parameters()}
        for heads in (False, True):
            named = [pair for pair in self.named_parameters() if (id(pair[1]) not in of_backbone) == heads]
            for decayed in (True, False):
                chosen = [p for name, p in named if (p.ndim > 1 and "bias" not in name) == decayed]
                groups.append(
                    {
                        "params": chosen,
                        "weight_decay": config.weight_decay if decayed else 0.0,
                        "lr": self.learning_rate * (config.head_rate if heads else 1.0),
                    }
                )
        return [group for group in groups if group["params"]]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["glyphery"] = {
            "config": self.config.to_dict(),
            "labels": [str(label) for label in self.vocabulary.labels],
            "families": list(self.vocabulary.families),
            "names": {str(label): name for label, name in self.vocabulary.names.items()},
            "equivalence": self.equivalence.to_json(),
            "dataset": self.digest,
        }


def _channels_last(image: Tensor) -> Tensor:
    return image.to(memory_format=torch.channels_last)
