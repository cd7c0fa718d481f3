"""LeViT: a convolutional stem, then attention stages that shrink the grid.

Provenance: Graham et al., "LeViT: a Vision Transformer in ConvNet's Clothing for Faster
Inference", ICCV 2021 (arXiv:2104.01136), and the authors' reference code; variants are their
table. Differences: any number of input channels, 128x128 input (an 8x8 grid after the stem),
and no classifier here: `training.models.recogniser` puts both heads on the pooled features.

Shape legend: B batch, C channels, N tokens, H heads, K key width, V value width per head.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from glyphs.errors import BadInput
from training.models.linear import Linear


@dataclass(frozen=True, slots=True)
class LeViTVariant:
    """One row of the paper's table 1 (keys 16 or 32 wide, values twice that, MLP ratio 2)."""

    widths: tuple[int, int, int]
    heads: tuple[int, int, int]
    depths: tuple[int, int, int]
    key: int = 16


VARIANTS = {
    "levit_128s": LeViTVariant((128, 256, 384), (4, 6, 8), (2, 3, 4)),
    "levit_256": LeViTVariant((256, 384, 512), (4, 6, 8), (4, 4, 4), key=32),
}


class ConvNorm(nn.Sequential):
    """3x3 convolution with stride 2, then batch normalisation."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs))


class LinearNorm(nn.Module):
    """Linear layer, then batch normalisation over tokens: (B, N, C_in) -> (B, N, C_out).

    After `fold()` the normalisation is part of the linear layer and costs nothing.
    """

    def __init__(self, inputs: int, outputs: int, weight: float = 1.0) -> None:
        super().__init__()
        self.linear: nn.Linear = Linear(inputs, outputs, bias=False)
        self.norm: nn.BatchNorm1d | nn.Identity = nn.BatchNorm1d(outputs)
        nn.init.constant_(self.norm.weight, weight)

    def forward(self, x_BNC: Tensor) -> Tensor:
        x: Tensor = self.linear(x_BNC)
        if isinstance(self.norm, nn.Identity):
            return x
        normed: Tensor = self.norm(x.flatten(0, 1)).reshape_as(x)
        return normed

    @torch.no_grad()
    def fold(self) -> None:
        """Merge the normalisation's running statistics into the weights (for inference only)."""
        norm = self.norm
        if not isinstance(norm, nn.BatchNorm1d):
            return
        assert norm.running_var is not None
        assert norm.running_mean is not None
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        folded = Linear(self.linear.in_features, self.linear.out_features)
        folded.weight.copy_(self.linear.weight * scale[:, None])
        folded.bias.copy_(norm.bias - norm.running_mean * scale)
        self.linear, self.norm = folded, nn.Identity()


class AttentionBias(nn.Module):
    """One learned number per head and per absolute offset between query and key: (H, N_q, N_k)."""

    index: Tensor

    def __init__(self, heads: int, grid: int, stride: int = 1) -> None:
        super().__init__()
        keys = list(itertools.product(range(grid), repeat=2))
        queries = list(itertools.product(range(0, grid, stride), repeat=2))
        offsets: dict[tuple[int, int], int] = {}
        index = [
            [offsets.setdefault((abs(q[0] - k[0]), abs(q[1] - k[1])), len(offsets)) for k in keys]
            for q in queries
        ]
        self.bias = nn.Parameter(torch.zeros(heads, len(offsets)))
        self.register_buffer("index", torch.tensor(index), persistent=False)

    def forward(self) -> Tensor:
        return self.bias[:, self.index]


class Attention(nn.Module):
    """Multi-head attention with values twice as wide as keys, and hardswish before projection.

    With `stride` 2 the queries are every other cell of the grid in both directions, so that the
    output grid has a quarter of the tokens: LeViT's shrinking attention.
    """

    def __init__(self, inputs: int, outputs: int, heads: int, key: int, grid: int, stride: int = 1) -> None:
        super().__init__()
        self.heads, self.key, self.grid, self.stride = heads, key, grid, stride
        self.value = key * (2 if stride == 1 else 4)
        self.query = LinearNorm(inputs, heads * key)
        self.key_value = LinearNorm(inputs, heads * (key + self.value))
        self.bias = AttentionBias(heads, grid, stride)
        self.attend = nn.Softmax(dim=-1)  # a module, so that a hook can take the weights (B, H, Q, K)
        self.project = LinearNorm(heads * self.value, outputs, weight=0.0 if stride == 1 else 1.0)

    def forward(self, x_BNC: Tensor) -> Tensor:
        B, N, C = x_BNC.shape
        key, value = (
            self.key_value(x_BNC)
            .reshape(B, N, self.heads, -1)
            .transpose(1, 2)
            .split([self.key, self.value], -1)
        )
        sources = x_BNC
        if self.stride > 1:
            sources = x_BNC.reshape(B, self.grid, self.grid, C)[:, :: self.stride, :: self.stride].flatten(
                1, 2
            )
        query = self.query(sources).reshape(B, -1, self.heads, self.key).transpose(1, 2)
        scores_BHQK = query @ key.transpose(-2, -1) * self.key**-0.5 + self.bias()
        mixed = (self.attend(scores_BHQK) @ value).transpose(1, 2).flatten(2)
        out: Tensor = self.project(F.hardswish(mixed))
        return out


class Residual(nn.Module):
    """x + f(x)."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.inner(x)
        return out


def _mlp(width: int) -> nn.Module:
    return Residual(
        nn.Sequential(LinearNorm(width, 2 * width), nn.Hardswish(), LinearNorm(2 * width, width, weight=0.0))
    )


class LeViT(nn.Module):
    """(B, channels, size, size) -> pooled features (B, widths[-1]).

    Raises:
        BadInput: the size is no multiple of 16.
    """

    def __init__(self, variant: LeViTVariant, channels: int = 1, size: int = 128) -> None:
        super().__init__()
        if size < 16 or size % 16:
            raise BadInput(
                f"LeViT's stem cannot divide {size} pixels by 16.", "Choose a raster size divisible by 16."
            )
        first = variant.widths[0]
        stem: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise([channels, first // 8, first // 4, first // 2, first]):
            stem += [ConvNorm(inputs, outputs), nn.Hardswish()]
        self.stem = nn.Sequential(*stem[:-1])

        grid, width = size // 16, first
        stages: list[nn.Module] = []
        for stage, (outputs, heads, depth) in enumerate(
            zip(variant.widths, variant.heads, variant.depths, strict=True)
        ):
            if stage:
                # The shrinking attention has as many heads as the stage before it is keys wide.
                stages.append(Attention(width, outputs, width // variant.key, variant.key, grid, stride=2))
                grid, width = -(-grid // 2), outputs
                stages.append(_mlp(width))
            for _ in range(depth):
                stages += [Residual(Attention(width, width, heads, variant.key, grid)), _mlp(width)]
        self.stages = nn.Sequential(*stages)
        self.features = width

    def forward(self, images_BCHW: Tensor) -> Tensor:
        tokens_BNC = self.stem(images_BCHW).flatten(2).transpose(1, 2)
        pooled: Tensor = self.stages(tokens_BNC).mean(1)
        return pooled
