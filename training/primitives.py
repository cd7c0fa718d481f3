"""What a primitive is, and the loss that teaches a model to see it.

A raster is cut into cells of 8x8 pixels, and in each a model names one of 1,024 primitives: a pair
of choices out of 32, `primitive = 32 * first + second`. Taught by shapes, they mean this, where ink
is measured in the cell and edges by the structure tensor of its gradients (Bigun and Granlund,
"Optimal Orientation Detection of Linear Symmetry", ICCV 1987):

    first   0        empty: ink covers less than 1/64 of the cell (second is 0)
            1        full: all but 1/64 of it (second is 0)
            2..7     never taught
            8 c + o  the ink covers up to 1/3 (c = 1), up to 2/3 (c = 2) or more (c = 3), and its
                     edges run at o * 22.5 degrees (within 11.25), counter-clockwise, 0 being level
    second  16 b + 4 y + x
                     the centre of the ink lies in column x and row y of a 4x4 division of the cell,
                     counted from the upper left; b = 1 where the edges bend: coherence below 0.8,
                     as of an arc that turns by more than 65 degrees

Taught by k-means, the choices are whatever clusters the left and the right half of cells fall into.

Shape legend: B batch, H height, W width, G cells per side, N = G * G cells, K choices, M patches,
D pixels of a patch.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from glyphs.errors import BadInput

CELL = 8  # pixels a side
CHOICES = 32  # of each factor
TARGETS = "shapes", "kmeans"

_DIRECTIONS = 8
_SIDE = 4  # columns and rows in which the centre of the ink may lie
_TRACE = 1 / 64  # of the cell: a pixel of 8x8
_STRAIGHT = 0.8  # coherence; an arc that turns by t has sin(t) / t


def shape_targets(images_BCHW: Tensor, grid: int) -> Tensor:
    """What each cell shows: both factors of its primitive, (B, N, 2) int64.

    Measured at half resolution, a quarter of the cost, where the direction of a stroke of two pixels
    still comes out within 3 degrees.

    Args:
        images_BCHW: ink, float in 0..1 or uint8, colours averaged; a cell's side is even
        grid: cells per side
    """
    ink = F.avg_pool2d(images_BCHW.float(), 2).mean(1, keepdim=True)
    if images_BCHW.dtype == torch.uint8:
        ink = ink / 255
    cell = ink.shape[-1] // grid
    coverage, column, row = _moments(ink, cell)
    direction, coherence = _edges(ink, cell)

    level = 1 + (coverage > 1 / 3).long() + (coverage > 2 / 3).long()
    first = _DIRECTIONS * level + direction
    second = _SIDE**2 * (coherence < _STRAIGHT).long() + _SIDE * row + column
    empty, full = coverage < _TRACE, coverage > 1 - _TRACE
    first = first.masked_fill(empty, 0).masked_fill(full, 1)
    second = second.masked_fill(empty | full, 0)
    return torch.stack([first, second], dim=-1).flatten(1, 2)


def _moments(ink_B1HW: Tensor, cell: int) -> tuple[Tensor, Tensor, Tensor]:
    """Share of each cell under ink, and the ink's centre: column and row in 0..3; (B, G, G) each."""
    ramp = (torch.arange(ink_B1HW.shape[-1], device=ink_B1HW.device) % cell + 0.5) * (_SIDE / cell)
    moments = torch.cat([ink_B1HW, ink_B1HW * ramp, ink_B1HW * ramp[:, None]], dim=1)
    coverage, x, y = F.avg_pool2d(moments, cell).unbind(1)
    mass = coverage.clamp_min(1e-6)
    column, row = ((moment / mass).long().clamp(0, _SIDE - 1) for moment in (x, y))
    return coverage, column, row


def _edges(ink_B1HW: Tensor, cell: int) -> tuple[Tensor, Tensor]:
    """Direction of the edges in each cell in 0..7, and their coherence in 0..1; (B, G, G) each."""
    # Scharr's derivative, of all of its size the one whose direction errs least; by slices, since a
    # convolution of one channel is ten times slower.
    padded = F.pad(ink_B1HW, (1, 1, 1, 1), mode="replicate")[:, 0]
    down = 3 * (padded[:, :-2] + padded[:, 2:]) + 10 * padded[:, 1:-1]
    across = 3 * (padded[:, :, :-2] + padded[:, :, 2:]) + 10 * padded[:, :, 1:-1]
    dx, dy = down[:, :, 2:] - down[:, :, :-2], across[:, 2:] - across[:, :-2]
    xx, yy, xy = F.avg_pool2d(torch.stack([dx * dx, dy * dy, dx * dy], dim=1), cell).unbind(1)
    # Twice the angle between an edge and the level, and how far the edges agree on it; rows count
    # downwards, angles upwards.
    sine, cosine = 2 * xy, yy - xx
    direction = (torch.atan2(sine, cosine) * (_DIRECTIONS / math.tau)).round().long() % _DIRECTIONS
    return direction, torch.hypot(sine, cosine) / (xx + yy).clamp_min(1e-12)


def primitive_numbers(logits_BN2K: Tensor) -> Tensor:
    """Logits of both factors in each cell -> the primitive of each, (B, G, G) int64 in 0..1023."""
    first, second = logits_BN2K.argmax(-1).unbind(-1)
    grid = math.isqrt(logits_BN2K.shape[1])
    return (CHOICES * first + second).reshape(-1, grid, grid)


class Codebook(nn.Module):
    """Online k-means: `choices` centroids that follow the patches they are shown in training.

    Each is the exponential moving average of the patches nearest to it (van den Oord et al., "Neural
    Discrete Representation Learning", NeurIPS 2017, appendix A.1; Razavi et al., NeurIPS 2019).
    Centroids that hardly any patch is nearest to move to a patch that is ill represented, drawn as
    k-means++ seeds are (Arthur and Vassilvitskii, 2007): in the beginning that is all of them.
    The draws come from torch's generator; everything learned is in the buffers.
    """

    centroids: Tensor
    shares: Tensor

    decay = 0.99
    dead = 1e-4  # share of the patches
    candidates = 4096  # patches that dead centroids choose from

    def __init__(self, choices: int, width: int) -> None:
        super().__init__()
        self.register_buffer("centroids", torch.zeros(choices, width))
        self.register_buffer("shares", torch.zeros(choices))

    @torch.no_grad()
    def forward(self, patches_MD: Tensor) -> Tensor:
        """The nearest centroid of each patch, (M,) int64; in training the centroids then follow."""
        if not self.training:
            return self._nearest(patches_MD)
        self._revive(patches_MD)
        nearest = self._nearest(patches_MD)
        belongs_MK = F.one_hot(nearest, len(self.shares)).to(patches_MD.dtype)
        sums = self.centroids * self.shares[:, None]
        sums.lerp_(belongs_MK.T @ patches_MD / len(patches_MD), 1 - self.decay)
        self.shares.lerp_(belongs_MK.mean(0), 1 - self.decay)
        self.centroids.copy_(sums / self.shares.clamp_min(1e-12)[:, None])
        return nearest

    def _nearest(self, patches_MD: Tensor) -> Tensor:
        # The patch's own length is the same for all centroids.
        return (self.centroids.square().sum(1) - 2 * patches_MD @ self.centroids.T).argmin(1)

    def _revive(self, patches_MD: Tensor) -> None:
        dead = self.shares < self.dead
        if not dead.any():
            return
        drawn = torch.randint(len(patches_MD), (min(self.candidates, len(patches_MD)),))
        patches_MD = patches_MD[drawn.to(patches_MD.device)]
        missed_M = torch.full_like(patches_MD[:, 0], torch.inf)
        if not dead.all():
            missed_M = torch.cdist(patches_MD, self.centroids[~dead]).amin(1).square()
        for index in dead.nonzero()[:, 0].tolist():
            chance = torch.ones_like(missed_M) if missed_M.isinf().all() else missed_M
            if not chance.any():
                return
            patch = patches_MD[torch.multinomial(chance, 1)[0]]
            self.centroids[index] = patch
            self.shares[index] = 1 / len(self.shares)
            missed_M = missed_M.minimum((patches_MD - patch).square().sum(1))


class PrimitiveLoss(nn.Module):
    """Teaches primitives: cross-entropy of both factors, averaged over cells.

    With `shapes` the targets are `shape_targets`. With `kmeans` they are clusters of the cells'
    own pixels, one codebook for the left half of a cell and one for the right: product quantisation
    (Jegou et al., PAMI 2011), so that a pair of centroids side by side is the primitive's picture.
    K-means then adds `entropy` times how undecided cells are (their mean entropy) and how little of
    the choices the batch uses (what the entropy of its mean lacks of the possible), both in nats.

    Raises:
        BadInput: there are no such targets.
    """

    def __init__(self, targets: str = "shapes", entropy: float = 0.1) -> None:
        super().__init__()
        if targets not in TARGETS:
            raise BadInput(f"There are no targets {targets!r}.", f"Choose one of {', '.join(TARGETS)}.")
        self.entropy = entropy
        half = CELL * CELL // 2
        self.codebooks = (
            nn.ModuleList([Codebook(CHOICES, half) for _ in range(2)]) if targets == "kmeans" else None
        )

    def forward(self, primitives_BN2K: Tensor, images_BCHW: Tensor) -> Tensor:
        """primitives_BN2K: logits; images_BCHW: ink, float in 0..1 or uint8. A scalar, in nats."""
        logits = primitives_BN2K.float()
        if self.codebooks is None:
            targets_BN2 = shape_targets(images_BCHW, math.isqrt(logits.shape[1]))
            return F.cross_entropy(logits.flatten(0, 2), targets_BN2.flatten())
        targets_BN2 = self.clusters(images_BCHW)
        log_share = logits.log_softmax(-1)
        taught = F.nll_loss(log_share.flatten(0, 2), targets_BN2.flatten())
        share = log_share.exp()
        undecided = -(share * log_share).sum(-1).mean()
        used_2K = share.mean((0, 1))
        unused = math.log(CHOICES) + torch.xlogy(used_2K, used_2K).sum(-1).mean()
        return taught + self.entropy * (undecided + unused)

    def clusters(self, images_BCHW: Tensor) -> Tensor:
        """The clusters of both halves of each cell, (B, N, 2) int64; in training they are learned on."""
        assert self.codebooks is not None
        scale = 255 if images_BCHW.dtype == torch.uint8 else 1
        B, _, H, W = images_BCHW.shape
        ink = images_BCHW.float().mean(1) / scale
        # Row and pixel row, column, half and pixel column.
        halves = ink.reshape(B, H // CELL, CELL, W // CELL, 2, CELL // 2)
        patches_BN2D = halves.permute(0, 1, 3, 4, 2, 5).reshape(B, -1, 2, CELL * CELL // 2)
        N = patches_BN2D.shape[1]
        # Mixed precision would blur averages that move by a hundredth a step.
        with torch.autocast(ink.device.type, enabled=False):
            found = [
                codebook(patches_BN2D[:, :, half].flatten(0, 1)).view(B, N)
                for half, codebook in enumerate(self.codebooks)
            ]
        return torch.stack(found, dim=-1)
