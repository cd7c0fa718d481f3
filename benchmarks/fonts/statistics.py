"""Shares with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any

import numpy as np

Figures = dict[str, Any]
_NORMAL = 1.959964  # of 95 per cent
_DRAWS = 2000


def wilson(hits: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share of independent cases."""
    if not of:
        return 0.0, 1.0
    share, spread = hits / of, _NORMAL**2 / of
    middle = (share + spread / 2) / (1 + spread)
    half = _NORMAL / (1 + spread) * sqrt(share * (1 - share) / of + spread / (4 * of))
    return max(0.0, middle - half), min(1.0, middle + half)


def clustered(hits: Sequence[int], of: Sequence[int]) -> tuple[float, float]:
    """The 95 % interval of a ratio whose cases come in families: families are drawn again and again."""
    counted, totals = np.array(hits, np.float64), np.array(of, np.float64)
    if not totals.sum():
        return 0.0, 1.0
    drawn = np.random.default_rng(0).integers(0, len(totals), (_DRAWS, len(totals)))
    below = totals[drawn].sum(axis=1)
    ratios = counted[drawn].sum(axis=1)[below > 0] / below[below > 0]
    low, high = np.percentile(ratios, (2.5, 97.5))
    return float(low), float(high)


def share(hits: int, of: int) -> Figures:
    """A share with its Wilson interval; None of nothing."""
    low, high = wilson(hits, of)
    return {"hits": hits, "of": of, "share": hits / of if of else None, "low": low, "high": high}
