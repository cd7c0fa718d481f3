"""A teacher for distillation: any recogniser with labels, asked for its logits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from glyphs.errors import BadInput
from glyphs.raster import RasterSettings
from training.data import Batch, Class
from training.models import Recogniser


@dataclass(frozen=True)
class Teacher:
    """A function from (B, 1, S, S) uint8 images and (B, 4) metrics to (B, T) logits, with its T classes."""

    predict: Callable[[Tensor, Tensor], Tensor]
    classes: Sequence[Class]
    settings: RasterSettings

    @classmethod
    def of_model(cls, model: Recogniser, classes: Sequence[Class], settings: RasterSettings) -> Self:
        """A model of this package; it answers on whichever device it is asked."""
        model.eval().requires_grad_(requires_grad=False)

        def predict(image: Tensor, metrics: Tensor) -> Tensor:
            logits: Tensor = model.to(image.device)(image, metrics)["logits"]
            return logits

        return cls(predict, classes, settings)

    @classmethod
    def of_function(
        cls,
        answer: Callable[[NDArray[np.uint8], NDArray[np.float32]], NDArray[np.float32]],
        classes: Sequence[Class],
        settings: RasterSettings,
    ) -> Self:
        """Anything that answers (N, S, S) rasters and (N, 4) metrics with (N, T) logits on the CPU."""

        def predict(image: Tensor, metrics: Tensor) -> Tensor:
            return torch.from_numpy(answer(image[:, 0].cpu().numpy(), metrics.cpu().numpy()))

        return cls(predict, classes, settings)


class Lessons:
    """A teacher's logits in the order of a student's classes.

    The teacher may see finer rasters than the student, or coarser ones: what the student sees is
    resampled for it.

    Raises:
        BadInput: the ink fills another share of the teacher's rasters, or it knows none of the classes.
    """

    def __init__(self, teacher: Teacher, classes: Sequence[Class], settings: RasterSettings) -> None:
        theirs = teacher.settings
        if theirs.box * settings.size != settings.box * theirs.size:
            raise BadInput(
                f"The teacher's ink fills {theirs.box} of {theirs.size} pixels, the student's {settings.box} "
                f"of {settings.size}.",
                "Set size and box to the teacher's, or both to the same part of them.",
            )
        place = {known: number for number, known in enumerate(teacher.classes)}
        common = [(number, place[known]) for number, known in enumerate(classes) if known in place]
        if len(common) < 2:
            raise BadInput("The teacher knows none of the labels to be learned.", "Choose another teacher.")
        self._teacher, self._labels = teacher, len(classes)
        self._ours, self._theirs = (torch.tensor(column) for column in zip(*common, strict=True))

    def __deepcopy__(self, _: object) -> Lessons:
        """Averaging weights copies the module; a teacher's session cannot be copied, nor need be."""
        return self

    def __call__(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """(B, L) logits, -inf for labels the teacher does not know; (B,) whether it knows the glyph's own."""
        image, size = batch["image"], self._teacher.settings.size
        with torch.no_grad():
            if image.shape[-1] != size:
                finer = F.interpolate(image.float(), (size, size), mode="bilinear", antialias=True)
                image = finer.round().to(torch.uint8)
            logits = self._teacher.predict(image, batch["metrics"]).to(image.device, torch.float32)
        out = torch.full((len(logits), self._labels), -torch.inf, device=image.device)
        out[:, self._ours] = logits[:, self._theirs]
        return out, ~out.gather(1, batch["label"][:, None])[:, 0].isneginf()
