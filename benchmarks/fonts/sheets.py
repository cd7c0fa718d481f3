"""Contact sheets for a person to decide by: FAILs in clean fonts, and faults that were missed."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.fonts.measure import Defect, is_defect
from benchmarks.fonts.outcomes import FontOutcome
from glyphs.labels import Label
from glyphs.raster import Raster
from scoring.verdicts import Status

_WIDTH, _HEIGHT, _COLUMNS = 300, 96, 5
MOST = 400  # cells of a sheet; the lists beside it hold all
_GREY = (110, 110, 110)


@dataclass(frozen=True, slots=True)
class Cell:
    """Pictures beside each other, and lines of text at their right, the first of them darker."""

    pictures: tuple[Raster, ...]
    lines: tuple[str, ...]


def false_fails(outcomes: Sequence[FontOutcome], defects: set[Defect]) -> list[Cell]:
    """FAILs in clean fonts that are not in the list of real defects."""
    return [
        Cell(
            (outcome.pictures[one.entry],),
            (f"{_named(one.label)}: {one.check}", outcome.font.title, one.message or ""),
        )
        for outcome in outcomes
        for one in outcome.clean.glyphs
        if one.status is Status.FAIL and not is_defect(outcome, one, defects)
    ]


def missed(outcomes: Sequence[FontOutcome]) -> list[Cell]:
    """Faults that no FAIL tells of, before and after."""
    return [
        Cell(
            (one.before, one.after),
            (
                f"{_named(one.fault.label)}: {one.fault.kind}{', warned' if one.warned else ''}",
                one.font.title,
                one.fault.details,
            ),
        )
        for outcome in outcomes
        for one in outcome.faults
        if not one.found
    ]


def write(cells: Sequence[Cell], path: Path) -> None:
    """Draw a sheet of cells; one that says so where there are none."""
    shown = cells[:MOST]
    rows = max(1, -(-len(shown) // _COLUMNS))
    sheet = Image.new("RGB", (_WIDTH * _COLUMNS, _HEIGHT * rows + 24), "white")
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.truetype(str(Path(mpl.get_data_path(), "fonts/ttf/DejaVuSans.ttf")), 10)
    pen.text((4, 6), f"{len(cells):,}, of which {len(shown):,} are shown", fill="black", font=font)
    for number, cell in enumerate(shown):
        left, top = number % _COLUMNS * _WIDTH, 24 + number // _COLUMNS * _HEIGHT
        for picture in cell.pictures:
            sheet.paste(Image.fromarray(255 - np.asarray(picture)), (left + 2, top + 2))
            left += picture.shape[1] + 4
        columns = (_WIDTH - len(cell.pictures) * 76 - 8) // 6
        lines = [part for line in cell.lines for part in textwrap.wrap(line, columns)]
        for place, line in enumerate(lines[:7]):
            pen.text((left + 2, top + 2 + 13 * place), line, fill=_GREY if place else "black", font=font)
    sheet.save(path)


def _named(label: str) -> str:
    read = Label.parse(label)
    return f"U+{read.codepoint:04X} {read.form} {read.character.name.title()}"
