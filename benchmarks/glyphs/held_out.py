"""Scripts that the classifier never learned, by references alone.

The references of a script come from training families, as `glyphery index build` chooses them, and
are added to the bundle's whole index, whose references distract; the glyphs asked about come from
families of the split. Nearest pixels, over the very same references, is the baseline. Run:
`python -m benchmarks.glyphs.held_out --split validation`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from PIL import Image

from bundles import default_bundle
from glyphery import show
from glyphs.dataset.shapes import Shapes
from glyphs.dataset.store import Dataset, GlyphTable
from glyphs.equivalence import Equivalence, frozen_equivalence
from glyphs.errors import BadInput
from glyphs.labels import Label
from glyphs.raster import RasterSettings
from glyphs.splits import Split
from index.build import CHUNK, IndexBuilder
from index.pictures import small_picture
from index.search import ReferenceIndex
from recognition.bundle import Bundle
from recognition.recogniser import Recogniser

PER_LABEL = 6  # references, each of another training family
LEAST_FAMILIES, LEAST_LABELS = 2, 20  # of training, and shared with the split, for a script to count
LIMIT = 2_000  # glyphs asked of a script
NEAREST = 10
PIXELS = 32  # side of the baseline's rasters

_COUNTS = "glyphs", "families", "labels", "references"
_RECOGNISERS = "model", "pixels"
_FIGURES = {  # and titles
    "nearest": "first",
    "among_ten": "in ten",
    "among_ten_equivalent": "alike in ten",
    "among_ten_labels": "in ten labels",
}

Floats = NDArray[np.float32]


def held_out(
    dataset: Dataset, train: GlyphTable, unseen: GlyphTable, known: Iterable[Label]
) -> dict[str, set[int]]:
    """Script -> ids of the labels that training families and the split share.

    Only of scripts of which no label is known, with families and labels enough.
    """
    labels = dataset.labels()
    learned = {label.character.script for label in known}
    families: dict[str, set[int]] = defaultdict(set)
    pairs = np.unique(np.stack([train.label, train.family], axis=1), axis=0)
    for label, family in pairs.tolist():
        families[labels[label].character.script].add(family)
    shared: dict[str, set[int]] = defaultdict(set)
    for label in np.intersect1d(train.label, unseen.label).tolist():
        shared[labels[label].character.script].add(label)
    return {
        script: ids
        for script, ids in sorted(shared.items())
        if script not in learned and len(families[script]) >= LEAST_FAMILIES and len(ids) >= LEAST_LABELS
    }


def asked_glyphs(unseen: GlyphTable, labels: set[int]) -> GlyphTable:
    """At most `LIMIT` glyphs of these labels, at random."""
    rows = np.flatnonzero(np.isin(unseen.label, list(labels)))
    return unseen.take(np.sort(np.random.default_rng(0).permutation(rows)[:LIMIT]))


def add_references(
    index: ReferenceIndex, dataset: Dataset, labels: Iterable[Label], recogniser: Recogniser
) -> ReferenceIndex:
    """The index with up to `PER_LABEL` references of each label."""
    settings = recogniser.bundle.manifest.raster
    builder = IndexBuilder(dataset, labels, per_label=PER_LABEL, settings=settings)
    with show.bar("Indexing", len(builder)) as advance:
        for done in builder.run(lambda rasters, metrics: recogniser.answer(rasters, metrics).embeddings):
            advance(done)
    assert builder.index is not None
    return index.joined(builder.index.embeddings, builder.index.references)


def embed(
    table: GlyphTable, shapes: Shapes, recogniser: Recogniser, settings: RasterSettings
) -> tuple[Floats, Floats]:
    """The glyphs as the model sees them and as the baseline does: (N, E) and (N, PIXELS**2), unit rows."""
    embeddings, pixels = [], []
    with show.bar("Asking", len(table)) as advance:
        for start in range(0, len(table), CHUNK):
            rows = slice(start, start + CHUNK)
            rasters = shapes.draw_all(table.shape[rows], settings)
            embeddings.append(recogniser.answer(rasters, table.metrics[rows]).embeddings)
            pixels.append(as_pixels(np.stack([small_picture(raster) for raster in rasters])))
            advance(min(rows.stop, len(table)))
    return np.concatenate(embeddings), np.concatenate(pixels)


def as_pixels(pictures: NDArray[np.uint8]) -> Floats:
    """References' pictures, (N, PICTURE, PICTURE), as unit rows of (N, PIXELS**2)."""
    reduced = [
        np.asarray(Image.fromarray(picture).resize((PIXELS, PIXELS), Image.Resampling.BOX)).ravel()
        for picture in pictures
    ]
    rows = np.stack(reduced).astype(np.float32)
    unit: Floats = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
    return unit


def figures(
    index: ReferenceIndex, queries: Floats, truth: list[Label], equivalence: Equivalence
) -> dict[str, float]:
    """Shares of the queries: the nearest is of the label; one of ten is; one of ten is or looks the same;
    one of the ten nearest of different labels is.
    """
    plain, distinct = (
        [[near.reference.label for near in row] for row in index.search(queries, NEAREST, distinct=each)]
        for each in (False, True)
    )
    hits = [
        (row[0] == label, label in row, any(equivalence.same(label, other) for other in row), label in labels)
        for label, row, labels in zip(truth, plain, distinct, strict=True)
    ]
    return dict(zip(_FIGURES, np.array(hits).mean(axis=0).tolist(), strict=True))


def over_all(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The scripts' counts added up, their figures weighed by glyphs."""
    glyphs = [row["glyphs"] for row in rows]
    counts = {name: sum(row[name] for row in rows) for name in _COUNTS}
    means = {
        by: {name: float(np.average([row[by][name] for row in rows], weights=glyphs)) for name in _FIGURES}
        for by in _RECOGNISERS
    }
    return {"script": "all", **counts, **means}


def _main(
    dataset: Annotated[Path, typer.Option(help="A finished dataset.")] = Path("runs/glyphs.db"),
    bundle: Annotated[
        Path | None, typer.Option(help="Folder of a bundle with an index; the shipped one by default.")
    ] = None,
    split: Annotated[str, typer.Option(help="Families asked about: validation or test.")] = "validation",
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Whether the label is among the ten nearest references, for scripts that were never learned."""
    recogniser = Recogniser(Bundle.load(bundle or default_bundle()), threads=0)
    loaded = recogniser.bundle
    settings = loaded.manifest.raster
    plain = ReferenceIndex.load(loaded.path)
    with Dataset.open(dataset) as opened:
        train, unseen = opened.table(Split.TRAIN), opened.table(_unseen(split))
        scripts = held_out(opened, train, unseen, loaded.labels)
        if not scripts:
            raise BadInput(f"{dataset} has no script in {split} that {loaded.path} never learned.")
        digest = opened.digest
        labels, equivalence = opened.labels(), frozen_equivalence()
        added = [labels[label] for ids in scripts.values() for label in ids]
        index = add_references(plain, opened, added, recogniser)
        asked = {script: asked_glyphs(unseen, ids) for script, ids in scripts.items()}
        shapes = Shapes(opened, np.concatenate([table.shape for table in asked.values()]).tolist())
    baseline = ReferenceIndex.build(as_pixels(np.stack(list(index.references.pictures))), index.references)
    rows: list[dict[str, Any]] = []
    for script, table in asked.items():
        queries, pixels = embed(table, shapes, recogniser, settings)
        truth = [labels[int(label)] for label in table.label]
        own = sum(label.character.script == script for label in index.references.labels)
        counts = (len(table), len(np.unique(table.family)), len(np.unique(table.label)), own)
        rows.append(
            {
                "script": script,
                **dict(zip(_COUNTS, counts, strict=True)),
                "model": figures(index, queries, truth, equivalence),
                "pixels": figures(baseline, pixels, truth, equivalence),
            }
        )
    whole = over_all(rows)
    if json:
        about = {"bundle": loaded.digest, "dataset": digest, "split": split}
        show.as_json(about | {"distractors": len(plain.references), "scripts": rows, "all": whole})
        return
    show.table(
        f"Never learned by {loaded.path.name}: {split} glyphs among its {len(plain.references):,} references"
        " and those of the script",
        ("script", *_COUNTS,
         *(f"{by} {title}" for by in _RECOGNISERS for title in _FIGURES.values())),
        (
            (row["script"], *(row[name] for name in _COUNTS),
             *(row[by][name] for by in _RECOGNISERS for name in _FIGURES))
            for row in [*rows, whole]
        ),
    )  # fmt: skip


def _unseen(split: str) -> Split:
    if split not in (Split.VALIDATION, Split.TEST):
        raise typer.BadParameter("validation or test, whose families are unseen", param_hint="--split")
    return Split(split)


if __name__ == "__main__":
    typer.run(_main)
