"""A dataset of fonts, `glyphs.db`, as a source of training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from glyphs.dataset.shapes import Shapes
from glyphs.dataset.store import Dataset
from glyphs.equivalence import Equivalence, frozen_equivalence
from glyphs.labels import Label
from training.data.source import Drawable


class GlyphSource(Dataset):
    """The dataset itself, with its shapes and its equivalence table."""

    def names(self) -> Mapping[Label, str]:
        return {}

    def family_names(self) -> Mapping[int, str]:
        return {identifier: name for identifier, name, _, _ in self.families()}

    def shapes(self, ids: Iterable[int]) -> Drawable:
        return Shapes(self, ids)

    def equivalence(self) -> Equivalence:
        return frozen_equivalence().with_isolated(self.label_ids())
