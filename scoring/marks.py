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
# Marks above are often wider than these, and none is out of place for that.
_NARROW = frozenset("fijlrtıȷIJιΙіїјІЇЈ")
_CARON, _BESIDE_CARON = "\u030c", frozenset("dtlL")  # Czech and Slovak set an apostrophe beside these
_BELOW = 0.08  # em under the foot of the bare letter
_WIDER = 0.12  # em
_WIDE = 0.25  # em, of the bare letter

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
    if box[2] < bare[2] - _BELOW:
        return "below the letter"
    narrow = base in _NARROW or bare[0] <= _WIDE
    if box[0] > bare[0] + _WIDER and not narrow and not (_CARON in marks and base in _BESIDE_CARON):
        return "beside the letter"
    return ""


def stands_out(codepoint: int, width: float, kin: Sequence[float]) -> bool:
    """Whether a letter of a joining script is wider than those that share its body in the same form.

    width, kin: of the ink, em
    """
    if len(kin) < _KIN or codepoint in _WIDE_LETTERS:
        return False
    return width > max(kin) + _WIDER
