"""Where marks sit: an accented letter's ink beside that of its bare letter, in the same face.

A model that has seen thousands of designs forgives a mark that is off its place; the face itself does
not: over its base, a mark above neither widens a wide letter nor reaches below its foot. What Unicode
decomposes canonically (UAX #15) can be held against what it is made of.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

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
