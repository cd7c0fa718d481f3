"""Pictures with labels, such as scanned handwriting or a folder of images, as a source of training.

Unless it is said who made a picture, it is its own family.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from glyphs.dataset.store import GlyphTable
from glyphs.equivalence import Equivalence
from glyphs.labels import Label
from glyphs.raster import RasterSettings, fill, fit
from glyphs.splits import Split
from training.data.source import Drawable, Pixels

# Plane 15 is for private use: classes that are no characters get its code points, in order.
PRIVATE_USE = 0xF0000


class Gallery(Protocol):
    """Picture number -> its ink (H, W), or its colours (H, W, 3); uint8."""

    def __getitem__(self, number: int) -> Pixels: ...


@dataclass(frozen=True, slots=True)
class Drawings:
    """A gallery that draws: ink is fitted as everywhere; a colour picture fills the raster."""

    gallery: Gallery

    def get(self, identifier: int) -> Pixels:
        return self.gallery[identifier]

    def draw(self, identifier: int, settings: RasterSettings) -> Pixels:
        pixels = self.gallery[identifier]
        return fit(pixels, settings) if pixels.ndim == 2 else fill(pixels, settings.size)

    def draw_all(self, identifiers: NDArray[np.int32], settings: RasterSettings) -> Pixels:
        return np.stack([self.draw(identifier, settings) for identifier in identifiers.tolist()])


@dataclass(frozen=True)
class PictureSource:
    """A `Source` over a gallery.

    label: (N,) place of each picture's label in `all_labels`; split: (N,) of `Split`, or empty where
    a picture is not used; family: (N,) who made it, where that is known; families: their names;
    called: names of labels that are no characters; rejected: (file, why).
    """

    path: Path
    digest: str
    all_labels: Sequence[Label]
    label: NDArray[np.int64]
    split: NDArray[np.str_]
    gallery: Gallery
    family: NDArray[np.int64] | None = None
    families: Sequence[str] = ()
    called: Mapping[Label, str] = field(default_factory=dict)
    alike: Equivalence = field(default_factory=Equivalence)
    rejected: Sequence[tuple[str, str]] = ()

    def labels(self) -> Mapping[int, Label]:
        return dict(enumerate(self.all_labels))

    def names(self) -> Mapping[Label, str]:
        return self.called

    def family_names(self) -> Mapping[int, str]:
        return dict(enumerate(self.families))

    def places(self, labels: Sequence[Label]) -> NDArray[np.int64]:
        place = {label: number for number, label in enumerate(labels)}
        return np.array([place.get(label, -1) for label in self.all_labels], np.int64)

    def table(self, split: Split) -> GlyphTable:
        rows = np.flatnonzero(self.split == split).astype(np.int32)
        metrics = np.full((len(rows), 4), np.nan, np.float32)
        family = rows if self.family is None else self.family[rows].astype(np.int32)
        return GlyphTable(np.zeros_like(rows), self.label[rows].astype(np.int32), rows, family, metrics)

    def shapes(self, _: Iterable[int]) -> Drawable:
        return Drawings(self.gallery)

    def equivalence(self) -> Equivalence:
        return self.alike.with_isolated(self.all_labels)

    def rejects(self) -> list[tuple[str, str]]:
        return list(self.rejected)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        """Nothing is held open."""
