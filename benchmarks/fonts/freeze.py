"""Freeze which fonts faults are put into.

Run: `python -m benchmarks.fonts.freeze`. Text fonts of the dataset's held-out families, by rule and by
the reviewed list `left-out.tsv`; no model is asked. A new list makes new figures.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.fonts.choice import ARABIC, FROZEN, OTHER, ChosenFont, read_rows, write_choice
from benchmarks.glyphs.labels import AskedLabels
from glyphs.splits import Split

LEFT_OUT = Path(__file__).with_name("left-out.tsv")
LEAST_LABELS = 50  # that the benchmark of glyphs asks, too: a font with fewer has nothing to be judged by
LEAST_ARABIC, LEAST_MEDIAL = 28, 20  # letters, and joining forms, of a font that counts as Arabic
# Few families validate, and few are Arabic: of these more styles are taken.
STYLES = {(Split.VALIDATION, OTHER): 4, (Split.TEST, OTHER): 1}
ARABIC_STYLES = 8
# A font that shares so much of its outlines with one of another family, chosen before it, adds nothing.
SHARED = 0.5
_REGULAR = ("regular", "roman", "book", "sans-book", "normal", "medium")
_EDITABLE = (".ttf", ".otf")


@dataclass(frozen=True, slots=True)
class _Candidate:
    font: ChosenFont
    shapes: frozenset[int]


def chosen(dataset: Path, left_out: Sequence[str]) -> Iterator[ChosenFont]:
    """Regular styles first, families in order of name.

    left_out: patterns of families
    """
    asked = {str(label) for label in AskedLabels.read().labels}
    with closing(sqlite3.connect(f"file:{dataset}?mode=ro", uri=True)) as database:
        for split in (Split.VALIDATION, Split.TEST):
            taken: dict[str, frozenset[int]] = {}
            families = database.execute(
                "SELECT id, name FROM families WHERE split = ? AND excluded IS NULL ORDER BY name", (split,)
            )
            for identifier, family in families.fetchall():
                if any(fnmatchcase(family, pattern) for pattern in left_out):
                    continue
                for candidate in _styles(database, identifier, family, split, asked):
                    shapes = candidate.shapes
                    if any(
                        len(shapes & others) >= SHARED * min(len(shapes), len(others))
                        for other, others in taken.items()
                        if other != family
                    ):
                        break
                    taken[family] = taken.get(family, frozenset()) | shapes
                    yield candidate.font


def _styles(
    database: sqlite3.Connection, identifier: int, family: str, split: Split, asked: set[str]
) -> list[_Candidate]:
    """The fonts of a family that can be used, the most regular first, as many as are wanted."""
    rows = database.execute(
        "SELECT id, file, style, sha256 FROM fonts WHERE family = ? AND face = 0 AND instance = 0"
        " ORDER BY file",
        (identifier,),
    )
    found: dict[str, list[_Candidate]] = defaultdict(list)
    styles: set[str] = set()
    for font, file, style, digest in sorted(rows, key=lambda row: (rank(row[2]), row[1])):
        # Some packages hold a style twice, as TrueType and as CFF.
        if not file.lower().endswith(_EDITABLE) or style.casefold() in styles:
            continue
        drawn = database.execute(
            "SELECT labels.label, labels.script, labels.form, shape FROM glyphs"
            " JOIN labels ON labels.id = glyphs.label WHERE font = ?",
            (font,),
        ).fetchall()
        drawn = [row for row in drawn if row[0] in asked]
        if len(drawn) < LEAST_LABELS:
            continue
        forms = [form for _, script, form, _ in drawn if script == "Arab"]
        arabic = forms.count("isol") >= LEAST_ARABIC and forms.count("medi") >= LEAST_MEDIAL
        kind = ARABIC if arabic else OTHER
        styles.add(style.casefold())
        record = ChosenFont(file, family, style, split, kind, digest)
        found[kind].append(_Candidate(record, frozenset(row[3] for row in drawn)))
    return found[ARABIC][:ARABIC_STYLES] or found[OTHER][: STYLES[split, OTHER]]


def rank(style: str) -> int:
    """How far a style is from the regular one of its family."""
    return _REGULAR.index(style.casefold()) if style.casefold() in _REGULAR else len(_REGULAR)


def _main(
    dataset: Annotated[Path, typer.Option(help="A finished dataset.")] = Path("runs/glyphs.db"),
    out: Annotated[Path, typer.Option(help="The list to write.")] = FROZEN,
) -> None:
    """Rewrite the list of fonts from a dataset."""
    fonts = list(chosen(dataset, [row[0] for row in read_rows(LEFT_OUT)]))
    write_choice(fonts, out)
    for split in (Split.VALIDATION, Split.TEST):
        of = [font for font in fonts if font.split is split]
        arabic = [font for font in of if font.kind == ARABIC]
        print(
            f"{split}: {len(of)} fonts of {len({font.family for font in of})} families; Arabic are "
            f"{len(arabic)} of {len({font.family for font in arabic})}."
        )


if __name__ == "__main__":
    typer.run(_main)
