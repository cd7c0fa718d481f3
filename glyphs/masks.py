"""Masks of pixels, and what hangs together in them."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]  # (H, W)
Scalar = TypeVar("Scalar", bound=np.generic)


def grown(mask: Mask, by: int) -> Mask:
    """The mask and all within `by` pixels of it along rows and columns."""
    reach = 0
    while reach < by:
        step = min(reach + 1, by - reach)  # more, and what starts at the margin would come from outside
        wide = mask.copy()
        wide[step:] |= mask[:-step]
        wide[:-step] |= mask[step:]
        mask = wide.copy()
        mask[:, step:] |= wide[:, :-step]
        mask[:, :-step] |= wide[:, step:]
        reach += step
    return mask


def blobs(mask: Mask) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Connected blobs (8 neighbours) as runs along the rows: start, stop and blob number of each.

    Positions count through a copy of the mask with an empty column on either side. Runs touch
    where they overlap one row apart; of touching runs all take the smallest number, until
    nothing changes.
    """
    stride = mask.shape[1] + 2
    flat = framed(mask).ravel()
    ends = (flat[1:] != flat[:-1]).nonzero()[0] + 1
    starts, stops = ends[0::2], ends[1::2]
    first = np.searchsorted(stops, starts + stride, "left")
    touching = np.searchsorted(starts, stops + stride, "right") - first
    above = np.repeat(np.arange(len(starts)), touching)
    below = np.arange(len(above)) + np.repeat(first - np.cumsum(touching) + touching, touching)
    labels = np.arange(len(starts))
    while True:
        a, b = labels[above], labels[below]
        if (a == b).all():
            break
        np.minimum.at(labels, np.maximum(a, b), np.minimum(a, b))
        labels = labels[labels]
    first_of = labels == np.arange(len(labels))
    return starts, stops, (np.cumsum(first_of) - 1)[labels]


def framed(values: NDArray[Scalar]) -> NDArray[Scalar]:
    """The same with an empty column on either side."""
    wide = np.zeros((values.shape[0], values.shape[1] + 2), values.dtype)
    wide[:, 1:-1] = values
    return wide
