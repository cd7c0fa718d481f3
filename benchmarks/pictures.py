"""Does a posted picture get the same answer however it was painted?

Glyphs of test families that are recognised as a clean 128 px picture are painted in other ways,
read as the service reads them, and asked again. Run: `python -m benchmarks.pictures`.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from PIL import Image

from bundles import default_bundle
from glyphery import show
from glyphs.dataset.shapes import Shapes
from glyphs.dataset.store import Dataset
from glyphs.errors import BadPicture
from glyphs.outline import Outline
from glyphs.picture import read_picture
from glyphs.raster import RasterSettings, draw
from glyphs.splits import Split
from recognition.bundle import Bundle
from recognition.candidates import Candidates
from recognition.recogniser import Recogniser

Paint = Callable[[Outline], bytes]
_RED, _GREEN = np.array([200, 30, 30]), np.array([20, 122, 20])  # alike in lightness


def _ink(outline: Outline, pixels: int) -> NDArray[np.uint8]:
    return draw(outline, RasterSettings(size=pixels, box=max(8, round(pixels * 0.8))))


def _enlarged(ink: NDArray[np.uint8], times: int) -> NDArray[np.uint8]:
    size = (ink.shape[1] * times, ink.shape[0] * times)
    return np.asarray(Image.fromarray(ink).resize(size, Image.Resampling.BICUBIC))


def _saved(pixels: NDArray[np.uint8], format: str = "PNG", **options: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, format, **options)
    return out.getvalue()


def _coloured(ink: NDArray[np.uint8]) -> NDArray[np.uint8]:
    share = ink[..., None] / 255
    return np.rint(_RED * share + _GREEN * (1 - share)).astype(np.uint8)


def _transparent(ink: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.dstack([np.zeros((*ink.shape, 3), np.uint8), ink])


PAINTS: dict[str, Paint] = {
    "dark on light": lambda o: _saved(255 - _ink(o, 128)),
    "light on dark": lambda o: _saved(_ink(o, 128)),
    "alpha": lambda o: _saved(_transparent(_ink(o, 128))),
    "red on green": lambda o: _saved(_coloured(_ink(o, 128))),
    "JPEG, quality 75": lambda o: _saved(255 - _ink(o, 128), "JPEG", quality=75),
    "WebP": lambda o: _saved(255 - _ink(o, 128), "WEBP", quality=75),
    "64 px": lambda o: _saved(255 - _ink(o, 64)),
    "2,000 px": lambda o: _saved(255 - _enlarged(_ink(o, 1000), 2)),
    "24 px": lambda o: _saved(255 - _ink(o, 24)),
    "16 px": lambda o: _saved(255 - _ink(o, 16)),
}


def _main(
    dataset: Annotated[Path, typer.Option(help="A finished dataset.")] = Path("runs/glyphs.db"),
    bundle: Annotated[
        Path | None, typer.Option(help="Folder of a bundle; the shipped one by default.")
    ] = None,
    glyphs: Annotated[int, typer.Option(help="Glyphs to paint, all right at 128 px.")] = 500,
    split: Annotated[str, typer.Option(help="Families to draw from: validation or test.")] = "test",
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Share of glyphs whose best label stays what it was at 128 px."""
    recogniser = Recogniser(Bundle.load(bundle or default_bundle()), threads=0)
    labels = {str(label): place for place, label in enumerate(recogniser.bundle.labels)}
    with Dataset.open(dataset) as opened:
        known = {i: str(label) for i, label in opened.labels().items() if str(label) in labels}
        table = opened.table(Split(split))
        table = table.take(np.isin(table.label, list(known)))
        table = table.take(np.random.default_rng(0).permutation(len(table))[: glyphs * 4])
        shapes = Shapes(opened, table.shape.tolist())
    outlines = [shapes.get(int(shape)) for shape in table.shape]
    truth = [known[int(label)] for label in table.label]
    figures = {}
    for asked, metrics in (
        ("without metrics", np.full_like(table.metrics, np.nan)),
        ("with metrics", table.metrics),
    ):
        base = _best(recogniser, [PAINTS["dark on light"](o) for o in outlines], metrics)  # type: ignore[arg-type]
        rows = [row for row, label in enumerate(truth) if base[row] == label][:glyphs]
        figures[asked] = {
            name: float(
                np.mean([
                    best == truth[row]
                    for best, row in zip(
                        _best(recogniser, [paint(outlines[row]) for row in rows], metrics[rows]),  # type: ignore[arg-type]
                        rows, strict=True,
                    )
                ])
            )
            for name, paint in PAINTS.items()
        }  # fmt: skip
        figures[asked]["glyphs"] = float(len(rows))
    if json:
        show.as_json(figures)
        return
    rows_shown = [(name, *(f"{100 * figures[asked][name]:.1f}" for asked in figures)) for name in PAINTS]
    show.table(f"Same best label, per cent of {glyphs} glyphs", ("painted", *figures), rows_shown)


def _best(recogniser: Recogniser, pictures: list[bytes], metrics: NDArray[np.float32]) -> list[str]:
    """Best label of each picture, '' where it cannot be read."""
    settings = recogniser.bundle.manifest.raster
    rasters = np.zeros((len(pictures), settings.size, settings.size), np.uint8)
    for row, picture in enumerate(pictures):
        try:
            rasters[row] = read_picture(picture, settings)
        except BadPicture:
            continue  # stays blank, and is counted wrong
    found = Candidates(recogniser.bundle).recognise(recogniser.answer(rasters, metrics), 1)
    return [
        str(recognition.predictions[0].label) if raster.any() else ""
        for recognition, raster in zip(found, rasters, strict=True)
    ]


if __name__ == "__main__":
    typer.run(_main)
