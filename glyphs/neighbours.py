"""Which kinds of characters stand next to each other in text, whatever the language.

A capital seldom stands after a small letter, and digits by digits; a comma follows a letter and an opening
bracket comes before one. Kinds are Unicode's general categories; common punctuation and signs are kinds of
their own. The table in use is `data/neighbours.tsv`, counted over the same texts as `glyphs.text`'s, and made
by `glyphery dataset neighbours`.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import pairwise

import numpy as np

from glyphs.labels import Label
from glyphs.tables import read_list
from glyphs.text import labels_in, mean_shares, text_shares

SPACE = "space"  # the kind of what is around words
_COMMON = 3e-6  # of a text's characters, from which on what is no letter is a kind of its own
_WRITTEN_TOGETHER = {"Kana": "Hira", "Hani": "Hira"}
_SCRIPTLESS = "Zyyy", "Zinh"  # punctuation, digits, marks
_RAREST = 1e-4  # share of a text's characters that any kind may have
_UNSEEN = 0.01  # of all pairs are as chance has them, whatever was counted
Pair = tuple[str, str]


def writing(label: Label) -> str:
    """The script of a text that has the label: its own, or one that is written with it; "" for any."""
    script = label.character.script
    return "" if script in _SCRIPTLESS else _WRITTEN_TOGETHER.get(script, script)


def numbered_writings(labels: Iterable[Label]) -> dict[str, int]:
    """Numbers of the scripts that texts with these labels are in; 0 is any."""
    return {script: number for number, script in enumerate(sorted({"", *map(writing, labels)}))}


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
    shares = mean_shares([[Counter(_pairs(text, own)) for text in texts] for texts in kinds])
    return dict(sorted(shares.items()))


def _pairs(text: str, own: set[int]) -> Iterator[Pair]:
    for word in unicodedata.normalize("NFC", text).split():
        told = [_kind(label, own) for label in labels_in(word)]
        if told:
            yield from pairwise([SPACE, *told, SPACE])


def _kind(label: Label, own: set[int]) -> str:
    return str(label.codepoint) if label.codepoint in own else label.character.category


def to_tsv(shares: Mapping[Pair, float]) -> str:
    """The table as `data/neighbours.tsv` has it."""
    return "# kind\tthe next one's\tin a million pairs; `glyphery dataset neighbours`\n" + "".join(
        f"{before}\t{after}\t{1e6 * share:.4g}\n" for (before, after), share in shares.items()
    )


class Neighbours:
    """How much likelier than by chance kinds stand next to each other.

    Attributes:
        space: the number of what is around words
        log_ratios: (K, K) float32, how much likelier the second kind is to follow the first, its logarithm
    """

    def __init__(self, shares: Mapping[Pair, float]) -> None:
        names = sorted({SPACE, *(kind for pair in shares for kind in pair)})
        self._kinds = {name: number for number, name in enumerate(names)}
        self._own = {int(name) for name in names if name.isdecimal()}
        self.space = self._kinds[SPACE]
        counted = np.zeros((len(names), len(names)))
        for (before, after), share in shares.items():
            counted[self._kinds[before], self._kinds[after]] = share
        counted /= counted.sum()
        usual = np.maximum(counted.sum(axis=0), _RAREST)
        chance = np.outer(usual, usual)
        self.log_ratios = np.log((counted + _UNSEEN * chance) / chance).astype(np.float32)

    def kind(self, label: Label) -> int:
        """The number of the kind of a label. One that was not in the texts is as what is around words."""
        return self._kinds.get(_kind(label, self._own), self.space)


@cache
def frozen_neighbours() -> Neighbours:
    """What the table in the repository says."""
    rows = read_list("neighbours.tsv")
    return Neighbours({(before, after): float(share) for before, after, share in rows})
