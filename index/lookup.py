"""Which references a filter leaves, from lists of the rows of every label, script and family."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from glyphs.labels import Label


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which references count: of these scripts (ISO 15924), of these families, not of these labels.

    Empty means no restriction.
    """

    scripts: frozenset[str] = frozenset()
    families: frozenset[str] = frozenset()
    without: frozenset[Label] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class Allowed:
    """The rows that a filter leaves.

    count: how many
    bits: (ceil(R / 8),) uint8, a bit each, the lowest of a byte first
    """

    count: int
    bits: NDArray[np.uint8]

    @classmethod
    def of(cls, mask: NDArray[np.bool_]) -> Allowed:
        return cls(int(np.count_nonzero(mask)), np.packbits(mask, bitorder="little"))

    @property
    def rows(self) -> NDArray[np.int64]:
        """(count,) ascending. Looks at every byte, so that it is for filters that leave little."""
        filled = np.flatnonzero(self.bits)
        bits = np.unpackbits(self.bits[filled, None], axis=1, bitorder="little").astype(bool)
        rows: NDArray[np.int64] = (filled[:, None] * 8 + np.arange(8))[bits]
        return rows

    def mask(self, count: int) -> NDArray[np.bool_]:
        """(count,) which of all rows."""
        return np.unpackbits(self.bits, count=count, bitorder="little").astype(bool)


class Column:
    """The rows of every value of a column."""

    def __init__(self, values: Sequence[str]) -> None:
        self._numbers: dict[str, int] = {}
        codes = np.fromiter(
            (self._numbers.setdefault(value, len(self._numbers)) for value in values), np.int32, len(values)
        )
        self._rows = np.argsort(codes, kind="stable").astype(np.int32)
        self._starts = np.r_[0, np.cumsum(np.bincount(codes, minlength=len(self._numbers)))]

    def rows(self, values: Iterable[str]) -> NDArray[np.int64]:
        """The rows that have one of the values; of each value ascending."""
        numbers = [number for value in values if (number := self._numbers.get(value)) is not None]
        parts = [self._rows[self._starts[number] : self._starts[number + 1]] for number in numbers]
        return np.concatenate([*parts, np.zeros(0, np.int32)]).astype(np.int64)


class Lookup:
    """From filters to rows: what an answer costs goes with the rows it is about, and a byte a reference.

    A column is listed when it is first asked about: most who load an index ask about few of them.
    """

    def __init__(self, labels: Sequence[Label], families: Sequence[str]) -> None:
        self._label_of, self._family_of = labels, families

    @cached_property
    def _labels(self) -> Column:
        return Column([str(label) for label in self._label_of])

    @cached_property
    def _scripts(self) -> Column:
        scripts = {label: label.character.script for label in set(self._label_of)}
        return Column([scripts[label] for label in self._label_of])

    @cached_property
    def _families(self) -> Column:
        return Column(self._family_of)

    def rows_of(self, label: Label) -> NDArray[np.int64]:
        """Ascending."""
        return self._labels.rows([str(label)])

    def allowed(self, only: Filter) -> Allowed:
        """What the filter leaves."""
        count = len(self._label_of)
        mask = np.ones(count, bool)
        if only.scripts:
            mask &= self._having(self._scripts, only.scripts)
        if only.families:
            mask &= self._having(self._families, only.families)
        if only.without:
            mask[self._labels.rows(map(str, only.without))] = False
        return Allowed.of(mask)

    def _having(self, column: Column, values: Iterable[str]) -> NDArray[np.bool_]:
        mask = np.zeros(len(self._label_of), bool)
        mask[column.rows(values)] = True
        return mask
