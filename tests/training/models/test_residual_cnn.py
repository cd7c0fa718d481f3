from __future__ import annotations

import pytest
import torch

from training.models.residual_cnn import GRID, VARIANTS, Block, ResidualCNN


@pytest.mark.parametrize("size", [16, 32, 48, 64, 128, 256])
def test_the_stem_brings_any_raster_to_a_small_grid(size: int) -> None:
    cells = ResidualCNN(VARIANTS["residual_cnn"], size=size).stem(torch.rand(1, 1, size, size))
    assert GRID <= cells.shape[-1] < 2 * GRID
    assert cells.shape[1] == 64


def test_the_weights_are_as_many_as_stated() -> None:
    backbone = ResidualCNN(VARIANTS["residual_cnn"], size=32)
    stated = 18_720 + 147_456 + 652_032 + 2_654_208
    assert sum(p.numel() for p in backbone.parameters() if p.ndim == 4) == stated
    assert stated == pytest.approx(3.5e6, rel=0.02)


def test_separable_convolutions_are_a_fraction_of_the_weights() -> None:
    full, separable = (sum(p.numel() for p in ResidualCNN(v).parameters()) for v in VARIANTS.values())
    assert separable < full / 5


@pytest.mark.parametrize("separable", [False, True])
def test_a_block_starts_as_the_identity(separable: bool) -> None:
    cells = torch.rand(2, 16, 8, 8)
    assert torch.equal(Block(16, 16, 1, separable=separable)(cells), cells)
