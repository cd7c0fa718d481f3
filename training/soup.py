"""One model of several: the mean of their weights.

Models that were trained on from one another lie in one valley of the loss; the mean of their weights
lies lower in it, and knows families that none of them has seen better than either (Wortsman et al.,
"Model soups", ICML 2022, arXiv:2203.05482).
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader

from glyphs.errors import BadInput
from training.checkpoint import Trained
from training.data import GlyphData
from training.data.samples import Numbers

_BATCHES = 24  # that batch normalisations take their statistics from


@torch.no_grad()
def soup(models: Sequence[Trained], dataset: Path) -> Trained:
    """The mean of the models' weights, otherwise as the first; its batch normalisations get the statistics
    of training glyphs anew, since means of statistics are none.

    Raises:
        BadInput: they are not of one kind, or know other labels.
        BadDataset: it holds nothing to train on.
    """
    first, *others = models
    states = [trained.model.state_dict() for trained in models]
    for trained, state in zip(others, states[1:], strict=True):
        shapes = {name: tensor.shape for name, tensor in state.items()}
        if (
            trained.config.model != first.config.model
            or trained.config.raster != first.config.raster
            or trained.vocabulary.labels != first.vocabulary.labels
            or shapes != {name: tensor.shape for name, tensor in states[0].items()}
        ):
            raise BadInput(
                "Weights can be averaged only of models of one kind that know the same labels.",
                "Average runs that were trained on from one another.",
            )
    model = deepcopy(first.model)
    for name, target in model.state_dict().items():
        if target.is_floating_point():
            target.copy_(torch.stack([state[name] for state in states]).mean(0))
    norms = [norm for norm in model.modules() if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d)]
    if norms:
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # all batches count alike
            norm.train()
        data = GlyphData(dataset, first.config)
        batches = DataLoader(data.samples(), first.config.batch, sampler=Numbers(first.config))
        for _, batch in zip(range(_BATCHES), batches, strict=False):
            model(batch["image"], batch["metrics"])
    most = max(trained.samples for trained in models)
    return replace(first, model=model.eval(), samples=most, averaged=len(models))
