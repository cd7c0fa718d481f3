"""Pictures for people: right and wrong answers on unseen families, and nearest references.

Run: `python -m benchmarks.gallery --out docs/gallery.png`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image, ImageDraw, ImageFont

from bundles import default_bundle
from glyphs.dataset.shapes import Shapes
from glyphs.dataset.store import Dataset
from glyphs.labels import Label
from glyphs.splits import Split
from index.search import ReferenceIndex
from recognition.bundle import Bundle
from recognition.candidates import Candidates
from recognition.recogniser import Recogniser

_CELL, _GAP, _NEAREST = 64, 8, 6
_RIGHT, _ALIKE, _WRONG = (22, 128, 60), (161, 98, 7), (185, 28, 28)
_FONT_FILES = ("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",)


def _text_font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    for file in _FONT_FILES:
        if Path(file).exists():
            return ImageFont.truetype(file, size)
    return ImageFont.load_default(size)


def _main(
    dataset: Annotated[Path, typer.Option(help="A finished dataset.")] = Path("runs/glyphs.db"),
    bundle: Annotated[
        Path | None, typer.Option(help="Folder of a bundle; the shipped one by default.")
    ] = None,
    out: Annotated[Path, typer.Option(help="The picture to write.")] = Path("docs/gallery.png"),
    rows: Annotated[int, typer.Option(help="Glyphs in each of the two columns.")] = 14,
    seed: Annotated[int, typer.Option(help="Which glyphs.")] = 0,
) -> None:
    """Half the rows right, half wrong; beside each glyph its answer and its nearest references."""
    recogniser = Recogniser(Bundle.load(bundle or default_bundle()), threads=0)
    index = ReferenceIndex.load(recogniser.bundle.path)
    known = set(recogniser.bundle.labels)
    with Dataset.open(dataset) as opened:
        labels = opened.labels()
        table = opened.table(Split.TEST)
        table = table.take(np.isin(table.label, [i for i, label in labels.items() if label in known]))
        table = table.take(np.random.default_rng(seed).permutation(len(table))[:800])
        shapes, fonts = Shapes(opened, table.shape.tolist()), opened.fonts()
    rasters = shapes.draw_all(table.shape, recogniser.bundle.manifest.raster)
    answers = recogniser.answer(rasters, table.metrics)
    found = Candidates(recogniser.bundle).recognise(answers, 1)
    truth = [labels[int(label)] for label in table.label]
    said = [recognition.predictions[0] for recognition in found]
    right = [row for row, label in enumerate(truth) if said[row].label == label][:rows]
    wrong = [row for row, label in enumerate(truth) if said[row].label != label][:rows]

    width = 2 * (_CELL + 250 + _NEAREST * (48 + 4) + 3 * _GAP)
    sheet = Image.new("RGB", (width, rows * (_CELL + _GAP) + 40), "white")
    pen, small, large = ImageDraw.Draw(sheet), _text_font(11), _text_font(15)
    for column, (title, chosen) in enumerate((("Right", right), ("Wrong", wrong))):
        left = column * width // 2 + _GAP
        pen.text((left, 10), f"{title}: unseen glyph, answer, nearest references", fill="black", font=large)
        for place, row in enumerate(chosen):
            top = 40 + place * (_CELL + _GAP)
            sheet.paste(Image.fromarray(255 - rasters[row]).resize((_CELL, _CELL)), (left, top))
            best = said[row]
            alike = truth[row] in best.equivalents
            colour = _RIGHT if best.label == truth[row] else _ALIKE if alike else _WRONG
            lines = [_name(best.label), f"{best.probability:.0%}", " ".join(fonts[int(table.font[row])])]
            if best.label != truth[row]:
                lines[1] += f", is {_name(truth[row])}" + (" (looks the same)" if alike else "")
            for line, text in enumerate(lines):
                fill = colour if line < 2 else (110, 110, 110)
                pen.text((left + _CELL + _GAP, top + 4 + 18 * line), text[:42], fill=fill, font=small)
            for rank, neighbour in enumerate(index.search(answers.embeddings[row : row + 1], _NEAREST)[0]):
                picture = Image.fromarray(255 - index.references.pictures[neighbour.reference.number])
                sheet.paste(picture, (left + _CELL + 250 + rank * 52, top + 8))
    sheet.save(out)


def _name(label: Label) -> str:
    form = f" ({label.form})" if label.form else ""
    return label.character.name.replace("LATIN ", "").replace("LETTER ", "").capitalize()[:34] + form


if __name__ == "__main__":
    typer.run(_main)
