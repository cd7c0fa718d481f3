"""Where marks sit: the ink of letters with marks beside that of their kin in the same face.

A model that has seen thousands of designs forgives a mark that is off its place; the face itself does
not. Over its base, a mark above neither widens a wide letter nor reaches below its foot: what Unicode
decomposes canonically (UAX #15) can be held against what it is made of. And letters of a joining script
that share a body are as wide as one another, wherever their dots are.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence

from glyphs.characters import character

_ABOVE = 230  # canonical combining class
_SCRIPTS = frozenset({"Latn", "Cyrl", "Grek"})
_DOTLESS = {"i": "ı", "j": "ȷ"}  # what stands under a mark above
# Marks above are wider than the narrow ones of these, and stand over the stem of the others.
_ELSEWHERE = frozenset("bdfhijklrtıȷIJLιΙіїјІЇЈ")
# In em. Chosen on the fonts that are not for testing: of their letters with one mark, one in a thousand is
# told to be out of place, and much of that rightly.
_BELOW = 0.08  # under the foot of the bare letter
_WIDER = 0.08  # than the bare letter
_SLANT = 0.35  # wider still for each em of height: the mark of a slanted letter stands to the right
_WIDE = 0.25  # width of a bare letter that is wider than marks
_KIN_WIDER = 0.12  # than the widest letter with the same body

# Letters with a mark beside the body by design: in training families these alone, of letters that share a
# body with three others, are often wider than all of them.
_WIDE_LETTERS = frozenset({0x622, 0x649, 0x675, 0x676, 0x677, 0x678, 0x695, 0x750, 0x8A6, 0x8AA, 0x8B7})
_KIN = 3  # letters with the same body that it takes

Box = tuple[float, float, float, float]  # width, height, bottom, advance; em


def misplaced(codepoint: int, box: Box, boxes: Mapping[int, Box]) -> str:
    """How the marks above a letter are out of place, in words; empty where they are not.

    box: of the character; boxes: of the face's characters, by code point
    """
    base, *marks = list(unicodedata.normalize("NFD", chr(codepoint)))
    of = character(codepoint)
    if not marks or any(unicodedata.combining(mark) != _ABOVE for mark in marks) or of.script not in _SCRIPTS:
        return ""
    if of.script == "Grek" and of.category != "Ll":  # the marks of Greek capitals stand on their left
        return ""
    bare = boxes.get(ord(_DOTLESS.get(base, base)))
    if bare is None:
        return ""
    width, height, bottom, _ = box
    if bottom < bare[2] - _BELOW:
        return "below the letter"
    # Several marks, as of Vietnamese, may stand side by side.
    if len(marks) > 1 or base in _ELSEWHERE or bare[0] <= _WIDE:
        return ""
    higher = max(0.0, bottom + height - bare[2] - bare[1])
    return "beside the letter" if width > bare[0] + _WIDER + _SLANT * higher else ""


def stands_out(codepoint: int, width: float, kin: Sequence[float]) -> bool:
    """Whether a letter of a joining script is wider than those that share its body in the same form.

    width, kin: of the ink, em
    """
    if len(kin) < _KIN or codepoint in _WIDE_LETTERS:
        return False
    return width > max(kin) + _KIN_WIDER
