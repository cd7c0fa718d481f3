"""Training on from a model that is there: another dataset, more labels, another raster size.

Every weight that fits is taken over; a class keeps its row of the classifier wherever it stands
now; attention biases are resampled when the grid has another size.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import map_coordinates
from torch import Tensor, nn

from glyphs.errors import BadInput
from training.data import Batch, Class
from training.models import Recogniser
from training.models.levit import AttentionBias

CALIBRATION_BATCHES = 4  # that batch normalisations take their statistics from


@dataclass(frozen=True, slots=True)
class Start:
    """A model to start from, in evaluation mode, with what its labels are known by.

    merged: its normalisations do nothing but add a bias, as in a model read back from a bundle
    samples: drawings it was trained on, where known
    """

    model: Recogniser
    classes: Sequence[Class]
    merged: bool = False
    samples: int = 0


@torch.no_grad()
def take_over(model: Recogniser, classes: Sequence[Class], start: Start, batches: Iterable[Batch]) -> int:
    """Fill `model` from `start`; returns how many of `classes` it knew.

    Raises:
        BadInput: the two are not of one kind, or have no class in common.
    """
    place = {known: number for number, known in enumerate(start.classes)}
    common = [(number, place[known]) for number, known in enumerate(classes) if known in place]
    if not common:
        raise BadInput("The model to start from knows none of the labels.", "Start from another, or anew.")
    ours, theirs = (torch.tensor(column) for column in zip(*common, strict=True))
    state, source = model.state_dict(), start.model.state_dict()
    grids = {f"{name}.bias" for name, module in model.named_modules() if isinstance(module, AttentionBias)}
    if set(state) != set(source):
        raise BadInput(
            "The model to start from is of another kind.", "Set model and options to those it has."
        )
    for name, target in state.items():
        if name.startswith("classifier."):
            target[ours] = source[name][theirs]
        elif name in grids:
            target.copy_(_resampled(source[name], target.shape[1]))
        elif target.shape == source[name].shape:
            target.copy_(source[name])
        else:
            raise BadInput(
                f"{name} has another shape in the model to start from.",
                "Set model and options to those it has.",
            )
    if start.merged:  # only now, for the batches are of this model's raster size
        training = model.training
        normalise(model.eval(), batches)
        model.train(training)
    return len(common)


@torch.no_grad()
def normalise(model: Recogniser, batches: Iterable[Batch]) -> None:
    """Give batch normalisations that only add a bias the statistics of their inputs, and undo them.

    The model's answers stay what they were; but in training, when a batch's own statistics take the
    place of these, it starts from where it was instead of falling apart.
    """
    sums: dict[nn.Module, tuple[Tensor, Tensor, Tensor]] = {}

    def watch(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        values = inputs[0].float()
        values = values.transpose(0, 1).flatten(1)  # (C, everything else)
        moments = torch.tensor(values.shape[1]), values.sum(1), (values**2).sum(1)
        if norm in sums:
            (a, b, c), (d, e, f) = sums[norm], moments
            moments = a + d, b + e, c + f
        sums[norm] = moments

    norms = [m for m in model.modules() if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d))]
    hooks = [norm.register_forward_pre_hook(watch) for norm in norms]
    try:
        for _, batch in zip(range(CALIBRATION_BATCHES), batches, strict=False):
            model(batch["image"], batch["metrics"])
    finally:
        for hook in hooks:
            hook.remove()
    for norm in norms:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        count, total, squares = sums[norm]
        mean = total / count
        variance = (squares / count - mean**2).clamp_min(0.0)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.add_(mean)


def _resampled(bias: Tensor, offsets: int) -> Tensor:
    """(H, G * G) biases by offset in rows and columns -> (H, offsets), over the same stretch of picture."""
    if bias.shape[1] == offsets:
        return bias
    old, new = round(bias.shape[1] ** 0.5), round(offsets**0.5)
    where = np.mgrid[:new, :new] * (old / new)
    tables = bias.reshape(-1, old, old).numpy()
    return torch.from_numpy(
        np.stack([map_coordinates(table, where, order=1, mode="nearest").ravel() for table in tables])
    )
