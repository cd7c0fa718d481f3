"""Accuracy by kind of family: what Google Fonts calls serif, sans-serif, monospace, display, handwriting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.outside.fetch import Package
from benchmarks.tables import Table
from glyphs.dataset.build import find_fonts
from glyphs.dataset.store import Dataset
from glyphs.fonts import FontFile, family_key

TEXT = "serif", "sans-serif", "monospace"
_KINDS = *TEXT, "display", "handwriting"
_FIRST = 5


def kinds_of_families(fonts: Path, packages: Sequence[Package]) -> dict[str, str]:
    """By the name that a dataset has for a family, its kind; of those whose package is listed."""
    kinds = {package.family: package.kind for package in packages}
    return {
        family_key(face.family): kinds[path.parent.name]
        for path in find_fonts([fonts])
        if path.parent.name in kinds
        for face in FontFile.read(path).faces()
    }


def by_kind(name: str, answers: Path, dataset: Path, kinds: Mapping[str, str]) -> Table:
    """How often a recogniser is right, metrics given, under the font prior.

    answers: what `benchmarks.glyphs` keeps, recognition-NAME.npz
    """
    with Dataset.open(dataset) as opened:
        families = {number: family for number, family, _, _ in opened.families()}
    with np.load(answers) as kept:
        truth, places, equal, family = (kept[column] for column in ("truth", "places", "equal", "family"))
    kind = np.array([kinds.get(families[number], "") for number in family.tolist()])
    among = (places[:, :_FIRST] == truth[:, None]).any(axis=1)
    rows = []
    for title, some in [
        *((kind_, kind == kind_) for kind_ in _KINDS),
        (", ".join(TEXT), np.isin(kind, TEXT)),
        ("all", np.ones(len(kind), bool)),
    ]:
        shares = (_share(of[some]) for of in (places[:, 0] == truth, among, equal))
        rows.append((title, f"{len(np.unique(family[some])):,}", f"{some.sum():,}", *shares))
    columns = "kind", "families", "glyphs", "top-1", "top-5", "up to equivalence"
    return Table(f"{name}, by kind of family (metrics given, font prior; per cent)", columns, rows)


def _share(right: NDArray[np.bool_]) -> str:
    return f"{100 * right.mean():.1f}" if len(right) else "–"
