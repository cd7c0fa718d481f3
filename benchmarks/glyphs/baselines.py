"""Recognisers without learning, on the same glyphs: outlines looked up by hash, and nearest pixels."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from benchmarks.glyphs.asked import Asked
from glyphs.dataset.store import GlyphTable
from glyphs.raster import RasterSettings
from glyphs.splits import Split
from index.build import choose_references
from training.evaluation.measures import macro

SMALL = RasterSettings(size=32, box=28)
PER_LABEL = 6  # references of each label, as in a bundle's index
_NEAREST = 10


def outline_lookup(asked: Asked) -> dict[str, Any]:
    """Accuracy of a table from outline hash to label over the training families.

    On the asked glyphs it finds nothing, by construction. `left_out` is the share of the split's glyphs that
    are not asked for that reason, `whole_split` the table's accuracy had they been asked.
    """
    source, kept = asked.source, asked.among(asked.source.table(asked.split))
    whole = asked.among(source.table())
    split_of = {number: split for number, _, split, _ in source.families()}
    splits = np.array([split_of[family] for family in whole.family.tolist()])
    train, held = whole.take(splits == Split.TRAIN), whole.take(splits == asked.split)
    answers = _commonest(train)
    return {
        "glyphs": len(asked.examined.table),
        "top1": _found(answers, asked.examined.table),
        "split_glyphs": len(held),
        "left_out": 1 - len(kept) / len(held),
        "whole_split": _found(answers, held),
    }


def _commonest(train: GlyphTable) -> dict[int, int]:
    """Shape id, which stands for the outline's hash, -> the label that most training glyphs give it."""
    pairs, counts = np.unique(np.stack([train.shape, train.label], axis=1), axis=0, return_counts=True)
    order = np.argsort(counts, kind="stable")  # the commonest comes last, and stays
    return dict(zip(pairs[order, 0].tolist(), pairs[order, 1].tolist(), strict=True))


def _found(answers: dict[int, int], table: GlyphTable) -> float:
    rows = zip(table.shape.tolist(), table.label.tolist(), strict=True)
    return float(np.mean([answers.get(shape) == label for shape, label in rows]))


class NearestPixels:
    """Rasters of 32 x 32, of unit length, among training glyphs chosen as an index chooses them."""

    name = "nearest pixels"

    def __init__(self, asked: Asked) -> None:
        self._asked = asked

    @cached_property
    def _references(self) -> tuple[Any, NDArray[np.int64]]:
        """The FAISS index, and the place of each reference's label."""
        source = self._asked.source
        table = choose_references(source, self._asked.labels, PER_LABEL)
        shapes = source.shapes(table.shape.tolist())
        index = faiss.IndexFlatIP(SMALL.size**2)
        index.add(_units(shapes.draw_all(table.shape, SMALL)))
        return index, self._asked.places[table.label]

    def nearest(self, rasters: NDArray[np.uint8]) -> NDArray[np.int64]:
        """(N, 32, 32) -> (N, 10) places of the nearest references' labels, nearest first."""
        index, places = self._references
        _, found = index.search(_units(rasters), min(_NEAREST, index.ntotal))
        of: NDArray[np.int64] = places[found]
        return of

    def measured(self, progress: Callable[[int], None] = lambda _: None) -> dict[str, Any]:
        """Accuracy on the asked glyphs, and how often the label is among the ten nearest."""
        examined = self._asked.examined
        parts = []
        for rows, rasters in examined.rasters(examined.table, SMALL):
            parts.append(self.nearest(rasters))
            progress(rows.stop)
        found, truth = np.concatenate(parts), examined.truth
        right, equal = found[:, 0] == truth, self._asked.alike[truth, found[:, 0]]
        return {
            "glyphs": len(truth),
            "references": len(self._references[1]),
            "top1": float(right.mean()),
            "equivalent": float(equal.mean()),
            "cased": float(self._asked.cased[truth, found[:, 0]].mean()),
            "macro_top1": macro(right, truth),
            "macro_equivalent": macro(equal, truth),
            "top10": float((found == truth[:, None]).any(axis=1).mean()),
        }


def _units(rasters: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(N, S, S) -> (N, S * S) of unit length; a blank one stays zero."""
    rows = rasters.reshape(len(rasters), -1).astype(np.float32)
    out: NDArray[np.float32] = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1)
    return out
