"""The models by name: `create("levit_128s", labels=5000)`."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from glyphs.errors import BadInput
from training.models.levit import VARIANTS as LEVIT_VARIANTS
from training.models.levit import LeViT
from training.models.recogniser import EMBEDDING, Answers, Recogniser

__all__ = ["EMBEDDING", "MODELS", "Answers", "Recogniser", "create"]

# Name -> backbone for (channels, size).
MODELS: dict[str, Callable[[int, int], nn.Module]] = {
    name: (lambda channels, size, variant=variant: LeViT(variant, channels, size))  # type: ignore[misc]
    for name, variant in LEVIT_VARIANTS.items()
}


def create(name: str, *, labels: int, channels: int = 1, size: int = 128) -> Recogniser:
    """A freshly initialised model.

    Raises:
        BadInput: no model has that name.
    """
    if name not in MODELS:
        raise BadInput(f"There is no model {name!r}.", f"Choose one of {', '.join(MODELS)}.")
    return Recogniser(MODELS[name](channels, size), labels)
