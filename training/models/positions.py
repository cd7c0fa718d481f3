"""Fixed positions for the cells of a grid."""

from __future__ import annotations

import torch
from torch import Tensor


def sine_cosine(grid: int, width: int, longest: float = 10_000.0) -> Tensor:
    """(grid^2, width) float32: sines and cosines of the column, then of the row, half the width each.

    Vaswani et al., "Attention Is All You Need", 2017, once an axis, as in Beyer et al., 2022.
    Wavelengths grow geometrically from 2 pi cells to `longest` times that; `width` is divisible by 4.
    """
    frequencies = longest ** -torch.linspace(0, 1, width // 4)
    angles = torch.arange(grid)[:, None] * frequencies
    waves = torch.cat([angles.sin(), angles.cos()], dim=1)  # (grid, width / 2)
    columns = waves.repeat(grid, 1)
    rows = waves.repeat_interleave(grid, 0)
    return torch.cat([columns, rows], dim=1)
