"""Who is asked, and what about: a subject and the glyphs of families it has never seen."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from glyphs.dataset.store import GlyphTable
from glyphs.equivalence import Equivalence
from glyphs.errors import BadDataset
from glyphs.labels import Label
from glyphs.raster import RasterSettings
from glyphs.splits import Split
from training.data.source import Drawable, Source
from training.evaluation.measures import Floats

if TYPE_CHECKING:
    from training.models import Recogniser

# (N, S, S) or (N, 3, S, S) uint8 rasters, (N, 4) metrics -> (N, L) logits, (N, E) unit embeddings
Predict = Callable[[NDArray[np.uint8], Floats], tuple[Floats, Floats]]
# (N, L) logits and (N, E) embeddings -> (N,) how much each glyph looks like one that was learned
Familiar = Callable[[Floats, Floats], Floats]
# (N, E) unit embeddings -> for each the labels of its ten nearest references
Neighbours = Callable[[Floats], list[list[Label]]]
_CHUNK = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A model that can be asked, wherever it comes from.

    families: of each label, in the order of `labels`; they give the font prior
    channels: 3 where it wants colour
    names: what people call the labels that stand for no character
    temperature: what scores are divided by to become probabilities
    familiar: where it can tell a glyph of a label it never learned
    model: the network itself, where it is at hand to look into
    """

    predict: Predict
    labels: tuple[Label, ...]
    families: tuple[int, ...]
    equivalence: Equivalence
    settings: RasterSettings
    channels: int = 1
    names: Mapping[Label, str] = field(default_factory=dict)
    temperature: float = 1.0
    familiar: Familiar | None = None
    neighbours: Neighbours | None = None
    model: Recogniser | None = None

    @property
    def log_prior(self) -> Floats:
        """(L,) the font prior, up to a constant."""
        prior: Floats = np.log(np.maximum(np.array(self.families, np.float32), 1))
        return prior

    def called(self, place: int) -> str:
        """A label as people read it."""
        label = self.labels[place]
        name = self.names.get(label) or label.character.name
        return f"{name} ({label.form})" if label.form else name


@dataclass(frozen=True, slots=True)
class Examined:
    """The glyphs that are asked, and the place of each one's label among the logits.

    unknown: glyphs of other labels; foreign: (U,) those of them whose script none of the labels is of
    ceiling: by what is known of a glyph, `with_metrics` or `without_metrics`; a source without metrics
    has the second alone, and so has every figure
    """

    table: GlyphTable
    shapes: Drawable
    truth: NDArray[np.int64]
    unknown: GlyphTable
    foreign: NDArray[np.bool_]
    ceiling: dict[str, float]

    @classmethod
    def of(
        cls,
        source: Source,
        split: Split,
        labels: tuple[Label, ...],
        *,
        limit: int = 0,
        seed: int = 0,
        without: Collection[int] = (),
    ) -> Self:
        """Glyphs of a split whose label is among `labels`, at most `limit` of them drawn at random (0: all),
        and a tenth as many of other labels.

        without: ids of families that are not asked about

        Raises:
            BadDataset: the split holds none of the labels.
        """
        places = source.places(labels)
        table = source.table(split)
        table = table.take(~np.isin(table.family, list(without)))
        known = places[table.label] >= 0
        unknown, table = table.take(~known), table.take(known)
        if not len(table):
            raise BadDataset(f"The {split} families of {source.path} have no glyph of the model's labels.")
        ceiling = {"without_metrics": _ceiling(table, placed=False)}
        if not np.isnan(table.metrics).all():
            ceiling = {"with_metrics": _ceiling(table, placed=True)} | ceiling
        rng = np.random.default_rng(seed)
        if limit:
            table = table.take(np.sort(rng.permutation(len(table))[:limit]))
        unknown = unknown.take(np.sort(rng.permutation(len(unknown))[: max(1, len(table) // 10)]))
        scripts = {label.character.script for label in labels}
        meaning = source.labels()
        foreign = np.array([meaning[int(i)].character.script not in scripts for i in unknown.label], bool)
        shapes = source.shapes([*table.shape.tolist(), *unknown.shape.tolist()])
        return cls(table, shapes, places[table.label], unknown, foreign, ceiling)

    def among(self, labels: tuple[Label, ...], others: tuple[Label, ...]) -> Self:
        """The same glyphs for a model whose logits stand for `others`, which hold all of `labels`.

        Glyphs of unknown labels are left out: to the other model they may be known.
        """
        place = {label: number for number, label in enumerate(others)}
        moved = np.array([place[label] for label in labels], np.int64)
        nobody = np.zeros(0, np.int64)
        return replace(
            self, truth=moved[self.truth], unknown=self.unknown.take(nobody), foreign=self.foreign[nobody]
        )

    def rasters(
        self, table: GlyphTable, settings: RasterSettings
    ) -> Iterator[tuple[slice, NDArray[np.uint8]]]:
        """Rows of `table`, a few hundred at a time, with their rasters (n, S, S) or (n, 3, S, S)."""
        for start in range(0, len(table), _CHUNK):
            rows = slice(start, min(start + _CHUNK, len(table)))
            yield rows, self.drawn(table.shape[rows], settings)

    def drawn(self, shapes: NDArray[np.int32], settings: RasterSettings) -> NDArray[np.uint8]:
        """Rasters of shapes by id."""
        return self.shapes.draw_all(shapes, settings)


def _ceiling(table: GlyphTable, *, placed: bool) -> float:
    """Share of glyphs that are right if, of labels that one font draws identically, one is.

    placed: glyphs count as identical only if they also sit and space alike.
    """
    columns = [table.font, table.shape]
    if placed:
        columns += list(np.rint(table.metrics[:, 2:] * 1000).astype(np.int64).T)
    return len(np.unique(np.stack(columns, axis=1), axis=0)) / len(table)
