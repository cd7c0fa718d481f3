"""ViT: patches of 16x16 pixels as tokens, twelve blocks of attention.

Provenance: Dosovitskiy et al., "An Image Is Worth 16x16 Words", ICLR 2021 (arXiv:2010.11929), in
the plain form that trains well from scratch: Beyer et al., "Better plain ViT baselines for
ImageNet-1k", 2022 (arXiv:2205.01580), with fixed 2-D sine-cosine positions, mean pooling and no
class token. Stochastic depth is Huang et al., ECCV 2016 (arXiv:1603.09382).

A block has 12 width^2 weights, twelve of them 144 width^2: 5.3 M, 21 M and 85 M.

Shape legend: B batch, N tokens, C width, H heads, K width per head.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from glyphs.errors import BadInput
from training.models.linear import Linear
from training.models.positions import sine_cosine

PATCH = 16


@dataclass(frozen=True, slots=True)
class ViTVariant:
    """Width, heads and blocks. The paper's three, and a small one for small rasters and few glyphs."""

    width: int
    heads: int
    depth: int = 12


VARIANTS = {
    "vit_micro": ViTVariant(128, 4, depth=6),
    "vit_tiny": ViTVariant(192, 3),
    "vit_small": ViTVariant(384, 6),
    "vit_base": ViTVariant(768, 12),
}


class DropPath(nn.Module):
    """In training, leaves a residual branch out for a random share of the images."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, branch_BNC: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return branch_BNC
        kept = torch.rand(len(branch_BNC), 1, 1, device=branch_BNC.device) >= self.rate
        # Scaled up, so that the branch's mean is what it will be without dropping.
        return branch_BNC * (kept / (1 - self.rate)).to(branch_BNC.dtype)


class Attention(nn.Module):
    """Multi-head self-attention; `attend` puts out the weights (B, H, N, N), for whoever hooks it."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query_key_value = Linear(width, 3 * width)
        self.attend = nn.Softmax(dim=-1)
        self.project = Linear(width, width)

    def forward(self, x_BNC: Tensor) -> Tensor:
        B, N, C = x_BNC.shape
        heads_3BHNK = self.query_key_value(x_BNC).reshape(B, N, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = heads_3BHNK.unbind(0)
        weights_BHNN = self.attend(query * (C // self.heads) ** -0.5 @ key.transpose(-2, -1))
        out: Tensor = self.project((weights_BHNN @ value).transpose(1, 2).reshape(B, N, C))
        return out


class Block(nn.Module):
    """x + attention, then x + MLP, each normalised on the way in and at times dropped."""

    def __init__(self, width: int, heads: int, drop_path: float) -> None:
        super().__init__()
        self.attention = nn.Sequential(nn.LayerNorm(width), Attention(width, heads), DropPath(drop_path))
        self.mlp = nn.Sequential(
            nn.LayerNorm(width),
            Linear(width, 4 * width),
            nn.GELU(),
            Linear(4 * width, width),
            DropPath(drop_path),
        )

    def forward(self, x_BNC: Tensor) -> Tensor:
        x_BNC = x_BNC + self.attention(x_BNC)
        out: Tensor = x_BNC + self.mlp(x_BNC)
        return out


class ViT(nn.Module):
    """(B, channels, size, size) -> pooled features (B, width).

    Raises:
        BadInput: the size is no multiple of the patch, or `drop_path` no share of images.
    """

    positions: Tensor

    def __init__(
        self, variant: ViTVariant, channels: int = 1, size: int = 128, *, drop_path: float = 0.1
    ) -> None:
        super().__init__()
        if size < PATCH or size % PATCH:
            raise BadInput(
                f"A ViT cannot cut {size} pixels into patches of {PATCH}.",
                f"Choose a raster size divisible by {PATCH}.",
            )
        if not 0 <= drop_path < 1:
            raise BadInput(f"drop_path cannot be {drop_path}.", "Give a share of the images, below 1.")
        width = self.features = variant.width
        self.patches = nn.Conv2d(channels, width, PATCH, PATCH)
        self.register_buffer("positions", sine_cosine(size // PATCH, width), persistent=False)
        rates = [drop_path * block / (variant.depth - 1) for block in range(variant.depth)]
        self.blocks = nn.Sequential(*(Block(width, variant.heads, rate) for rate in rates))
        self.norm = nn.LayerNorm(width)

        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        tokens_BNC = self.patches(images_BCHW).flatten(2).transpose(1, 2) + self.positions
        pooled: Tensor = self.norm(self.blocks(tokens_BNC)).mean(1)
        return pooled
