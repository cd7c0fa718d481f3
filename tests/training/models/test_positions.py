from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from training.models.positions import sine_cosine


@pytest.mark.parametrize(("grid", "width", "longest"), [(8, 192, 10_000.0), (16, 64, 64.0)])
def test_positions_tell_every_cell_from_every_other_and_near_from_far(
    grid: int, width: int, longest: float
) -> None:
    positions = F.normalize(sine_cosine(grid, width, longest), dim=1)
    assert positions.shape == (grid * grid, width)
    alike = positions @ positions.T
    assert (alike - torch.eye(grid * grid)).max() < 0.999
    own, right, below, far = alike[0, [0, 1, grid, grid * grid - 1]]
    assert own > right > far
    torch.testing.assert_close(right, below)
