"""A trained model as a `torch.export` program, for who serves with torch."""

from __future__ import annotations

import io
from copy import deepcopy
from pathlib import Path

import torch

from glyphs.folders import put
from recognition.bundle import IMAGE, METRICS
from training.models import Recogniser


def to_program(model: Recogniser, path: Path, *, size: int) -> None:
    """Write `model` to `path` (.pt2), to be read by `torch.export.load`: image uint8 (N, 1, S, S) and
    metrics float32 (N, 4), N free, to a dictionary as the model gives it. Normalisations are folded.
    """
    folded = deepcopy(model).float().eval()
    folded.fold()
    example = (torch.zeros(2, 1, size, size, dtype=torch.uint8), torch.zeros(2, 4))
    batch = torch.export.Dim("batch", min=1, max=65536)
    program = torch.export.export(
        folded.eval(), example, dynamic_shapes={IMAGE: {0: batch}, METRICS: {0: batch}}
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    content = io.BytesIO()  # writing to a file, torch makes a RuntimeError of a full disk
    torch.export.save(program, content)
    put(content.getbuffer(), path)
