"""Which labels cannot be told apart: a symmetric table of pairs with its evidence.

Latin A, Greek Alpha and Cyrillic A are one drawing in most fonts; Yeh and Farsi Yeh differ only
at the end of a word. A pair enters the table
- `nfkc`: where Unicode calls one the other's canonical singleton, wide or narrow form
  (not its compatibility forms: long s, superscripts or circled digits look different);
- `intentional`: where Unicode says that fonts draw the two alike on purpose (UTS #39, Unicode Security
  Mechanisms, `intentional.txt`), be the script so rare that few fonts can be counted;
- `outlines`: where the two have the same outline, placed and spaced alike, in at least
  `LEAST_SHARE` of the training families that have both, and in at least `LEAST_FAMILIES`;
- `isolated`: a letter without a form and its isolated form, by definition.
The relation is not transitive by construction: every pair stands on its own evidence.

The table in use is `data/equivalence.tsv`: counted once over the families the project trains on,
looked through for pairs that rest on faults of fonts (`data/false-equivalence.tsv`), and frozen,
so that figures of different runs compare. To it come the `isolated` pairs of the labels at hand.
"""

from __future__ import annotations

import json
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from glyphs.errors import BadInput
from glyphs.labels import Form, Label, fold
from glyphs.tables import read_list

if TYPE_CHECKING:
    from glyphs.dataset.store import Dataset

LEAST_SHARE = 0.3
LEAST_FAMILIES = 3
_SAME_LOOK_TAGS = ("<wide>", "<narrow>")


@dataclass(frozen=True, slots=True, order=True)
class Evidence:
    """Why `first` and `second` are taken for one: families that have both, and draw both alike."""

    first: Label
    second: Label
    source: str
    families: int = 0
    identical: int = 0


class Equivalence:
    """The table: `equivalents(label)` lists the labels that look the same."""

    def __init__(self, evidence: Iterable[Evidence] = ()) -> None:
        self.evidence = tuple(sorted(evidence))
        partners: dict[Label, set[Label]] = defaultdict(set)
        for pair in self.evidence:
            partners[pair.first].add(pair.second)
            partners[pair.second].add(pair.first)
        self._partners: Mapping[Label, tuple[Label, ...]] = {k: tuple(sorted(v)) for k, v in partners.items()}

    def equivalents(self, label: Label) -> tuple[Label, ...]:
        return self._partners.get(label, ())

    def same(self, first: Label, second: Label) -> bool:
        return first == second or second in self._partners.get(first, ())

    def restricted(self, labels: Iterable[Label]) -> Equivalence:
        """The pairs whose labels are both among those given."""
        known = set(labels)
        return Equivalence(pair for pair in self.evidence if pair.first in known and pair.second in known)

    def with_isolated(self, labels: Iterable[Label]) -> Equivalence:
        """These pairs, and the letters that `labels` have both without a form and in their isolated form."""
        known = set(labels)
        bare = [(label, Label(label.codepoint, Form.ISOL)) for label in known if not label.form]
        return Equivalence(
            [
                *self.evidence,
                *(
                    Evidence(label, isolated, "isolated")
                    for label, isolated in bare
                    if isolated in known and not self.same(label, isolated)
                ),
            ]
        )

    def places(self, labels: Sequence[Label]) -> list[list[int]]:
        """For each of `labels`, the places in `labels` of those that look the same, itself not among them."""
        place = {label: i for i, label in enumerate(labels)}
        return [[place[other] for other in self.equivalents(label) if other in place] for label in labels]

    def to_json(self) -> str:
        rows = [
            asdict(pair) | {"first": str(pair.first), "second": str(pair.second)} for pair in self.evidence
        ]
        return json.dumps({"pairs": rows}, indent=0)

    @classmethod
    def from_json(cls, text: str) -> Equivalence:
        """Raises BadInput where the text is no equivalence table."""
        try:
            rows: list[dict[str, Any]] = json.loads(text)["pairs"]
            return cls(
                Evidence(
                    Label.parse(row["first"]),
                    Label.parse(row["second"]),
                    str(row["source"]),
                    int(row["families"]),
                    int(row["identical"]),
                )
                for row in rows
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadInput(f"Not an equivalence table: {error!r}.") from None


@cache
def frozen_equivalence() -> Equivalence:
    """The table in use, as frozen in the repository."""
    return Equivalence(
        Evidence(Label.parse(first), Label.parse(second), source, int(families), int(identical))
        for first, second, source, families, identical, *_ in read_list("equivalence.tsv")
    )


def unicode_pairs(labels: Iterable[Label]) -> list[Evidence]:
    """Pairs among `labels` that Unicode itself declares."""
    by_look: dict[Label, list[Label]] = defaultdict(list)
    for label in set(labels):
        by_look[_look(label)].append(label)
    return [
        Evidence(first, second, "nfkc")
        for members in by_look.values()
        for first, second in combinations(sorted(members), 2)
    ]


def intentional_pairs(labels: Iterable[Label]) -> list[Evidence]:
    """Pairs among `labels` that Unicode calls intentional confusables; it lists characters, without forms."""
    known = set(labels)
    pairs = [(Label.parse(first), Label.parse(second)) for first, second, _ in read_list("intentional.tsv")]
    return [Evidence(*pair, "intentional") for pair in pairs if known.issuperset(pair)]


def _look(label: Label) -> Label:
    tag, *parts = unicodedata.decomposition(chr(label.codepoint)).split() or [""]
    if tag in _SAME_LOOK_TAGS and len(parts) == 1:
        return Label(fold(int(parts[0], 16)).codepoint, label.form)
    if tag and not parts and not tag.startswith("<"):  # a canonical singleton, such as the ohm sign
        return Label(int(tag, 16), label.form)
    return label


def outline_pairs(dataset: Dataset) -> list[Evidence]:
    """Pairs drawn alike by the dataset's training families."""
    from glyphs.dataset.build import PLACEHOLDER_LABELS
    from glyphs.splits import Split

    table = dataset.table(Split.TRAIN)
    labels = dataset.labels()
    # Bottom and advance, thousandths of an em; rasters have none.
    place = np.rint(np.nan_to_num(table.metrics[:, 2:]) * 1000).astype(np.int64)
    order = np.lexsort((table.label, place[:, 1], place[:, 0], table.shape, table.font))
    keys = np.stack([table.font, table.shape, place[:, 0], place[:, 1]], axis=1)[order]
    starts = np.flatnonzero(np.r_[True, (keys[1:] != keys[:-1]).any(axis=1)])
    lengths = np.diff(np.r_[starts, len(keys)])

    identical: dict[tuple[int, int], set[int]] = defaultdict(set)
    for start, length in zip(starts, lengths, strict=True):
        if 1 < length <= PLACEHOLDER_LABELS:
            rows = order[start : start + length]
            for pair in combinations(table.label[rows].tolist(), 2):
                identical[pair].add(int(table.family[rows[0]]))
    involved = {label for pair in identical for label in pair}
    rows = np.flatnonzero(np.isin(table.label, list(involved)))
    families: dict[int, set[int]] = defaultdict(set)
    for label, family in np.unique(
        np.stack([table.label[rows], table.family[rows]], axis=1), axis=0
    ).tolist():
        families[label].add(family)

    pairs = []
    for (a, b), alike in identical.items():
        both = len(families[a] & families[b])
        if len(alike) >= LEAST_FAMILIES and len(alike) >= LEAST_SHARE * both:
            first, second = sorted((labels[a], labels[b]))
            pairs.append(Evidence(first, second, "outlines", both, len(alike)))
    return pairs


def build_equivalence(dataset: Dataset) -> Equivalence:
    """The table for a dataset's labels; of a pair that several sources know, the first keeps it: counting,
    Unicode's decompositions, its list of intentional confusables.

    Pairs that were looked at and found false are left out.
    """
    listed = read_list("false-equivalence.tsv")
    false = {(Label.parse(first), Label.parse(second)) for first, second, _ in listed}
    labels = dataset.label_ids()
    sources = [*intentional_pairs(labels), *unicode_pairs(labels), *outline_pairs(dataset)]
    pairs = {(pair.first, pair.second): pair for pair in sources}
    return Equivalence(pair for key, pair in pairs.items() if key not in false).with_isolated(labels)


def to_tsv(table: Equivalence) -> str:
    """The table as `data/equivalence.tsv` has it, with the characters for whoever reads it."""
    return (
        "# first\tsecond\tsource\tfamilies\tidentical\tcharacters; `glyphery dataset equivalence`\n"
        + "".join(
            f"{pair.first}\t{pair.second}\t{pair.source}\t{pair.families}\t{pair.identical}"
            f"\t{pair.first.character.text} {pair.second.character.text}\n"
            for pair in table.evidence
        )
    )
