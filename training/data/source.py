"""Where glyphs come from, whatever the format: a table of glyphs, their labels, their shapes.

A `Source` is what `glyphs.dataset.store.Dataset` is to fonts and `training.data.pictures` to
handwriting and folders of images. Nothing after this file asks which of them it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from glyphs.dataset.store import GlyphTable
from glyphs.equivalence import Equivalence
from glyphs.errors import BadDataset, BadInput
from glyphs.labels import Label
from glyphs.outline import Outline
from glyphs.raster import RasterSettings
from glyphs.splits import Split

Pixels = NDArray[np.uint8]
# What a label is known by in other models and sources. One that stands for no character has a number of its
# own source, which means nothing elsewhere: its name does.
Class = Label | str


class Drawable(Protocol):
    """Shapes by id."""

    def get(self, identifier: int) -> Outline | Pixels:
        """An outline; a picture's ink (H, W); or a colour picture (H, W, 3)."""
        ...

    def draw(self, identifier: int, settings: RasterSettings) -> Pixels:
        """The undistorted raster, (S, S), or (3, S, S) for a colour picture."""
        ...

    def draw_all(self, identifiers: NDArray[np.int32], settings: RasterSettings) -> Pixels:
        """The undistorted rasters of N shapes, (N, S, S) or (N, 3, S, S)."""
        ...


class Source(Protocol):
    """Glyphs with their labels and splits; see the module's text."""

    @property
    def path(self) -> Path: ...

    @property
    def digest(self) -> str:
        """SHA-256 of the content."""
        ...

    def labels(self) -> Mapping[int, Label]:
        """Label id (as in a table's column) -> label."""
        ...

    def names(self) -> Mapping[Label, str]:
        """What people call a label that stands for no character, such as the name of a face."""
        ...

    def family_names(self) -> Mapping[int, str]:
        """Family id (as in a table's column) -> name, of those that have one."""
        ...

    def places(self, labels: Sequence[Label]) -> NDArray[np.int64]:
        """Label id -> place among `labels`, or -1."""
        ...

    def table(self, split: Split) -> GlyphTable:
        """The glyphs of a split."""
        ...

    def shapes(self, ids: Iterable[int]) -> Drawable:
        """Those shapes, in memory or read on demand; usable after the source is closed."""
        ...

    def equivalence(self) -> Equivalence:
        """Which labels look the same, from training glyphs alone."""
        ...

    def rejects(self) -> list[tuple[str, str]]:
        """(file, why) of what could not be used."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The labels a model knows, in the order of its logits, and how many families have each.

    names: what people call the labels that stand for no character.
    """

    labels: tuple[Label, ...]
    families: tuple[int, ...]
    names: Mapping[Label, str]

    @property
    def classes(self) -> tuple[Class, ...]:
        """What the labels are known by elsewhere, in their order."""
        return classes(self.labels, self.names)

    @classmethod
    def choose(cls, source: Source, table: GlyphTable, min_families: int, min_count: int) -> Vocabulary:
        """Labels with at least so many families and glyphs in `table`, in label order.

        Raises:
            BadDataset: fewer than two labels are that common.
        """
        counts = np.bincount(table.label)
        pairs = np.unique(np.stack([table.label, table.family], axis=1), axis=0)
        identifiers, families = np.unique(pairs[:, 0], return_counts=True)
        known, names = source.labels(), source.names()
        chosen = sorted(
            (known[i], n)
            for i, n in zip(identifiers.tolist(), families.tolist(), strict=True)
            if n >= min_families and counts[i] >= min_count
        )
        if len(chosen) < 2:
            raise BadDataset(
                f"Fewer than two labels occur in {min_families} training families"
                + (f" and {min_count} times." if min_count > 1 else "."),
                "Add fonts, or lower min_families and min_count.",
            )
        labels = tuple(label for label, _ in chosen)
        return cls(labels, tuple(n for _, n in chosen), {x: names[x] for x in labels if x in names})


def classes(labels: Iterable[Label], names: Mapping[Label, str]) -> tuple[Class, ...]:
    """What labels are known by elsewhere, where those in `names` have these."""
    return tuple(names.get(label, label) for label in labels)


def check_names(ours: Mapping[Label, str], theirs: Mapping[Label, str], place: Path) -> None:
    """Classes that are no characters are numbered within their folder: another folder's may differ.

    ours: the names of a model; theirs: those at `place`

    Raises:
        BadInput: a label has one name in the model and another there.
    """
    for label in ours.keys() & theirs.keys():
        if ours[label] != theirs[label]:
            raise BadInput(
                f"The class that the model calls {ours[label]!r} is {theirs[label]!r} in {place}.",
                "Give it folders with the very classes that it was trained on.",
            )
