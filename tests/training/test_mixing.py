from __future__ import annotations

import numpy as np
import pytest
import torch

from training.config import Mixing
from training.data import Batch
from training.mixing import mix


def _batch() -> Batch:
    image = torch.stack([torch.full((1, 16, 16), value, dtype=torch.uint8) for value in (0, 255, 0, 255)])
    empty = torch.zeros(4, dtype=torch.int64)
    return {"image": image, "metrics": torch.zeros(4, 4), "label": empty, "shape": empty}


def test_without_parameters_nothing_is_mixed() -> None:
    assert mix(_batch(), Mixing(share=1.0), np.random.default_rng(0)) is None


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_the_share_says_how_much_of_a_picture_is_its_own(kind: str) -> None:
    batch = _batch()
    own = batch["image"].float() / 255
    for seed in range(50):
        mixed = mix(batch, Mixing(**{kind: 1.0}, share=1.0), np.random.default_rng(seed))
        assert mixed is not None
        share = float(mixed.share[0])
        expected = share * own.mean((1, 2, 3)) + (1 - share) * own[mixed.other].mean((1, 2, 3))
        assert torch.allclose(mixed.image.mean((1, 2, 3)), expected, atol=1e-5)
    assert torch.equal(batch["image"].float() / 255, own)


def test_cutmix_patches_and_mixup_blends() -> None:
    patched = mix(_batch(), Mixing(cutmix=1.0, share=1.0), np.random.default_rng(3))
    blended = mix(_batch(), Mixing(mixup=1.0, share=1.0), np.random.default_rng(3))
    assert patched is not None
    assert blended is not None
    assert set(patched.image.unique().tolist()) <= {0.0, 1.0}
    assert not set(blended.image.unique().tolist()) <= {0.0, 1.0}


def test_as_many_batches_are_mixed_as_asked() -> None:
    how = Mixing(mixup=0.2, cutmix=1.0, share=0.3)
    mixed = [mix(_batch(), how, np.random.default_rng(seed)) is not None for seed in range(400)]
    assert np.mean(mixed) == pytest.approx(0.3, abs=0.08)
