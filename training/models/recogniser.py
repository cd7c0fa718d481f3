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
KNOTS_PER_EM = 16  # from one em below the baseline to two above


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

    A comma and a low quotation mark, an en dash and a minus differ by hundredths of an em, which a few
    units over bare numbers learn slowly. So each number becomes its weights between the knots of a
    linear spline: the first layer is then a free curve of every metric, of the top and of what the
    advance leaves beside the ink. A flag says of each metric whether it is known, so that a model
    answers with all, some or none of them.
    """

    knots: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        knots = torch.arange(-KNOTS_PER_EM, 2 * KNOTS_PER_EM + 1) / KNOTS_PER_EM
        self.register_buffer("knots", knots, persistent=False)
        values = METRICS + 2
        self.layers = nn.Sequential(
            nn.Linear(values * (len(knots) + 1) + METRICS, 128), nn.GELU(), nn.Linear(128, features)
        )

    def forward(self, metrics_B4: Tensor) -> Tensor:
        width, height, bottom, advance = metrics_B4.unbind(1)
        values_B6 = torch.stack([width, height, bottom, advance, bottom + height, advance - width], 1)
        unknown_B6 = torch.isnan(values_B6)
        values_B6 = torch.where(unknown_B6, 0.0, values_B6).clamp(-4.0, 4.0)
        between_B6K = (1 - KNOTS_PER_EM * (values_B6[:, :, None] - self.knots).abs()).clamp_min(0.0)
        known_B6 = (~unknown_B6).to(values_B6.dtype)
        between_B6K = between_B6K * known_B6[:, :, None]
        out: Tensor = self.layers(
            torch.cat([values_B6, known_B6[:, :METRICS], between_B6K.flatten(1)], dim=1)
        )
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
        # What a metric means depends on the shape. Starts as the identity.
        last = nn.Linear(2 * features, features)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.fusion = nn.Sequential(nn.Linear(features, 2 * features), nn.GELU(), last)
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
        features = features + self.fusion(features)
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
