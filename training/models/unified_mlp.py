"""Unified MLP: cells of a raster are named as primitives, and an hourglass of mixers reads the names.

A convolutional stem sees each 8x8 cell and chooses one of 1,024 primitives for it
(`training.primitives` tells what they may mean); the primitive's embedding is the cell's token.

Provenance: the mixers follow Tolstikhin et al., "MLP-Mixer: An all-MLP Architecture for Vision",
NeurIPS 2021 (arXiv:2105.01601); the hard choice with a soft gradient is Bengio et al., "Estimating
or Propagating Gradients Through Stochastic Neurons", 2013 (arXiv:1308.3432); Gumbel-softmax is
Jang et al., ICLR 2017 (arXiv:1611.01144). Differences: a primitive is a pair of 32-way choices, for
a 1,024-way softmax on every cell costs more than all the rest; token mixing has a relative position
bias; the stem's features are added to the token with a learned scale, since ten bits a cell are few.

Shape legend: B batch, C channels, G cells per side, N = G * G cells or tokens, K choices.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from glyphs.errors import BadInput
from training.models.levit import ConvNorm, Residual
from training.models.linear import Linear, flat_linear
from training.models.options import ModelOptions
from training.models.positions import sine_cosine
from training.primitives import CELL, CHOICES, primitive_numbers

TOKENS = "straight_through", "gumbel", "soft"
POSITIONS = "learned", "fixed"

STEM = 16, 32, 64  # width after each halving; the last is that of cells and of the full grid
WIDTH = 160  # of the quarter grid
DEPTH = 5  # mixer blocks on the quarter grid


class PrimitiveTokens(nn.Module):
    """Features of cells (B, N, C) -> tokens (B, N, C) and the logits (B, N, 2, K) of their primitives.

    In training the choice is made as `tokens` says. In evaluation it is hard, a mere lookup, except
    for soft tokens, which stay soft.
    """

    def __init__(self, width: int, tokens: str) -> None:
        super().__init__()
        if tokens not in TOKENS:
            raise BadInput(f"There are no tokens {tokens!r}.", f"Choose one of {', '.join(TOKENS)}.")
        self.tokens = tokens
        self.head = Linear(width, 2 * CHOICES)
        self.embedding = nn.Parameter(torch.randn(2 * CHOICES, width) * 0.5)
        self.detail = nn.Parameter(torch.full((width,), 0.1))

    def forward(self, cells_BNC: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
        logits_BN2K = self.head(cells_BNC).unflatten(2, (2, CHOICES))
        if self.training or self.tokens == "soft":
            chosen = self._choose(logits_BN2K, temperature).flatten(2) @ self.embedding
        else:
            first, second = logits_BN2K.argmax(-1).unbind(-1)
            chosen = self.embedding[first] + self.embedding[second + CHOICES]
        return chosen + self.detail * cells_BNC, logits_BN2K

    def _choose(self, logits_BN2K: Tensor, temperature: float) -> Tensor:
        """Weights of the choices, (B, N, 2, K), 1 in all for each factor."""
        if self.tokens == "gumbel":
            # In float32: bfloat16 is too coarse for the logarithm of a logarithm.
            return F.gumbel_softmax(logits_BN2K.float(), tau=temperature)
        soft = logits_BN2K.softmax(-1)
        if self.tokens == "soft":
            return soft
        hard = torch.zeros_like(soft).scatter_(-1, soft.argmax(-1, keepdim=True), 1.0)
        return hard + (soft - soft.detach())


class TokenMixing(nn.Module):
    """Two linear layers over the tokens, shared by all channels: (B, N, C) -> (B, N, C).

    Hidden units belong to cells, `units` to each, so that the first layer's weight for a unit of
    cell i and the token of cell j can be a free number plus a bias that depends on the offset j - i
    alone: what is near is mixed alike wherever it is. After `fold()` the bias costs nothing.
    """

    def __init__(self, grid: int, units: int, *, relative: bool) -> None:
        super().__init__()
        self.grid = grid
        self.spread = nn.Linear(grid**2, units * grid**2)
        self.gather = Linear(units * grid**2, grid**2)
        offsets = 2 * grid - 1
        self.relative_bias = nn.Parameter(torch.zeros(units, offsets, offsets)) if relative else None

    def forward(self, x_BNC: Tensor) -> Tensor:
        hidden_BCH = flat_linear(x_BNC.transpose(1, 2), self._weight(), self.spread.bias).relu()
        out: Tensor = self.gather(hidden_BCH).transpose(1, 2)
        return out

    def _weight(self) -> Tensor:
        if self.relative_bias is None:
            return self.spread.weight
        # Cell (i, j) sees the table through a G x G window that ends where its own row and column
        # of offsets do: as a view, since indexing would be slow backwards.
        windows = self.relative_bias.unfold(1, self.grid, 1).unfold(2, self.grid, 1).flip(1, 2)
        return self.spread.weight + windows.reshape(self.spread.weight.shape)

    @torch.no_grad()
    def fold(self) -> None:
        """Merge the bias into the weights (for inference only)."""
        self.spread.weight.copy_(self._weight())
        self.relative_bias = None


def _mixer(grid: int, width: int, *, units: int, ratio: int, relative: bool) -> nn.Sequential:
    # ReLU, not GELU: a tenth faster in training and at inference alike.
    return nn.Sequential(
        Residual(nn.Sequential(nn.LayerNorm(width), TokenMixing(grid, units, relative=relative))),
        Residual(
            nn.Sequential(
                nn.LayerNorm(width),
                Linear(width, ratio * width),
                nn.ReLU(),
                Linear(ratio * width, width),
            )
        ),
    )


class Merge(nn.Module):
    """Every 2x2 tokens of a grid become one: (B, G * G, C_in) -> (B, ceil(G / 2)^2, C_out)."""

    def __init__(self, grid: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.grid = grid
        self.linear = Linear(4 * inputs, outputs)

    def forward(self, x_BNC: Tensor) -> Tensor:
        B, _, C = x_BNC.shape
        x_BGGC = x_BNC.reshape(B, self.grid, self.grid, C)
        if odd := self.grid % 2:
            x_BGGC = F.pad(x_BGGC, (0, 0, 0, odd, 0, odd))
        half = (self.grid + odd) // 2
        squares = x_BGGC.reshape(B, half, 2, half, 2, C).transpose(2, 3)
        out: Tensor = self.linear(squares.reshape(B, half * half, 4 * C))
        return out


class UnifiedMLP(nn.Module):
    """(B, channels, size, size) -> pooled features (B, WIDTH) and primitive logits (B, N, 2, K).

    Attributes:
        temperature: of Gumbel-softmax, for the training loop to lower as it goes on: high, and a
            token is a blend of primitives with gradients to all of them; near 0, and it is one
            primitive, drawn at random. The other kinds of tokens ignore it.

    Raises:
        BadInput: the size is not divisible by 8, or an option has no such choice.
    """

    def __init__(self, channels: int = 1, size: int = 128, options: ModelOptions = ModelOptions()) -> None:
        super().__init__()
        if size % CELL:
            raise BadInput(
                f"A unified MLP cannot cut {size} pixels into cells of {CELL}.",
                f"Choose a raster size divisible by {CELL}.",
            )
        if options.positions not in POSITIONS:
            raise BadInput(
                f"There are no positions {options.positions!r}.", f"Choose one of {', '.join(POSITIONS)}."
            )
        self.grid, self.features = size // CELL, WIDTH
        self.temperature = 1.0

        stem: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise([channels, *STEM]):
            stem += [ConvNorm(inputs, outputs), nn.ReLU()]
        width = STEM[-1]
        looking = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.stem = nn.Sequential(*stem, Residual(looking), nn.ReLU())
        self.primitives = PrimitiveTokens(width, options.tokens)
        positions = sine_cosine(self.grid, width, longest=64.0)
        if options.positions == "learned":
            self.positions = nn.Parameter(torch.randn_like(positions) * 0.02)
        else:
            self.register_buffer("positions", positions, persistent=False)
        relative, quarter = options.relative_bias, -(-self.grid // 2)
        self.hourglass = nn.Sequential(
            _mixer(self.grid, width, units=1, ratio=2, relative=relative),
            Merge(self.grid, width, WIDTH),
            *(_mixer(quarter, WIDTH, units=2, ratio=4, relative=relative) for _ in range(DEPTH)),
            nn.LayerNorm(WIDTH),
        )

    def forward(self, images_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        cells_BNC = self.stem(images_BCHW).flatten(2).transpose(1, 2)
        tokens_BNC, logits_BN2K = self.primitives(cells_BNC, self.temperature)
        pooled: Tensor = self.hourglass(tokens_BNC + self.positions).mean(1)
        return pooled, logits_BN2K

    @torch.no_grad()
    def explain(self, images_BCHW: Tensor) -> Tensor:
        """The primitive seen in each cell, (B, G, G) int64 in 0..1023; call in evaluation mode."""
        _, logits_BN2K = self(images_BCHW)
        return primitive_numbers(logits_BN2K)
