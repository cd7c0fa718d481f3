"""Which characters fonts have together: what is likely in one font, given what else it has.

A font's repertoire is taken to be of one of some kinds, each of which has every label with a chance of its
own: a mixture of Bernoulli distributions, fitted by expectation and maximisation (McLachlan and Peel, "Finite
Mixture Models", 2000). The kinds in use are in `data/repertoires.tsv`, made by `glyphery dataset repertoires`
of the training families.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from glyphs.dataset.store import Dataset
from glyphs.errors import BadDataset
from glyphs.labels import Label
from glyphs.splits import Split
from glyphs.tables import read_list

KINDS = 64  # to begin with, or one for four families
FEWEST_FAMILIES = 10  # that have a label: fewer say little of what it goes with
_FEWEST_OF_A_KIND = 2.5  # families; kinds of fewer fall away
LEVELS = 15  # steps of a chance in the table, one hexadecimal digit each
_ROUNDS = 60
_SHRINKAGE = 1.0  # families of the average repertoire that each kind is taken to hold besides its own
_EDGE = 1e-3  # no chance is nearer to 0 or 1 while they are fitted
_WEIGHTS = "families"  # the name of the row that has them
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Repertoires:
    """K kinds of repertoires.

    families: (K,) float32, how many are of each kind
    labels: L of them
    chances: (K, L) float32 in 0..1, that a font of the kind has the label
    """

    families: Floats
    labels: tuple[Label, ...]
    chances: Floats

    def of(self, labels: Sequence[Label]) -> Repertoires:
        """The same of other labels; those that are in no repertoire have no chance."""
        place = {label: number for number, label in enumerate(self.labels)}
        held = [(column, place[label]) for column, label in enumerate(labels) if label in place]
        chances = np.zeros((len(self.families), len(labels)), np.float32)
        if held:
            columns, places = map(list, zip(*held, strict=True))
            chances[:, columns] = self.chances[:, places]
        return Repertoires(self.families, tuple(labels), chances)


def coverage(dataset: Dataset) -> tuple[list[Label], NDArray[np.bool_]]:
    """What a dataset's training families have: L labels, sorted, and (F, L).

    Raises:
        BadDataset: too few families have anything in common.
    """
    table = dataset.table(Split.TRAIN)
    names = dataset.labels()
    families, rows = np.unique(table.family, return_inverse=True)
    numbers, columns = np.unique(table.label, return_inverse=True)
    has = np.zeros((len(families), len(numbers)), bool)
    has[rows, columns] = True
    often = has.sum(axis=0) >= FEWEST_FAMILIES
    labels = [names[number] for number in numbers[often].tolist()]
    if not labels:
        raise BadDataset(
            f"No {FEWEST_FAMILIES} training families of {dataset.path} have a label in common.",
            "Count over a larger dataset.",
        )
    order = sorted(range(len(labels)), key=labels.__getitem__)
    return [labels[place] for place in order], has[:, often][:, order]


def fit(labels: Sequence[Label], has: NDArray[np.bool_], kinds: int = KINDS, seed: int = 0) -> Repertoires:
    """The kinds of repertoires that make (F, L) coverage likeliest; largest first.

    Kinds of a family or two are left out.
    """
    rng = np.random.default_rng(seed)
    held = has.astype(np.float32)
    kinds = max(1, min(kinds, len(held) // 4))
    usual = held.mean(axis=0)
    of_kind = rng.dirichlet(np.full(kinds, 0.1), len(held)).astype(np.float32)
    for _ in range(_ROUNDS):
        families = of_kind.sum(axis=0) + 1e-6
        chances = (of_kind.T @ held + _SHRINKAGE * usual) / (families[:, None] + _SHRINKAGE)
        chances = chances.clip(_EDGE, 1 - _EDGE)
        fits = held @ np.log(chances.T) + (1 - held) @ np.log1p(-chances.T) + np.log(families)
        of_kind = np.exp(fits - fits.max(axis=1, keepdims=True))
        of_kind /= of_kind.sum(axis=1, keepdims=True)
    families = of_kind.sum(axis=0)
    order = np.argsort(-families, kind="stable")
    order = order[families[order] >= min(_FEWEST_OF_A_KIND, families.max())]
    return Repertoires(families[order], tuple(labels), chances[order])


def to_tsv(repertoires: Repertoires) -> str:
    """The table as `data/repertoires.tsv` has it: a line a label, a digit for each kind, from 0, hardly ever,
    to f, nearly always. Labels that no kind has by half a step are left out.
    """
    lines = [
        "# label\tits chance in each kind of repertoire, one digit each, f being 1\tcharacter;"
        " `glyphery dataset repertoires`",
        "\t".join([_WEIGHTS, " ".join(f"{number:.1f}" for number in repertoires.families)]),
    ]
    steps = np.rint(repertoires.chances * LEVELS).astype(int).T
    lines += [
        f"{label}\t{''.join(f'{step:x}' for step in row)}\t{label.character.text}"
        for label, row in zip(repertoires.labels, steps.tolist(), strict=True)
        if any(row)
    ]
    return "\n".join(lines) + "\n"


@lru_cache(maxsize=4)
def repertoires_of(labels: tuple[Label, ...]) -> Repertoires:
    """The kinds of repertoires of a recogniser's labels, which ask for the same again and again."""
    return repertoires().of(labels)


@cache
def repertoires() -> Repertoires:
    """The kinds of repertoires as frozen in the repository."""
    (_, weights), *rows = read_list("repertoires.tsv")
    digits = np.frombuffer("".join(row[1] for row in rows).encode(), np.uint8).reshape(len(rows), -1)
    value = np.zeros(256, np.float32)
    for step in range(LEVELS + 1):
        value[ord(f"{step:x}")] = step / LEVELS
    return Repertoires(
        np.array(weights.split(), np.float32),
        tuple(Label.parse(row[0]) for row in rows),
        np.ascontiguousarray(value[digits].T),
    )
