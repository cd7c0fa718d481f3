"""One model of several: the mean of their weights.

Models that were trained on from one another lie in one valley of the loss; the mean of their weights
lies lower in it, and knows families that none of them has seen better than either (Wortsman et al.,
"Model soups", ICML 2022, arXiv:2203.05482). That holds of a run and the model it started from, too, of
which it forgot something while it learned more (Wortsman et al., "Robust fine-tuning of zero-shot models",
CVPR 2022, arXiv:2109.01903).
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from glyphs.errors import BadInput
from training.checkpoint import Trained
from training.data.module import GlyphData
from training.warm_start import Start, take_over

_BATCHES = 24  # that batch normalisations take their statistics from


@torch.no_grad()
def soup(first: Trained, others: Sequence[Start], dataset: Path) -> Trained:
    """The mean of the models' weights, otherwise as the first; its batch normalisations get the statistics
    of training glyphs anew, since means of statistics are none.

    others: may know fewer labels; what decides about the rest is the first's

    Raises:
        BadInput: they are not of one kind, or one of the others has no label in common with the first.
        BadDataset: it holds nothing to train on.
    """
    data = GlyphData(dataset, first.config)

    models = [first.model]
    for other in others:
        _check_kind(first.model, other.model)
        models.append(deepcopy(first.model))
        take_over(models[-1], first.vocabulary.classes, other, data.batches())
    mean = deepcopy(first.model)
    states = [model.state_dict() for model in models]
    for name, target in mean.state_dict().items():
        if target.is_floating_point():
            target.copy_(torch.stack([state[name] for state in states]).mean(0))
    norms = [norm for norm in mean.modules() if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d)]
    if norms:
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # all batches count alike
            norm.train()
        for _, batch in zip(range(_BATCHES), data.batches(), strict=False):
            mean(batch["image"], batch["metrics"])
    most = max([first.samples, *(other.samples for other in others)])
    return replace(first, model=mean.eval(), samples=most, averaged=len(models))


def _check_kind(model: nn.Module, other: nn.Module) -> None:
    """Raises BadInput where the two differ in more than how many labels they know."""
    ours, theirs = (
        {
            name: tensor.shape
            for name, tensor in each.state_dict().items()
            if not name.startswith("classifier.")
        }
        for each in (model, other)
    )
    if ours != theirs:
        raise BadInput(
            "Weights can be averaged only of models of one kind that see pictures of one size.",
            "Average runs that were trained on from one another.",
        )
