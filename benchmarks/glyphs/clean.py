"""Families whose glyphs are not what their code points say, ranked for a person to look at.

Every glyph is compared, as a small raster, with the same label's glyphs of all other families, and
how near its fifth nearest comes is held against what is usual for that label. A family of
pictures, frames or scattered strokes is unlike its fellows throughout; one with another script on
Latin code points is unlike them in one stretch of code points. No model is asked, least of all
one that the benchmark measures, so that test families may be judged with the rest. What was found
and looked at is listed with its reason in `glyphs/data/excluded-families.tsv`.

`python -m benchmarks.glyphs.clean --dataset runs/glyphs.db --out runs/clean` writes ranking.tsv and
contact sheets, the strangest families first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from glyphery import show
from glyphs.dataset.shapes import Shapes
from glyphs.dataset.store import Dataset, GlyphTable
from glyphs.errors import GlypheryError
from glyphs.labels import Label
from glyphs.raster import RasterSettings

LEAST_FAMILIES = 10  # of a label that can be judged
LEAST_GLYPHS = 10  # of a stretch of code points that can be judged by itself
NEAREST = 5  # not the nearest: a family may have a relative under another name
STRETCH = 0x80  # code points judged together
SAMPLE = [Label(ord(character)) for character in "AEGHKMRSTQaegknrsty0258&@"]

_SMALL = RasterSettings(size=24, box=22)
_SHOWN = RasterSettings(size=44, box=40)
_CELL, _MARGIN, _ROWS = 46, 170, 28


@dataclass(frozen=True, slots=True)
class Judged:
    """One family: its agreement with other families in all, and in its strangest stretch.

    0 is usual, -0.3 strange, -0.5 unlike any other; differences of cosines between rasters
    """

    family: str
    split: str
    glyphs: int
    agreement: float
    stretch: int
    stretch_agreement: float
    excluded: str


def one_face_a_family(dataset: Dataset) -> GlyphTable:
    """The glyphs of each family's face with the most of them, of labels that enough families have."""
    table = dataset.table(excluded=True)
    fonts, first, counts = np.unique(table.font, return_index=True, return_counts=True)
    family = table.family[first]
    order = np.lexsort((-counts, family))
    faces = fonts[order[np.unique(family[order], return_index=True)[1]]]
    table = table.take(np.isin(table.font, faces))
    _, place, families = np.unique(table.label, return_inverse=True, return_counts=True)
    return table.take(families[place] >= LEAST_FAMILIES)


def agreement(table: GlyphTable, rasters: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(G,) how near each glyph's fifth nearest of its label comes, less the median of that label.

    rasters: (G, S, S)
    """
    pixels = rasters.reshape(len(rasters), -1).astype(np.float32)
    pixels -= pixels.mean(axis=1, keepdims=True)
    pixels /= np.linalg.norm(pixels, axis=1, keepdims=True) + 1e-6
    out = np.zeros(len(table), np.float32)
    order = np.argsort(table.label, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(table.label[order]) != 0])
    for rows in np.split(order, starts[1:]):
        cosine = pixels[rows] @ pixels[rows].T
        np.fill_diagonal(cosine, -1.0)
        k = min(NEAREST, len(rows) - 1)
        near = np.partition(cosine, -k, axis=1)[:, -k]
        out[rows] = near - np.median(near)
    return out


def judge(dataset: Dataset, table: GlyphTable, agreed: NDArray[np.float32]) -> list[Judged]:
    """Every family, the strangest first."""
    labels = dataset.labels()
    stretch = np.array([labels[int(label)].codepoint // STRETCH for label in table.label])
    judged = []
    for identifier, name, split, excluded in dataset.families():
        of_family = table.family == identifier
        if not of_family.any():
            continue
        parts = {
            int(part): float(np.median(agreed[rows]))
            for part in np.unique(stretch[of_family])
            if (rows := of_family & (stretch == part)).sum() >= LEAST_GLYPHS
        }
        whole = float(np.median(agreed[of_family]))
        worst = min(parts, key=lambda part: parts[part]) if parts else int(stretch[of_family][0])
        judged.append(
            Judged(
                name, str(split), int(of_family.sum()), whole, worst * STRETCH, parts.get(worst, whole),
                excluded or "",
            )
        )  # fmt: skip
    return sorted(judged, key=lambda one: min(one.agreement, one.stretch_agreement))


def sheets(dataset: Dataset, table: GlyphTable, judged: list[Judged]) -> Iterator[Image.Image]:
    """The sample letters of each family, a family a row, and of its strangest stretch below them."""
    labels, ids = dataset.labels(), {name: identifier for identifier, name, _, _ in dataset.families()}
    codes = np.array([labels[int(label)].codepoint for label in table.label])
    wanted = [dataset.label_ids().get(label, -1) for label in SAMPLE]
    for start in range(0, len(judged), _ROWS):
        page = judged[start : start + _ROWS]
        rows: list[tuple[str, list[int]]] = []
        for one in page:
            of_family = np.flatnonzero(table.family == ids[one.family])
            of_label = dict(
                zip(table.label[of_family].tolist(), table.shape[of_family].tolist(), strict=True)
            )
            rows.append((f"{one.family} ({one.split})", [of_label.get(label, -1) for label in wanted]))
            strange = of_family[codes[of_family] // STRETCH == one.stretch // STRETCH]
            picked = strange[np.linspace(0, len(strange) - 1, min(len(SAMPLE), len(strange))).astype(int)]
            rows.append((f"  from U+{one.stretch:04X}: {one.stretch_agreement:+.2f}",
                         table.shape[picked].tolist()))  # fmt: skip
        shapes = Shapes(dataset, sorted({shape for _, row in rows for shape in row if shape >= 0}))
        sheet = Image.new("L", (_MARGIN + _CELL * len(SAMPLE), _CELL * len(rows)), 255)
        pen = ImageDraw.Draw(sheet)
        for y, (title, row) in enumerate(rows):
            pen.text((4, y * _CELL + 16), title[:28], fill=0)
            for x, shape in enumerate(row):
                if shape >= 0 and (raster := _drawn(shapes, shape, _SHOWN)) is not None:
                    sheet.paste(Image.fromarray(255 - raster), (_MARGIN + x * _CELL, y * _CELL))
        yield sheet


def _drawn(shapes: Shapes, shape: int, settings: RasterSettings) -> NDArray[np.uint8] | None:
    try:
        return shapes.draw(shape, settings)
    except GlypheryError:  # an outline that cannot be drawn agrees with nothing
        return None


def _main(
    dataset: Annotated[Path, typer.Option(help="A finished dataset.")] = Path("runs/glyphs.db"),
    out: Annotated[Path, typer.Option(help="Folder for the ranking and the sheets.")] = Path("runs/clean"),
    pages: Annotated[int, typer.Option(help="Sheets of 28 families to draw.")] = 10,
) -> None:
    """Rank the families of a dataset by how unlike others they draw their labels."""
    with Dataset.open(dataset) as opened:
        table = one_face_a_family(opened)
        shapes = Shapes(opened, np.unique(table.shape).tolist())
        rasters = np.zeros((len(table), _SMALL.size, _SMALL.size), np.uint8)
        with show.bar("Drawing", len(table)) as advance:
            for row, shape in enumerate(table.shape.tolist()):
                if (raster := _drawn(shapes, shape, _SMALL)) is not None:
                    rasters[row] = raster
                advance(row + 1)
        judged = judge(opened, table, agreement(table, rasters))
        out.mkdir(parents=True, exist_ok=True)
        lines = [
            f"{j.family}\t{j.split}\t{j.glyphs}\t{j.agreement:.2f}\tU+{j.stretch:04X}"
            f"\t{j.stretch_agreement:.2f}\t{j.excluded}\n"
            for j in judged
        ]
        head = "family\tsplit\tglyphs\tagreement\tstrangest stretch\tits agreement\tset aside because\n"
        (out / "ranking.tsv").write_text(head + "".join(lines), encoding="utf-8")
        unseen = [one for one in judged if not one.excluded][: pages * _ROWS]
        for number, sheet in enumerate(sheets(opened, table, unseen)):
            sheet.save(out / f"sheet-{number:02}.png")
    print(f"{len(judged):,} families ranked in {out / 'ranking.tsv'}, the strangest drawn beside it")


if __name__ == "__main__":
    typer.run(_main)
