"""Residual CNN: a stem that brings any raster to a 16x16 grid, then three residual stages.

Provenance: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016
(arXiv:1512.03385), with the normalisation after each convolution, so that an inference engine
merges the two; the depthwise-separable variant takes its convolutions from Howard et al.,
"MobileNets", 2017 (arXiv:1704.04861). Each block starts as the identity (Goyal et al., 2017,
arXiv:1706.02677: the last normalisation's weight starts at zero).

Weights of the convolutions of `residual_cnn`:

    stem         1 -> 32 -> 64 (32x32)   9 * 32 + 9 * 32 * 64                            18,720
    stage 1, 64                          4 * 9 * 64^2                                   147,456
    stage 2, 144                         9 * 64 * 144 + 3 * 9 * 144^2 + 64 * 144        652,032
    stage 3, 288                         9 * 144 * 288 + 3 * 9 * 288^2 + 144 * 288    2,654,208
                                                                                         3.47 M

Twice the width meets a quarter of the cells, so that the stages cost about the same time. Widths
are multiples of 16: a CPU's bf16 convolutions are several times slower at, say, 36 or 72.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from glyphs.errors import BadInput

GRID = 16  # the first stage's grid is at least this wide and less than twice it


@dataclass(frozen=True, slots=True)
class CNNVariant:
    """Widths of the stages; each has `depth` blocks of two convolutions."""

    widths: tuple[int, ...]
    separable: bool = False
    depth: int = 2


VARIANTS = {
    "residual_cnn": CNNVariant((64, 144, 288)),
    "separable_cnn": CNNVariant((64, 160, 320), separable=True),
}


def _conv_norm(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    )


def _separable_conv_norm(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """3x3 within each channel, then 1x1 across channels: 9 + outputs weights a channel, not 9 * outputs."""
    across = _conv_norm(inputs, outputs, kernel=1)
    return nn.Sequential(*_conv_norm(inputs, inputs, stride=stride, groups=inputs), nn.ReLU(), *across)


class Block(nn.Module):
    """relu(shortcut(x) + f(x)), f being two 3x3 convolutions: (B, C_in, G, G) -> (B, C_out, G', G')."""

    def __init__(self, inputs: int, outputs: int, stride: int, *, separable: bool) -> None:
        super().__init__()
        convolution = _separable_conv_norm if separable else _conv_norm
        self.inner = nn.Sequential(
            *convolution(inputs, outputs, stride=stride), nn.ReLU(), *convolution(outputs, outputs, stride=1)
        )
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else _conv_norm(inputs, outputs, kernel=1, stride=stride)
        nn.init.zeros_(self.inner[-1].weight)  # type: ignore[arg-type]

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return F.relu(self.shortcut(x_BCHW) + self.inner(x_BCHW))


class ResidualCNN(nn.Module):
    """(B, channels, size, size) -> pooled features (B, widths[-1]).

    Raises:
        BadInput: the size is no multiple of 16.
    """

    def __init__(self, variant: CNNVariant, channels: int = 1, size: int = 128) -> None:
        super().__init__()
        if size < GRID or size % GRID:
            raise BadInput(
                f"A residual CNN cannot bring {size} pixels to a grid of {GRID}.",
                f"Choose a raster size divisible by {GRID}.",
            )
        halvings = (size // GRID).bit_length() - 1
        # At least two convolutions: a 32 x 32 raster is looked at in full before it is halved.
        strides = [1] * (2 - halvings) + [2] * halvings
        first = variant.widths[0]
        widths = [channels, *(first >> step for step in reversed(range(len(strides))))]
        stem: list[nn.Module] = []
        for (inputs, outputs), stride in zip(itertools.pairwise(widths), strides, strict=True):
            stem += [*_conv_norm(inputs, outputs, stride=stride), nn.ReLU()]
        self.stem = nn.Sequential(*stem)

        blocks: list[nn.Module] = []
        width = first
        for stage, outputs in enumerate(variant.widths):
            for block in range(variant.depth):
                stride = 2 if stage and not block else 1
                blocks.append(Block(width, outputs, stride, separable=variant.separable))
                width = outputs
        self.stages = nn.Sequential(*blocks)
        self.features = width

        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images_BCHW: Tensor) -> Tensor:
        pooled: Tensor = self.stages(self.stem(images_BCHW)).mean((2, 3))
        return pooled
