"""How often characters stand in text: what is likely where glyphs come out of documents.

The table in use is `data/text.tsv`: counted over texts of two kinds, of either in as many languages as it
is to be had in, every language of a kind weighing the same. It was made by `scripts/texts.py`, which says
which they are, and `glyphery dataset text`.
"""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, pairwise
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from glyphs.characters import character
from glyphs.errors import BadInput
from glyphs.labels import Form, Label, fold, forms_of
from glyphs.tables import read_list

T = TypeVar("T")

# Unicode's joining types of a letter that joins with the one after it; and with the one before it.
_FORWARD, _BACKWARD = frozenset("DLC"), frozenset("DRC")
_FORM_BY_NEIGHBOURS = {
    (False, False): Form.ISOL, (False, True): Form.INIT, (True, True): Form.MEDI, (True, False): Form.FINA
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Occurrence:
    """share: of all characters; languages: that use the label, each counted once a kind of text"""

    label: Label
    share: float
    languages: int


def labels_in(text: str) -> Iterator[Label]:
    """The labels of the characters of a text, in its order, as fonts draw them.

    Letters that join have the forms that their neighbours give them (Unicode 16, section 9.2), characters
    are composed where Unicode has them composed (NFC), and what leaves no ink has no label.
    """
    characters = [character(ord(symbol)) for symbol in unicodedata.normalize("NFC", text)]
    solid = [one for one in characters if one.joining_type != "T"]
    joins = [
        one.joining_type in _FORWARD and other.joining_type in _BACKWARD for one, other in pairwise(solid)
    ]
    # Whether each solid character is joined to the one before it, and to the one after it.
    neighbours = iter(zip([False, *joins], [*joins, False], strict=True) if solid else ())
    for one in characters:
        joined = next(neighbours) if one.joining_type != "T" else (False, False)
        if one.category[0] in "ZC":
            continue
        label = fold(one.codepoint)
        takes_forms = len(forms_of(one.codepoint)) > 1
        yield Label(one.codepoint, _FORM_BY_NEIGHBOURS[joined]) if takes_forms else label


def read_texts(folder: Path) -> list[str]:
    """The texts of a folder, `LANGUAGE.txt`.

    Raises:
        BadInput: it holds none, or one that is not UTF-8.
    """
    paths = sorted(folder.glob("*.txt"))
    if not paths:
        raise BadInput(f"There are no texts in {folder}.", "They are called LANGUAGE.txt.")
    texts = []
    for path in paths:
        try:
            texts.append(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(f"{path} cannot be read: {error}.", "Texts are in UTF-8.") from None
    return texts


def occurrences(kinds: Sequence[Iterable[str]]) -> list[Occurrence]:
    """What share of the characters each label has, over kinds of text that weigh the same, each of texts
    that weigh the same: one a language. Sorted by label.

    Raises:
        BadInput: a text has no characters.
    """
    counts = [[Counter(labels_in(text)) for text in texts] for texts in kinds]
    shares, languages = mean_shares(counts), Counter(chain.from_iterable(chain.from_iterable(counts)))
    return [Occurrence(label, shares[label], languages[label]) for label in sorted(shares)]


def mean_shares(kinds: Sequence[Sequence[Counter[T]]]) -> dict[T, float]:
    """What share each thing has of what was counted, over kinds of text that weigh the same, each of texts
    that weigh the same.

    Raises:
        BadInput: there is nothing in a text.
    """
    shares: dict[T, float] = defaultdict(float)
    for counts in kinds:
        for count in counts:
            if not count:
                raise BadInput("A text has no characters.")
            whole = count.total() * len(counts) * len(kinds)
            for one, times in count.items():
                shares[one] += times / whole
    return shares


def to_tsv(table: Iterable[Occurrence]) -> str:
    """The table as `data/text.tsv` has it, with the characters for whoever reads it."""
    return "# label\tin a million characters\tlanguages\tcharacter; `glyphery dataset text`\n" + "".join(
        f"{one.label}\t{1e6 * one.share:.4g}\t{one.languages}\t{one.label.character.text}\n" for one in table
    )


@cache
def text_shares() -> Mapping[Label, float]:
    """What share of the characters of text each label has, as frozen in the repository. A letter that
    joins is there without a form, too, for recognisers that know none.
    """
    shares: dict[Label, float] = defaultdict(float)
    for name, share, *_ in read_list("text.tsv"):
        label = Label.parse(name)
        for known_as in {label, Label(label.codepoint)}:
            shares[known_as] += float(share) / 1e6
    return MappingProxyType(shares)
