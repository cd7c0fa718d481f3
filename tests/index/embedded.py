"""Embeddings as a model gives them: groups of look-alikes, most of their variance in a few directions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glyphs.labels import Form, Label
from index.pictures import PICTURE, Pictures
from index.references import References

WIDTH = 64
LABELS = [Label(ord("A")), Label(ord("B")), Label(0x391), Label(0x639, Form.INIT), Label(0xE01)]


def embedded(count: int, seed: int) -> NDArray[np.float32]:
    """(count, WIDTH) float32 unit rows; other seeds give others of the same groups."""
    scale = np.exp(-np.arange(WIDTH) / 12)
    centres = np.random.default_rng(0).standard_normal((40, WIDTH)) * scale
    rng = np.random.default_rng(seed)
    rows = centres[rng.integers(40, size=count)] + 0.5 * rng.standard_normal((count, WIDTH)) * scale
    turn, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((WIDTH, WIDTH)))
    turned = (rows / np.linalg.norm(rows, axis=1, keepdims=True)) @ turn
    return turned.astype(np.float32)


def referring(count: int, families: int = 40) -> References:
    """References for as many embeddings; labels and families have nothing to do with how they look."""
    rng = np.random.default_rng(2)
    return References(
        [LABELS[number] for number in rng.integers(len(LABELS), size=count)],
        [f"Family {number}" for number in rng.integers(families, size=count)],
        [str(number) for number in range(count)],
        Pictures.of([np.zeros((PICTURE, PICTURE), np.uint8)]).take([0] * count),
    )
