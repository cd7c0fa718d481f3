"""Mixup and cutmix: one picture of a batch blended with another, or patched with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from training.config import Mixing
from training.data.samples import Batch


@dataclass(frozen=True, slots=True)
class Mixed:
    """A batch whose glyph b is `share` (B,) of its own and the rest of glyph `other[b]`.

    image: (B, C, S, S) float in 0..1
    """

    image: Tensor
    other: Tensor
    share: Tensor


def mix(batch: Batch, how: Mixing, rng: np.random.Generator) -> Mixed | None:
    """Mix a batch in place of itself, or None where the draw says that it stays as it is."""
    kinds = [name for name in ("mixup", "cutmix") if getattr(how, name) > 0]
    if not kinds or rng.random() >= how.share:
        return None
    kind = kinds[int(rng.integers(len(kinds)))]
    image = batch["image"].float() / 255
    count, _, height, width = image.shape
    other = torch.from_numpy(rng.permutation(count)).to(image.device)
    own = float(rng.beta(getattr(how, kind), getattr(how, kind)))
    if kind == "mixup":
        image = own * image + (1 - own) * image[other]
    else:
        # A rectangle of the area 1 - own, wherever its centre falls; its true area counts.
        half = np.sqrt(1 - own) / 2
        y, x = rng.random(2)
        rows = slice(int(max(0, y - half) * height), int(np.ceil(min(1, y + half) * height)))
        columns = slice(int(max(0, x - half) * width), int(np.ceil(min(1, x + half) * width)))
        image[:, :, rows, columns] = image[other][:, :, rows, columns]
        own = 1 - (rows.stop - rows.start) * (columns.stop - columns.start) / (height * width)
    return Mixed(image, other, torch.full((count,), own, device=image.device))
