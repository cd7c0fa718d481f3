"""A teacher for distillation: any recogniser with labels, asked for its logits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glyphs.errors import BadInput
from glyphs.labels import Label
from glyphs.raster import RasterSettings
from training.data.samples import Batch


@dataclass(frozen=True)
class Teacher:
    """A function from (N, S, S) rasters and (N, 4) metrics to (N, T) logits, with its T labels."""

    predict: Callable[[NDArray[np.uint8], NDArray[np.float32]], NDArray[np.float32]]
    labels: Sequence[Label]
    settings: RasterSettings


class Lessons:
    """A teacher's logits in the order of a student's labels.

    Raises:
        BadInput: the teacher sees other rasters, or knows none of the labels.
    """

    def __init__(self, teacher: Teacher, labels: Sequence[Label], settings: RasterSettings) -> None:
        if teacher.settings != settings:
            raise BadInput(
                f"The teacher sees rasters of {teacher.settings}, the student of {settings}.",
                "Set size and box to the teacher's.",
            )
        place = {label: number for number, label in enumerate(teacher.labels)}
        common = [(number, place[label]) for number, label in enumerate(labels) if label in place]
        if len(common) < 2:
            raise BadInput("The teacher knows none of the labels to be learned.", "Choose another teacher.")
        self._teacher, self._labels = teacher, len(labels)
        self._ours, self._theirs = (torch.tensor(column) for column in zip(*common, strict=True))

    def __deepcopy__(self, _: object) -> Lessons:
        """Averaging weights copies the module; a teacher's session cannot be copied, nor need be."""
        return self

    def __call__(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """(B, L) logits, -inf for labels the teacher does not know; (B,) whether it knows the glyph's own."""
        image = batch["image"]
        logits = self._teacher.predict(image[:, 0].cpu().numpy(), batch["metrics"].cpu().numpy())
        out = torch.full((len(logits), self._labels), -torch.inf)
        out[:, self._ours] = torch.from_numpy(logits)[:, self._theirs].float()
        out = out.to(image.device)
        return out, ~out.gather(1, batch["label"][:, None])[:, 0].isneginf()
