"""The second layer of an index's codes: what the first one lost, four bits at a time.

Transform coding (Brandt, "Transform coding for fast approximate nearest neighbor search in high dimensions",
CVPR 2010): in the axes of greatest variance some numbers tell much and others little, so that each step of
four bits goes where the greatest error is left (reverse water-filling). Each step divides the range of what
is left of one number into 16; a number may be refined more than once.

A last byte tells by how much what the codes stand for falls short in the embedding's own direction: scaled
by it, the inner product of both is 1 (as in Gao and Long, "RaBitQ", SIGMOD 2024). Whoever asks for something
near asks in nearly that direction: of the error, only what lies across it remains.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_LEVELS = 16
_COVERED = 0.9995  # share of what is left that the range of a step spans; the rest is clipped


def principal_axes(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """(E, E), orthonormal columns, that of the greatest second moment first.

    About the origin and not about the mean: inner products stay what they are.
    """
    moments = embeddings.T.astype(np.float64) @ embeddings
    _, vectors = np.linalg.eigh(moments)
    axes: NDArray[np.float32] = np.ascontiguousarray(vectors[:, ::-1], np.float32)
    return axes


@dataclass(frozen=True, slots=True)
class Layer:
    """S steps, an even number; a code is S / 2 + 1 bytes.

    axis: (S,) int64, the number that each step refines
    low, width: (S,) float32, where the range begins, and how wide one of its 16 parts is
    scales: (256,) float32, what the last byte stands for
    """

    axis: NDArray[np.int64]
    low: NDArray[np.float32]
    width: NDArray[np.float32]
    scales: NDArray[np.float32]

    @property
    def bytes(self) -> int:
        """Of a code."""
        return len(self.axis) // 2 + 1

    @classmethod
    def trained(cls, rows: NDArray[np.float32], left: NDArray[np.float32], steps: int) -> Layer:
        """Steps for what is left, (N, E), of embeddings such as these, (N, E)."""
        left = left.copy()
        error = np.square(left).mean(axis=0)
        axis, low, width = [], [], []
        for _ in range(steps):
            worst = int(error.argmax())
            first, last = np.quantile(left[:, worst], [1 - _COVERED, _COVERED])
            part = max(float(last - first), 1e-12) / _LEVELS
            axis.append(worst)
            low.append(first)
            width.append(part)
            left[:, worst] -= _decoded(_levels(left[:, worst], first, part), first, part)
            error[worst] = np.square(left[:, worst]).mean()
        scales = _scales(rows, left)
        return cls(
            np.array(axis), np.array(low, np.float32), np.array(width, np.float32),
            np.linspace(scales.min(), scales.max(), 256, dtype=np.float32),
        )  # fmt: skip

    def encode(self, rows: NDArray[np.float32], left: NDArray[np.float32]) -> NDArray[np.uint8]:
        """(N, S / 2 + 1) uint8 codes of what is left of embeddings, both (N, E)."""
        left = left.copy()
        levels = np.empty((len(left), len(self.axis)), np.uint8)
        for step, (axis, low, width) in enumerate(zip(self.axis, self.low, self.width, strict=True)):
            levels[:, step] = _levels(left[:, axis], low, width)
            left[:, axis] -= _decoded(levels[:, step], low, width)
        half = len(self.axis) // 2
        first, last = self.scales[[0, -1]]
        scale = np.rint((_scales(rows, left) - first) / max(last - first, 1e-12) * 255).clip(0, 255)
        return np.hstack([
            levels[:, :half] | levels[:, half:] << np.uint8(4), scale[:, None].astype(np.uint8)
        ])  # fmt: skip

    def decode(self, codes: NDArray[np.uint8], dimension: int) -> NDArray[np.float32]:
        """(N, dimension) float32: what the codes, (N, S / 2 + 1), stand for, not scaled."""
        found = np.zeros((len(codes), dimension), np.float32)
        codes = codes[:, :-1]
        values = _decoded(np.hstack([codes & 15, codes >> 4]), self.low, self.width)
        for step, axis in enumerate(self.axis):
            found[:, axis] += values[:, step]
        return found

    def refined(
        self, similar: NDArray[np.float32], queries: NDArray[np.float32], codes: NDArray[np.uint8]
    ) -> NDArray[np.float32]:
        """Inner products, (N, K), of queries, (N, E), with first layers, made those with both layers.

        codes: (N, K, S / 2 + 1), K for each query; or (K, S / 2 + 1), the same for all
        """
        scales, codes = self.scales[codes[..., -1]], codes[..., :-1]
        half = len(self.axis) // 2
        weights = queries[:, self.axis] * self.width
        begin = (queries[:, self.axis] * (self.low + self.width / 2)).sum(axis=1)
        lower, upper = (codes & 15).astype(np.float32), (codes >> 4).astype(np.float32)
        products = (lower @ weights[:, :half, None] + upper @ weights[:, half:, None]).squeeze(2)
        refined: NDArray[np.float32] = (similar + products + begin[:, None]) * scales
        return refined


def _scales(rows: NDArray[np.float32], left: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N,) what unit rows are in their own direction, by what the codes are that leave this."""
    scales: NDArray[np.float32] = 1 / (1 - (rows * left).sum(axis=1))
    return scales


def _levels(values: NDArray[np.float32], low: float, width: float) -> NDArray[np.uint8]:
    levels: NDArray[np.uint8] = np.clip(np.floor((values - low) / width), 0, _LEVELS - 1).astype(np.uint8)
    return levels


def _decoded(
    levels: NDArray[np.uint8], low: float | NDArray[np.float32], width: float | NDArray[np.float32]
) -> NDArray[np.float32]:
    values: NDArray[np.float32] = (low + (levels + np.float32(0.5)) * width).astype(np.float32)
    return values
