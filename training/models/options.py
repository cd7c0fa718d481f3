"""What some models can be told and the others ignore."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """Choices within one architecture; a checkpoint's weights fit only the options they came with.

    Attributes:
        drop_path: ViT: chance that the last block is skipped for an image; 0 at the first, linear
            between them
        tokens: unified_mlp: how primitives become tokens in training: straight_through, gumbel
            or soft
        positions: unified_mlp: learned, or fixed (2-D sine-cosine)
        relative_bias: unified_mlp: mixing knows how far two cells are apart
    """

    drop_path: float = 0.1
    tokens: str = "straight_through"
    positions: str = "learned"
    relative_bias: bool = True
