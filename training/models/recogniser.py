"""Both heads on one backbone: what every model of this package looks like from outside.

`forward(image, metrics)` gives `logits` over the labels and a unit `embedding`. The features,
with the metrics' own features added, feed both heads, so that either loss alone trains the
backbone.
"""

from __future__ import annotations

from typing import NotRequired, TypedDict

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EMBEDDING = 128  # width of the embedding
METRICS = 4  # width, height, bottom, advance; em


class Answers(TypedDict):
    """logits (B, L); embedding (B, EMBEDDING), each row of length 1.

    primitives (B, cells, 2, 32): logits of both factors of each cell's primitive, where the
    model has them.
    """

    logits: Tensor
    embedding: Tensor
    primitives: NotRequired[Tensor]


class MetricsEncoder(nn.Module):
    """(B, 4) metrics in em, NaN where unknown -> (B, features).

    Each metric comes with a flag that says whether it is known, so that a model answers with
    all, some or none of them.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2 * METRICS, 64), nn.GELU(), nn.Linear(64, features))

    def forward(self, metrics_B4: Tensor) -> Tensor:
        unknown = torch.isnan(metrics_B4)
        values = torch.where(unknown, 0.0, metrics_B4).clamp(-4.0, 4.0)
        out: Tensor = self.layers(torch.cat([values, (~unknown).to(values.dtype)], dim=1))
        return out


class Recogniser(nn.Module):
    """A backbone, the metrics encoder, a plain linear classifier and an embedding head.

    Args:
        backbone: (B, C, S, S) float in 0..1 -> (B, features), or a pair of that and primitives;
            has the attribute `features`
        labels: number of labels
        channels: C, 1 or 3
    """

    def __init__(self, backbone: nn.Module, labels: int, channels: int = 1) -> None:
        super().__init__()
        self.channels = channels
        features = int(backbone.features)  # type: ignore[arg-type]
        self.backbone = backbone
        self.metrics = MetricsEncoder(features)
        self.classifier = nn.Linear(features, labels)
        self.embedding = nn.Sequential(nn.Linear(features, 256), nn.GELU(), nn.Linear(256, EMBEDDING))

    def forward(self, image: Tensor, metrics: Tensor) -> Answers:
        """image: (B, C, S, S) uint8, or float in 0..1; metrics: (B, 4) float32, NaN where unknown.

        A model of three channels answers a grey image too.
        """
        if image.dtype == torch.uint8:
            image = image.float() / 255
        if image.shape[1] < self.channels:
            image = image.expand(-1, self.channels, -1, -1)
        answer = self.backbone(image)
        pooled, primitives = answer if isinstance(answer, tuple) else (answer, None)
        features = pooled + self.metrics(metrics)
        # Normalised in float32: under bf16 autocast rows would miss unit length by a percent.
        embedding = F.normalize(self.embedding(features).float(), dim=1)
        answers: Answers = {"logits": self.classifier(features), "embedding": embedding}
        if primitives is not None:
            answers["primitives"] = primitives
        return answers

    def fold(self) -> None:
        """Merge batch normalisations into their linear layers; call only in evaluation mode."""
        for module in self.modules():
            if module is not self and hasattr(module, "fold"):
                module.fold()  # type: ignore[operator]
