"""What the model is worth: the same glyphs by nearest pixels, and by its own embedding.

Nearest pixels is the recogniser without learning: rasters of 32 x 32, of unit length, among the
very references that the bundle's index holds the embeddings of. Run:
`python -m benchmarks.baseline`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import faiss
import numpy as np
import typer
from numpy.typing import NDArray

from bundles import default_bundle
from glyphery import show
from glyphs.dataset.store import GlyphTable
from glyphs.raster import RasterSettings
from glyphs.splits import Split
from index.build import choose_references
from recognition.bundle import Bundle
from training.data.glyphs import GlyphSource
from training.data.source import Drawable
from training.evaluation import Examined, alike_matrix

_SMALL = RasterSettings(size=32, box=28)


def _pixels(table: GlyphTable, shapes: Drawable) -> NDArray[np.float32]:
    rows = np.stack([shapes.draw(int(shape), _SMALL).ravel() for shape in table.shape]).astype(np.float32)
    out: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return out


def _main(
    dataset: Annotated[Path, typer.Option(help="A finished dataset.")] = Path("runs/glyphs.db"),
    bundle: Annotated[
        Path | None, typer.Option(help="Folder of a bundle; the shipped one by default.")
    ] = None,
    split: Annotated[str, typer.Option(help="Families to draw from: validation or test.")] = "test",
    limit: Annotated[int, typer.Option(help="Glyphs asked.")] = 20_000,
    per_label: Annotated[int, typer.Option(help="References of each label.")] = 8,
) -> None:
    """Accuracy of the nearest raster, and whether the label is among the ten nearest."""
    loaded = Bundle.load(bundle or default_bundle())
    with GlyphSource.open(dataset) as opened:
        examined = Examined.of(opened, Split(split), loaded.labels, limit=limit)
        references = choose_references(opened, loaded.labels, per_label)
        shapes, places = opened.shapes(references.shape.tolist()), opened.places(loaded.labels)
    of_reference = places[references.label]
    index = faiss.IndexFlatIP(_SMALL.size**2)
    index.add(_pixels(references, shapes))
    _, nearest = index.search(_pixels(examined.table, examined.shapes), 10)
    found = of_reference[nearest]
    right = found == examined.truth[:, None]
    alike = alike_matrix(loaded.labels, loaded.equivalence)[examined.truth, found[:, 0]]
    rows = [
        (
            "nearest pixels",
            float(right[:, 0].mean()),
            float((right[:, 0] | alike).mean()),
            float(right.any(1).mean()),
        )
    ]
    show.table(
        f"{len(examined.table):,} glyphs of unseen families, {len(references):,} references",
        ("recogniser", "top-1", "up to equivalence", "label among ten nearest"), rows,
    )  # fmt: skip


if __name__ == "__main__":
    typer.run(_main)
