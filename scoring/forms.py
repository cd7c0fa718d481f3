"""Joining forms of one letter that a face draws alike, although its design tells them apart.

That a final form has the very outline of the isolated one may be the design: of simplified and of
monospaced faces. It is none where the letters with the same body have two outlines there, or where nearly
all letters of the face have. Of 28,000 pairs of forms in published faces that are not for testing, 83 share
an outline.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import combinations

from glyphs.labels import Form, Label
from scoring.skeletons import skeleton

Look = tuple[str, int]
_SOME = 10  # letters that have both forms, from which their share tells anything
_FEW = 0.1  # share of letters that may have one outline for both
JOINS_NOT = 0x649  # alef maksura begins no word: fonts that draw it then draw anything


class Forms:
    """What a face's letters have for forms."""

    def __init__(self, looks: Iterable[tuple[Label, Look]]) -> None:
        """looks: of every joining form that the face has, the isolated ones among them"""
        self._looks: dict[int, dict[Form, Look]] = defaultdict(dict)
        for label, look in looks:
            self._looks[label.codepoint].setdefault(label.form, look)
        self._alike: dict[frozenset[Form], dict[int, bool]] = defaultdict(dict)
        for codepoint, forms in self._looks.items():
            for first, second in combinations(forms, 2):
                self._alike[frozenset((first, second))][codepoint] = forms[first] == forms[second]

    def oddly_alike(self, label: Label, form: Form) -> bool:
        """Whether a label has the outline of another form of its letter, which the design tells apart."""
        alike = self._alike[frozenset((label.form, form))]
        if label.codepoint == JOINS_NOT or not alike.get(label.codepoint, False):
            return False
        kin = [
            same
            for codepoint, same in alike.items()
            if codepoint != label.codepoint
            and skeleton(Label(codepoint, label.form)) == skeleton(label)
            and skeleton(Label(codepoint, form)) == skeleton(Label(label.codepoint, form))
        ]
        if kin:
            return not any(kin)
        return len(alike) >= _SOME and sum(alike.values()) <= max(1, _FEW * len(alike))
