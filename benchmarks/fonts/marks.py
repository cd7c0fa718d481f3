"""What outlines alone say of marks: which faults they find, and what they object to in published fonts.

For working on `scoring.marks`, whose rules must not be fitted to the fonts that measure them: faults are put
into fonts of training families, and the same rules look at others of them as they were published. No model
is asked, which is why this finds less, and objects to more, than scoring does. Run:
`python -m benchmarks.fonts.marks`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Annotated, Any

import typer

from benchmarks.fonts.faults import faulted
from benchmarks.fonts.subject import Subject
from benchmarks.glyphs.labels import AskedLabels
from glyphery import show
from glyphs.dataset.legibility import listed_families
from glyphs.errors import BadFont, BadInput
from glyphs.fonts import FontFile
from glyphs.labels import Label
from glyphs.splits import Split, frozen_splits
from scoring.composition import bears_marks
from scoring.marks import Box, Marks
from scoring.pieces import Piece, pieces_of
from scoring.reader import ReadFace, read_faces

_OF_MARKS = "missing-mark", "moved-mark", "mark-beside"
_MOST = 100_000  # glyphs of a face
_LEAST = 20  # letters with marks, for a published face to count
_SUFFIXES = frozenset({".ttf", ".otf"})


@dataclass(frozen=True, slots=True)
class Letters:
    """The letters with marks of a face: of each glyph its number, label and pieces."""

    marks: Marks
    glyphs: tuple[tuple[int, Label, tuple[Piece, ...]], ...]

    @classmethod
    def of(cls, face: ReadFace) -> Letters:
        glyphs: list[tuple[int, Label, tuple[Piece, ...]]] = []
        boxes: dict[Label, Box] = {}
        for claim in face.claims:
            drawing = face.drawings[claim.drawing]
            if drawing.glyph is None:
                continue
            metrics = drawing.glyph.metrics
            boxes.setdefault(claim.label, (metrics.width, metrics.height, metrics.bottom, metrics.advance))
            if bears_marks(claim.label):
                [pieces] = pieces_of([drawing.glyph.outline], [metrics.bottom])
                glyphs.append((drawing.index, claim.label, pieces))
        first: dict[Label, tuple[Piece, ...]] = {}
        for _, label, pieces in glyphs:
            first.setdefault(label, pieces)
        return cls(Marks(first, boxes), tuple(glyphs))

    def said(self, label: Label, pieces: tuple[Piece, ...]) -> str:
        return self.marks.astray(label, pieces) or self.marks.lost(label, pieces)


def found_in_faults(data: bytes, copies: int, asked: Container[Label]) -> Iterator[tuple[str, bool]]:
    """Of each fault with a mark that is put into a font its kind, and whether anything is said.

    asked: labels that a fault may touch

    Raises:
        BadFont: the font cannot be read or edited.
    """
    for copy in faulted(Subject(data, asked), copies):
        letters = Letters.of(next(_faces(copy.data)))
        for fault in copy.faults:
            if fault.kind in _OF_MARKS:
                touched = (glyph[1:] for glyph in letters.glyphs if glyph[0] in fault.indices)
                yield fault.kind, any(letters.said(label, pieces) for label, pieces in touched)


def _faces(data: bytes) -> Iterator[ReadFace]:
    return read_faces(FontFile(Path(), data, ""), _MOST)


def _training_fonts(folder: Path, seed: int) -> Iterator[tuple[bytes, ReadFace]]:
    """Fonts of one face of training families, in an order by lot."""
    splits, excluded = frozen_splits(), listed_families()
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
    Random(seed).shuffle(paths)
    for path in paths:
        try:
            data = path.read_bytes()
            face = next(_faces(data))
        except (BadFont, OSError, StopIteration):
            continue
        if splits.get(face.family) is Split.TRAIN and face.family not in excluded:
            yield data, face


def _main(
    fonts: Annotated[Path, typer.Option(help="Folder in which the fonts are.")] = Path("/usr/share/fonts"),
    faulty: Annotated[int, typer.Option(help="Fonts that faults are put into.")] = 60,
    copies: Annotated[int, typer.Option(help="Faulted copies of each.")] = 2,
    published: Annotated[int, typer.Option(help="Faces that are looked at as published.")] = 300,
    seed: Annotated[int, typer.Option(help="Of the lot that chooses them.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Faults with marks that outlines alone find in training fonts, and what they object to in published."""
    put, found, objections = Counter[str](), Counter[str](), Counter[tuple[str, str]]()
    letters = looked = edited = 0
    asked = frozenset(AskedLabels.read().labels)
    examples: dict[tuple[str, str], str] = {}
    with show.bar("Fonts", faulty + published) as advance:
        for data, face in _training_fonts(fonts, seed):
            if edited < faulty:
                try:
                    results = list(found_in_faults(data, copies, asked))
                except BadFont:
                    continue
                edited += 1
                put.update(kind for kind, _ in results)
                found.update(kind for kind, is_found in results if is_found)
            elif looked < published:
                of = Letters.of(face)
                if len(of.glyphs) < _LEAST:
                    continue
                looked += 1
                letters += len(of.glyphs)
                for _, label, pieces in of.glyphs:
                    if said := of.said(label, pieces):
                        objections[face.family, said] += 1
                        known = examples.get((face.family, said), "")
                        examples[face.family, said] = (known + label.character.text)[:12]
            else:
                break
            advance(edited + looked)
    if not edited:
        raise BadInput(f"There are no fonts of training families in {fonts}.", "Run `make fonts`.")
    kinds = [{"kind": kind, "faults": put[kind], "found": found[kind]} for kind in _OF_MARKS]
    rows: list[dict[str, Any]] = [
        {"family": family, "said": said, "letters": count, "such as": examples[family, said]}
        for (family, said), count in objections.most_common()
    ]
    if json:
        show.as_json({"kinds": kinds, "faces": looked, "letters": letters, "objections": rows})
        return
    show.table(f"Faults put into {edited} fonts", kinds[0], [row.values() for row in kinds])
    title = f"{sum(objections.values()):,} objections to {letters:,} letters with marks of {looked} faces"
    show.table(title, ("family", "said", "letters", "such as"), [row.values() for row in rows])


if __name__ == "__main__":
    typer.run(_main)
