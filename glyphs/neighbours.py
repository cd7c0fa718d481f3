"""Which kinds of characters stand next to each other in text, whatever the language.

A letter of a word is next to letters of its script, a capital seldom after a small letter, a digit next to
digits; a comma follows a letter and a quotation mark comes before one. Kinds are Unicode's general
categories; common punctuation and signs are kinds of their own. The table in use is `data/neighbours.tsv`,
counted over the same texts as `glyphs.text`'s, and made by `glyphery dataset neighbours`.
"""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from glyphs.errors import BadInput
from glyphs.labels import Label
from glyphs.tables import read_list
from glyphs.text import labels_in, text_shares

SPACE = "space"  # the kind of what is around words
_COMMON = 3e-6  # of a text's characters, from which on what is no letter is a kind of its own
_WRITTEN_TOGETHER = {"Kana": "Hira", "Hani": "Hira"}
_SCRIPTLESS = "Zyyy", "Zinh"  # punctuation, digits, marks
_UNSEEN = 0.01  # of all pairs are as chance has them, whatever was counted
Pair = tuple[str, str, str]  # two kinds, and a relation of their scripts
_RELATIONS = NO_SCRIPT, SAME, OTHER = "-", "same", "other"  # the first: one of the two is of no script


def writing(label: Label) -> str:
    """The script of a text that has the label: its own, or one that is written with it; "" for any."""
    script = label.character.script
    return "" if script in _SCRIPTLESS else _WRITTEN_TOGETHER.get(script, script)


def count(kinds: Sequence[Iterable[str]]) -> dict[Pair, float]:
    """What share of the pairs of neighbours each is, over kinds of text that weigh the same, each of texts
    that weigh the same: one a language.

    Raises:
        BadInput: a text has no characters.
    """
    own = {
        label.codepoint
        for label, share in text_shares().items()
        if share > _COMMON and label.character.category[0] in "PS"
    }
    shares: dict[Pair, float] = defaultdict(float)
    for texts in kinds:
        counts = [Counter(_pairs(text, own)) for text in texts]
        for pairs in counts:
            if not pairs:
                raise BadInput("A text has no characters.")
            whole = pairs.total() * len(counts) * len(kinds)
            for pair, times in pairs.items():
                shares[pair] += times / whole
    return dict(sorted(shares.items()))


def _pairs(text: str, own: set[int]) -> Iterator[Pair]:
    for word in unicodedata.normalize("NFC", text).split():
        told = [(_kind(label, own), writing(label)) for label in labels_in(word)]
        if told:
            for (kind, script), (after, next_script) in pairwise([(SPACE, ""), *told, (SPACE, "")]):
                yield kind, after, _relation(script, next_script)


def _kind(label: Label, own: set[int]) -> str:
    return str(label.codepoint) if label.codepoint in own else label.character.category


def _relation(script: str, other: str) -> str:
    return NO_SCRIPT if not script or not other else SAME if script == other else OTHER


def to_tsv(shares: Mapping[Pair, float]) -> str:
    """The table as `data/neighbours.tsv` has it."""
    return "# kind\tthe next one's\tscripts\tin a million pairs; `glyphery dataset neighbours`\n" + "".join(
        f"{before}\t{after}\t{scripts}\t{1e6 * share:.4g}\n"
        for (before, after, scripts), share in shares.items()
    )


class Neighbours:
    """How much likelier than by chance kinds stand next to each other."""

    def __init__(self, shares: Mapping[Pair, float]) -> None:
        names = sorted({SPACE, *(kind for pair in shares for kind in pair[:2])})
        self._kinds = {name: number for number, name in enumerate(names)}
        self._own = {int(name) for name in names if name.isdecimal()}
        counted = np.zeros((len(_RELATIONS), len(names), len(names)))
        for (before, after, scripts), share in shares.items():
            counted[_RELATIONS.index(scripts), self._kinds[before], self._kinds[after]] = share
        counted /= counted.sum()
        usual = np.maximum(counted.sum(axis=(0, 1)), _UNSEEN)  # of each kind, whatever is next to it
        chance = np.outer(usual, usual)
        self._log_ratios = np.log((counted + _UNSEEN * chance) / chance).astype(np.float32)

    def kind(self, label: Label) -> int:
        """The number of the kind of a label. One that was not in the texts is as what is around words."""
        return self._kinds.get(_kind(label, self._own), self.space)

    @property
    def space(self) -> int:
        """The number of what is around words."""
        return self._kinds[SPACE]

    def log_ratios(
        self,
        kinds: tuple[NDArray[np.intp], NDArray[np.intp]],
        scripts: tuple[NDArray[np.intp], NDArray[np.intp]],
    ) -> NDArray[np.float32]:
        """How much likelier than by chance, its logarithm, the second kind is to follow the first.

        Of any shapes that go together. Scripts are numbers, 0 for none.
        """
        (before, after), (script, other) = kinds, scripts
        relation = np.where((script == 0) | (other == 0), 0, np.where(script == other, 1, 2))
        found: NDArray[np.float32] = self._log_ratios[relation, before, after]
        return found


@cache
def frozen_neighbours() -> Neighbours:
    """What the table in the repository says."""
    rows = read_list("neighbours.tsv")
    return Neighbours({(before, after, scripts): float(share) for before, after, scripts, share in rows})
