"""What is asked: the glyphs of a split with a frozen label, and what counts as the same answer.

Every recogniser is asked the same glyphs. Its logits are brought into the order of the frozen labels;
a label it does not know gets minus infinity, so that its glyphs count as wrong.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.glyphs.labels import AskedLabels
from glyphs.dataset.store import Dataset, GlyphTable
from glyphs.equivalence import Equivalence
from glyphs.errors import BadDataset, BadInput
from glyphs.labels import Label
from glyphs.outline import Outline
from glyphs.splits import Split
from glyphs.tables import rows_of
from training.data.glyphs import GlyphSource
from training.evaluation import Examined, Floats, Subject, alike_matrix

_LEAST_KNOWN = 11  # with fewer labels known, an unknown one would be among the ten best
Truths = NDArray[np.bool_]


class Asked:
    """The glyphs and the relations between their labels; each is read when it is first needed."""

    def __init__(self, source: GlyphSource, split: Split, labels: AskedLabels, limit: int) -> None:
        """limit: glyphs asked, drawn at random; 0 for all."""
        self.source, self.split, self.limit = source, split, limit
        self.labels, self.families = labels.labels, labels.families
        self.without = left_out(source)

    @cached_property
    def examined(self) -> Examined:
        """Raises BadDataset where the split holds none of the labels."""
        return self.fewer(self.limit)

    def fewer(self, glyphs: int, labels: tuple[Label, ...] = ()) -> Examined:
        """So many of the same glyphs at most: the first of the same random order; or of these labels."""
        limit = min(glyphs, self.limit) if self.limit else glyphs
        return Examined.of(self.source, self.split, labels or self.labels, limit=limit, without=self.without)

    @cached_property
    def places(self) -> NDArray[np.int64]:
        """Label id of the dataset -> place among the labels, or -1."""
        return self.source.places(self.labels)

    def among(self, table: GlyphTable) -> GlyphTable:
        """The glyphs of a table whose label is asked."""
        return table.take(self.places[table.label] >= 0)

    @cached_property
    def equivalence(self) -> Equivalence:
        """Of the dataset, the same for every recogniser, whatever its bundle says."""
        return self.source.equivalence()

    @cached_property
    def alike(self) -> Truths:
        """(L, L): which labels are the same or look the same."""
        alike: Truths = alike_matrix(self.labels, self.equivalence)
        np.fill_diagonal(alike, True)
        return alike

    @cached_property
    def cased(self) -> Truths:
        """(L, L): which labels are the same or look the same, or would in lower case."""
        return self.alike | cased_matrix(self.labels, self.equivalence)

    def faced(self, subject: Subject) -> Subject:
        """A recogniser in the terms of the benchmark: its labels and its equivalence.

        Raises:
            BadInput: it knows too few of the labels.
        """
        return faced(subject, self.labels, self.equivalence)


def left_out(dataset: Dataset) -> frozenset[int]:
    """Known families under another name, by number: asking about them would be asking about training."""
    duplicates = near_duplicates()
    return frozenset(number for number, name, _, _ in dataset.families() if name in duplicates)


@cache
def near_duplicates() -> frozenset[str]:
    """Families of `near-duplicates.tsv`, which `leaks` found to be drawn nearly alike in training."""
    text = Path(__file__).with_name("near-duplicates.tsv").read_text(encoding="utf-8")
    return frozenset(family for family, *_ in rows_of(text))


def lowered(label: Label) -> Label:
    """The label of the character in lower case, where that is one character; of the same form."""
    lower = chr(label.codepoint).lower()
    return Label(ord(lower), label.form) if len(lower) == 1 else label


def cased_matrix(labels: tuple[Label, ...], equivalence: Equivalence) -> Truths:
    """(L, L): which labels, in lower case, are the same or look the same."""
    of_lower: dict[Label, list[int]] = {}
    for place, label in enumerate(labels):
        of_lower.setdefault(lowered(label), []).append(place)
    cased = np.zeros((len(labels), len(labels)), bool)
    for lower, places in of_lower.items():
        same = [
            place for other in (lower, *equivalence.equivalents(lower)) for place in of_lower.get(other, ())
        ]
        cased[np.ix_(places, same)] = True
    return cased


def known_places(subject: Subject, labels: tuple[Label, ...]) -> NDArray[np.int64]:
    """(L,) where each of the labels stands among a recogniser's own, or -1."""
    theirs = {label: place for place, label in enumerate(subject.labels)}
    return np.array([theirs.get(label, -1) for label in labels], np.int64)


def faced(subject: Subject, labels: tuple[Label, ...], equivalence: Equivalence) -> Subject:
    """The subject with `labels` for its own; labels beyond them are no possible answer.

    Raises:
        BadInput: it knows too few of them.
    """
    places = known_places(subject, labels)
    known = places >= 0
    if known.sum() < _LEAST_KNOWN:
        raise BadInput(
            f"A recogniser knows {known.sum()} of the {len(labels):,} labels that the benchmark asks.",
            f"It must know at least {_LEAST_KNOWN}.",
        )

    def predict(rasters: NDArray[np.uint8], metrics: Floats) -> tuple[Floats, Floats]:
        logits, embeddings = subject.predict(rasters, metrics)
        out = np.full((len(logits), len(labels)), -np.inf, np.float32)
        out[:, known] = logits[:, places[known]]
        return out, embeddings

    def familiar(logits: Floats, embeddings: Floats) -> Floats:
        own = np.full((len(logits), len(subject.labels)), -np.inf, np.float32)
        own[:, places[known]] = logits[:, known]
        assert subject.familiar is not None
        return subject.familiar(own, embeddings)

    families = tuple(max(1, subject.families[place]) if place >= 0 else 1 for place in places)
    return replace(
        subject, predict=predict, labels=labels, families=families, equivalence=equivalence, names={},
        model=None, familiar=subject.familiar and familiar,
    )  # fmt: skip


def outline(examined: Examined, row: int) -> Outline:
    """The outline of an asked glyph.

    Raises:
        BadDataset: the dataset has a picture there, which cannot be painted anew.
    """
    shape = examined.shapes.get(int(examined.table.shape[row]))
    if not isinstance(shape, Outline):
        raise BadDataset("The dataset holds pictures.", "Build one of fonts with `glyphery dataset build`.")
    return shape
