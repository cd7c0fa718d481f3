"""What a letter is made of, as Unicode has it: its marks and the side they belong on, and its dots.

What Unicode decomposes canonically (UAX #15) is a bare letter with marks. Dots are part of Arabic letters,
whose names tell them where they are regular. `scoring.marks` holds the ink of a face against it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from glyphs.labels import Label

ABOVE, BELOW = 1, -1
DOT_ABOVE = frozenset("ijіј")  # which Unicode does not take for a mark
# Canonical combining classes: above; below, attached below, and the iota subscript; attached above right.
_SIDES = {230: ABOVE, 220: BELOW, 202: BELOW, 240: BELOW}
_HORN = 216
_SCRIPTS = frozenset({"Latn", "Cyrl", "Grek", "Arab"})
_OVER_GREEK_CAPITALS = frozenset("\u0304\u0306\u0308")  # other marks stand on their left
# Dots of Arabic letters, those below negative; of other letters the names tell, where there are one or two:
# three or four are drawn smaller, or as one mark.
_DOTS = {
    "ب": -1, "ت": 2, "ث": 3, "ج": -1, "خ": 1, "ذ": 1, "ز": 1, "ش": 3, "ض": 1, "ظ": 1, "غ": 1, "ف": 1,
    "ق": 2, "ن": 1, "ي": -2, "ة": 2, "پ": -3, "چ": -3, "ژ": 3,
}  # fmt: skip
_FARSI_YEH = "ی"  # whose dots go where a word ends
_NAMED = re.compile(r" WITH (?:(TWO|THREE|FOUR) )?(DOT|HAMZA)S?(?: VERTICALLY| POINTING \w+)? (ABOVE|BELOW)$")
_EITHER_SIDE = frozenset("ؿڹݧڽࢡ")  # as their nearest kin, or in some forms, whatever their names say


@dataclass(frozen=True, slots=True)
class Built:
    """What a letter is made of: the bare letter, and the marks on either side."""

    base: Label
    marks: Mapping[int, str]


def bears_marks(label: Label) -> bool:
    """Whether anything can be said of a label's marks, if its pieces are known."""
    of = label.character
    return of.text in DOT_ABOVE or bool(of.joining_group) or decomposed(label) is not None


@cache
def decomposed(label: Label) -> Built | None:
    """None where a letter has no marks that stand clear of it."""
    of = label.character
    base, *marks = list(unicodedata.normalize("NFD", of.text))
    if not marks or of.script not in _SCRIPTS:
        return None
    if _HORN in map(unicodedata.combining, marks):
        horned = next(mark for mark in marks if unicodedata.combining(mark) == _HORN)
        base = unicodedata.normalize("NFC", base + horned)
        marks.remove(horned)
    sides = [_SIDES.get(unicodedata.combining(mark), 0) for mark in marks]
    if len(base) > 1 or not marks or not all(sides):
        return None
    if of.script == "Grek" and of.category != "Ll" and not _OVER_GREEK_CAPITALS.issuperset(marks):
        return None
    bare = Label(ord(base), label.form)
    if dots(bare):  # which are lost under a hamza
        return None
    by_side = {
        side: "".join(mark for mark, its in zip(marks, sides, strict=True) if its == side)
        for side in sorted(set(sides))
    }
    return Built(bare, by_side)


@cache
def dots(label: Label) -> int:
    """How many dots tell an Arabic letter from others: above, or below where negative; 0 of other letters."""
    of = label.character
    if not of.joining_group or of.text in _EITHER_SIDE:
        return 0
    named = _NAMED.search(of.name)
    if named and named[2] == "DOT" and named[1] in (None, "TWO"):
        return (2 if named[1] else 1) * named_side(label)
    if of.text == _FARSI_YEH:
        return -2 if label.form.joins_after else 0
    return _DOTS.get(of.text, 0)


@cache
def named_side(label: Label) -> int:
    """Where the name of an Arabic letter says that all its dots are, or its hamza; 0 where it does not."""
    of = label.character
    named = _NAMED.search(of.name)
    if named is None or not of.joining_group or of.text in _EITHER_SIDE:
        return 0
    return ABOVE if named[3] == "ABOVE" else BELOW


def has_pieces(label: Label) -> bool:
    """Whether a letter of a joining script has marks that are pieces of their own."""
    return dots(label) != 0 or named_side(label) != 0
