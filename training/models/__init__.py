"""The models by name: `create("levit_128s", labels=5000)`."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from glyphs.errors import BadInput
from training.models.levit import VARIANTS as LEVIT_VARIANTS
from training.models.levit import LeViT, LeViTVariant
from training.models.options import ModelOptions
from training.models.recogniser import EMBEDDING, METRICS, Answers, Recogniser
from training.models.residual_cnn import VARIANTS as CNN_VARIANTS
from training.models.residual_cnn import CNNVariant, ResidualCNN
from training.models.unified_mlp import UnifiedMLP
from training.models.vit import VARIANTS as VIT_VARIANTS
from training.models.vit import ViT, ViTVariant

__all__ = ["EMBEDDING", "METRICS", "MODELS", "Answers", "ModelOptions", "Recogniser", "create"]

# Makes a backbone for (channels, size, options).
Factory = Callable[[int, int, ModelOptions], nn.Module]


def _levit(variant: LeViTVariant) -> Factory:
    return lambda channels, size, _: LeViT(variant, channels, size)


def _cnn(variant: CNNVariant) -> Factory:
    return lambda channels, size, _: ResidualCNN(variant, channels, size)


def _vit(variant: ViTVariant) -> Factory:
    return lambda channels, size, options: ViT(variant, channels, size, drop_path=options.drop_path)


MODELS: dict[str, Factory] = {
    **{name: _levit(variant) for name, variant in LEVIT_VARIANTS.items()},
    "unified_mlp": UnifiedMLP,
    **{name: _cnn(variant) for name, variant in CNN_VARIANTS.items()},
    **{name: _vit(variant) for name, variant in VIT_VARIANTS.items()},
}


def create(
    name: str, *, labels: int, channels: int = 1, size: int = 128, options: ModelOptions = ModelOptions()
) -> Recogniser:
    """A freshly initialised model.

    Raises:
        BadInput: no model has that name, or it cannot take such rasters or options.
    """
    if name not in MODELS:
        raise BadInput(f"There is no model {name!r}.", f"Choose one of {', '.join(MODELS)}.")
    if channels not in (1, 3):
        raise BadInput(f"No raster has {channels} channels.", "Choose 1 (grey) or 3 (colour).")
    return Recogniser(MODELS[name](channels, size, options), labels, channels)
