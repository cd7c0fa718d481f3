"""Masks as whole numbers, a bit a pixel: on pictures of a glyph Python's integers are shifted and joined in a
tenth of the time that numpy takes for its calls.

Rows follow one another, the first pixel in the lowest bit; `stride` is how many bits a row has. What is
shifted sideways passes from one row into the next, so a mask must have an empty column at one side at
least, and what is spread beyond a pixel counts only where something else tells that there is a pixel.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def of_mask(mask: NDArray[np.bool_]) -> int:
    """The mask, (H, W) bool, as a number whose stride is W."""
    return int.from_bytes(np.packbits(mask, bitorder="little").tobytes(), "little")


def box(bits: int, stride: int) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what is in a mask that is not empty, the latter two exclusive."""
    top, bottom = ((bits & -bits).bit_length() - 1) // stride, (bits.bit_length() - 1) // stride + 1
    rows = 1
    while rows < bottom:  # folded into the first
        bits |= bits >> rows * stride
        rows *= 2
    bits &= (1 << stride) - 1
    return (bits & -bits).bit_length() - 1, top, bits.bit_length(), bottom


def spread(bits: int, stride: int) -> int:
    """The mask and the eight neighbours of all that is in it."""
    wide = bits | bits << 1 | bits >> 1
    return wide | wide << stride | wide >> stride


def squares(bits: int, stride: int, side: int) -> int:
    """All squares of that side that the mask holds whole: a morphological opening."""
    left = bits
    for step in (1, stride):
        for _ in range(side - 1):
            left &= left >> step
    for step in (1, stride):
        for _ in range(side - 1):
            left |= left << step
    return left


def reached(bits: int, within: int, stride: int, steps: int) -> int:
    """What of a mask is reached from some bits of it by that many steps to neighbours, or fewer where there
    are no more: a morphological reconstruction, unless it takes longer.
    """
    for _ in range(steps):
        wider = spread(bits, stride) & within
        if wider == bits:
            break
        bits = wider
    return bits
