"""The reference glyphs an index points at: label, family, style and a small picture of each."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from glyphs.errors import BadIndex
from glyphs.labels import Label
from index.pictures import Pictures

FILE = "references.npz"


@dataclass(frozen=True, slots=True)
class Reference:
    """One indexed glyph."""

    number: int
    label: Label
    family: str
    style: str


class References:
    """R references in columns; `references[i]` is the i-th."""

    def __init__(
        self,
        labels: Sequence[Label],
        families: Sequence[str],
        styles: Sequence[str],
        pictures: Pictures,
    ) -> None:
        """Raises BadIndex where the columns differ in length."""
        if not len(labels) == len(families) == len(styles) == len(pictures):
            raise BadIndex("The columns of the references differ in length.")
        self.labels, self.families, self.styles = tuple(labels), tuple(families), tuple(styles)
        self.pictures = pictures
        self._first: dict[Label, int] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, number: int) -> Reference:
        return Reference(number, self.labels[number], self.families[number], self.styles[number])

    def keys(self) -> list[tuple[Label, str, str]]:
        """(label, family, style) of each reference: what tells one from another."""
        return list(zip(self.labels, self.families, self.styles, strict=True))

    def take(self, rows: Sequence[int]) -> References:
        """The references of these rows, in their order."""
        return References(
            [self.labels[row] for row in rows],
            [self.families[row] for row in rows],
            [self.styles[row] for row in rows],
            self.pictures.take(rows),
        )

    def __add__(self, others: References) -> References:
        return References(
            self.labels + others.labels,
            self.families + others.families,
            self.styles + others.styles,
            self.pictures + others.pictures,
        )

    def picture_of(self, label: Label) -> bytes | None:
        """The picture of a label's first reference, as a PNG; None where it has none."""
        if self._first is None:
            self._first = {known: number for number, known in reversed(list(enumerate(self.labels)))}
        number = self._first.get(label)
        return None if number is None else self.pictures.png(number)

    def save(self, folder: Path) -> None:
        columns = json.dumps(
            {
                "labels": [str(label) for label in self.labels],
                "families": list(self.families),
                "styles": list(self.styles),
            },
            ensure_ascii=False,
        )
        np.savez_compressed(
            folder / FILE, columns=np.frombuffer(columns.encode(), np.uint8), lengths=self.pictures.lengths
        )
        self.pictures.save(folder)

    @classmethod
    def load(cls, folder: Path) -> References:
        """Raises BadIndex where a file is missing or broken."""
        try:
            with np.load(folder / FILE, allow_pickle=False) as file:
                if "lengths" not in file:
                    raise ValueError("they were made before Glyphery 0.6")
                columns = json.loads(file["columns"].tobytes())
                known = {text: Label.parse(text) for text in set(columns["labels"])}
                labels = [known[text] for text in columns["labels"]]
                pictures = Pictures.load(folder, file["lengths"])
                return cls(labels, columns["families"], columns["styles"], pictures)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise BadIndex(
                f"The references of {folder} cannot be read: {error}.", "Build the index anew."
            ) from None


def pictures_in(folder: Path) -> Callable[[Label], bytes | None] | None:
    """How labels look in a folder with references, as `References.picture_of`; None where there are none.

    Raises:
        BadIndex: a file is missing or broken.
    """
    return References.load(folder).picture_of if (folder / FILE).exists() else None
