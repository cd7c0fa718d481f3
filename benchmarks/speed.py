"""How fast the parts are, each beside a named peer in the same run.

Drawing beside Pillow's own text drawing, recognition beside the same arithmetic
as a matrix product of numpy's, search beside numpy. Run: `python -m benchmarks.speed`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image, ImageDraw, ImageFont

from bundles import default_bundle
from glyphery import show
from glyphs.fonts import FontFile
from glyphs.raster import draw
from index.search import ReferenceIndex
from recognition.bundle import Bundle
from recognition.recogniser import Recogniser

FLOP_PER_RASTER = 0.2e9  # LeViT-128S at 128 x 128, multiplications and additions


def rate(work: Callable[[], object], items: int, seconds: float = 2.0) -> float:
    """Items a second, best of the rounds that fit in `seconds`."""
    work()
    best, end = 0.0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        work()
        best = max(best, items / (time.perf_counter() - start))
    return best


def _main(
    font: Annotated[Path, typer.Option(help="A font to draw with.")] = Path("tests/data/fonts/sans.ttf"),
    bundle: Annotated[
        Path | None, typer.Option(help="Folder of a bundle; the shipped one by default.")
    ] = None,
) -> None:
    """Rates, and how they stand to their peers."""
    loaded = Bundle.load(bundle or default_bundle())
    rng = np.random.default_rng(0)
    rows: list[tuple[str, float, str, float]] = []

    face = next(FontFile.read(font).faces())
    characters = [code for code in face.characters() if 65 <= code <= 122]
    outlines = [glyph.outline for code in characters if (glyph := face.glyph(face.characters()[code]))]
    pillow = ImageFont.truetype(str(font), 112)

    def by_pillow() -> None:
        for code in characters:
            ImageDraw.Draw(Image.new("L", (128, 128))).text((8, 8), chr(code), 255, pillow)

    ours = rate(lambda: [draw(outline) for outline in outlines], len(outlines))
    rows.append(("draw a glyph", ours, "Pillow's text", rate(by_pillow, len(characters))))

    square = rng.standard_normal((1024, 1024), np.float32)
    flops = rate(lambda: square @ square, 2 * 1024**3)
    recogniser = Recogniser(loaded, threads=0)
    size = loaded.manifest.raster.size
    for batch in (1, 32, 256):
        rasters = rng.integers(0, 256, (batch, size, size), np.uint8)
        found = rate(lambda rasters=rasters: recogniser.answer(rasters), batch)  # type: ignore[misc]
        rows.append((f"recognise, batch {batch}", found, "numpy's matrix product", flops / FLOP_PER_RASTER))

    references = ReferenceIndex.load(loaded.path)
    stored = references._index.reconstruct_n(0, len(references.references))
    query = stored[:1]

    def by_numpy() -> None:
        np.argpartition(stored @ query[0], -10)[-10:]

    rows.append(
        ("search, one query", rate(lambda: references.search(query, 10), 1), "numpy", rate(by_numpy, 1))
    )
    shown = [
        (work, f"{own:,.0f}", peer, f"{theirs:,.0f}", f"{own / theirs:.2f}")
        for work, own, peer, theirs in rows
    ]
    show.table("Rates on this machine", ("work", "a second", "peer", "peer, a second", "ratio"), shown)


if __name__ == "__main__":
    typer.run(_main)
