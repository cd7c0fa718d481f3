"""Which labels share a body and differ in dots or marks only.

Of Arabic letters the joining groups of Unicode say so, but for letters that lose their tails: at the
beginning and in the middle of a word Beh, Noon and Yeh have one tooth, Feh and Qaf one loop. Of other
letters their names do: W WITH ACUTE has the body of W.
"""

from __future__ import annotations

import unicodedata
from functools import cache

from glyphs.labels import Label

_ONE_TOOTH = frozenset({"beh", "noon", "nya", "yeh", "farsi_yeh", "african_noon", "thin_yeh", "rohingya_yeh"})
_ONE_LOOP = frozenset({"feh", "qaf", "african_feh", "african_qaf"})
_DOTTED = {"ı": "i", "ȷ": "j"}  # the letters without a dot have names of their own


def same_skeleton(first: Label, second: Label) -> bool:
    """Whether two different labels are the same but for dots or marks."""
    return first.codepoint != second.codepoint and skeleton(first) == skeleton(second)


@cache
def skeleton(label: Label) -> str:
    """A name for the body of a label in its form."""
    of = label.character
    if of.joining_group:
        group = of.joining_group
        if label.form.joins_after:
            group = "tooth" if group in _ONE_TOOTH else "loop" if group in _ONE_LOOP else group
        return f"{of.script} {group}"
    text = unicodedata.normalize("NFD", of.text)
    base = _DOTTED.get(text[0], text[0])
    name, mark, _ = unicodedata.name(base, f"U+{ord(base):04X}").partition(" WITH ")
    return name if mark or unicodedata.category(base).startswith("L") else of.text
