"""Several answers averaged into one: of several models, or of moved copies of each raster.

Log-probabilities are averaged (the geometric mean, which no single confident model carries alone),
embeddings are averaged and brought back to unit length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
from PIL import Image

from glyphs.errors import BadInput
from training.data.source import Pixels
from training.evaluation.examined import Predict, Subject
from training.evaluation.measures import Floats, log_probabilities

_SHIFTS = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1), (2, 0), (-2, 0), (0, 2), (0, -2))  # pixels
# (scale, shift): as it is, then what departs least; every raster meets the same ones.
MOVES = tuple(
    sorted(
        product((1.0, 0.95, 1.05), _SHIFTS), key=lambda move: abs(move[0] - 1) * 20 + sum(map(abs, move[1]))
    )
)


def averaged(predicts: Sequence[Predict]) -> Predict:
    """What all of them answer on average: mean log-probabilities as logits, mean embedding."""

    def predict(rasters: Pixels, metrics: Floats) -> tuple[Floats, Floats]:
        return _mean([one(rasters, metrics) for one in predicts])

    return predict


def moved(predict: Predict, copies: int) -> Predict:
    """Ask about `copies` versions of each raster, the first of them unmoved, and average.

    The others are shifted by a pixel or two and scaled by 5 % either way: the first of `MOVES`.
    """

    def on_average(rasters: Pixels, metrics: Floats) -> tuple[Floats, Floats]:
        return _mean([predict(move(rasters, *how), metrics) for how in MOVES[:copies]])

    return on_average


def move(rasters: Pixels, scale: float, shift: tuple[int, int]) -> Pixels:
    """(..., S, S) -> the same shape, scaled about the middle and shifted right and down; 0 comes in."""
    size = rasters.shape[-1]
    middle = (size - 1) / 2 + 0.5
    across, down = (middle - (middle + by) / scale for by in shift)
    how = (1 / scale, 0.0, across, 0.0, 1 / scale, down)  # from where a pixel is fetched
    planes = [
        np.asarray(
            Image.fromarray(plane).transform(
                (size, size), Image.Transform.AFFINE, how, Image.Resampling.BILINEAR
            )
        )
        for plane in rasters.reshape(-1, size, size)
    ]
    return np.stack(planes).reshape(rasters.shape)


def ensemble(subjects: Sequence[Subject]) -> Subject:
    """One subject of several; a single one stays what it is.

    Each counts as its own temperature has it. Neighbours and familiarity are gone: references and
    prototypes are embeddings of one model.

    Raises:
        BadInput: their labels, rasters or embeddings differ.
    """
    first, *others = subjects
    if not others:
        return first
    if any((other.labels, other.names) != (first.labels, first.names) for other in others):
        raise BadInput(
            "An ensemble answers with one set of labels, and these models have several.",
            "Train them on one dataset with the same min_families and min_count.",
        )
    if any((other.settings, other.channels) != (first.settings, first.channels) for other in others):
        raise BadInput("An ensemble looks at one raster, and these models are made for several.")
    # Scores and priors of each are divided by its temperature: on average by that of this one.
    temperature = len(subjects) / sum(1 / subject.temperature for subject in subjects)
    predict = averaged([_at(temperature, subject) for subject in subjects])
    return replace(
        first, predict=predict, temperature=temperature, familiar=None, neighbours=None, model=None
    )


def _at(temperature: float, subject: Subject) -> Predict:
    """Its logits, which divided by `temperature` are as sure as its own has them."""

    def predict(rasters: Pixels, metrics: Floats) -> tuple[Floats, Floats]:
        logits, embedding = subject.predict(rasters, metrics)
        return logits * (temperature / subject.temperature), embedding

    return predict


def _mean(answers: Sequence[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    if len({embedding.shape for _, embedding in answers}) > 1:
        raise BadInput("An ensemble needs embeddings of one width.")
    logits = np.mean([log_probabilities(logits) for logits, _ in answers], axis=0)
    embedding = np.mean([embedding for _, embedding in answers], axis=0)
    length = np.linalg.norm(embedding, axis=1, keepdims=True)
    return logits.astype(np.float32), (embedding / np.maximum(length, 1e-12)).astype(np.float32)
