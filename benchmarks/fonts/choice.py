"""The fonts that faults are put into: a frozen list, found again on the machine by their hashes."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Self, TypeVar

from glyphs.dataset.build import find_fonts
from glyphs.errors import BadInput
from glyphs.splits import Split

Item = TypeVar("Item")
FROZEN = Path(__file__).with_name("fonts.tsv")
ARABIC, OTHER = "arabic", "other"
_HEADER = "# file\tfamily\tstyle\tsplit\tkind\tsha256; made by `python -m benchmarks.fonts.freeze`\n"


@dataclass(frozen=True, slots=True)
class ChosenFont:
    """kind: `arabic` where it joins Arabic letters, or `other`"""

    file: str
    family: str
    style: str
    split: Split
    kind: str
    sha256: str

    @property
    def title(self) -> str:
        return f"{self.family} {self.style}"

    @classmethod
    def parse(cls, row: list[str]) -> Self:
        file, family, style, split, kind, digest = row
        return cls(file, family, style, Split(split), kind, digest)


def read_rows(path: Path) -> list[list[str]]:
    """The tab-separated rows of a list, lines that begin with # being comments.

    Raises:
        BadInput: it cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.") from None
    kept = (line for line in lines if line and not line.startswith("#"))
    return list(csv.reader(kept, delimiter="\t", quoting=csv.QUOTE_NONE))


def read_choice(split: Split, path: Path = FROZEN) -> list[ChosenFont]:
    """The fonts of a split, in the list's order. Raises BadInput."""
    try:
        fonts = [ChosenFont.parse(row) for row in read_rows(path)]
    except ValueError as error:
        raise BadInput(f"{path} is no list of fonts: {error}.") from None
    return [font for font in fonts if font.split is split]


def spread(items: list[Item], limit: int) -> list[Item]:
    """So many of a list, at even steps; all where the limit is 0."""
    if not 0 < limit < len(items):
        return items
    return [items[place * len(items) // limit] for place in range(limit)]


def write_choice(fonts: Iterable[ChosenFont], path: Path = FROZEN) -> None:
    rows = "".join("\t".join(map(str, astuple(font))) + "\n" for font in fonts)
    path.write_text(_HEADER + rows, encoding="utf-8")


def find(fonts: Iterable[ChosenFont], folder: Path) -> dict[ChosenFont, Path]:
    """Where the fonts lie below a folder.

    Raises:
        BadInput: one is not there, or its file is another version.
    """
    by_name: dict[str, list[Path]] = defaultdict(list)
    for path in find_fonts([folder]):
        by_name[path.name].append(path)
    found: dict[ChosenFont, Path] = {}
    for font in fonts:
        for path in by_name[font.file]:
            if sha256(path.read_bytes()).hexdigest() == font.sha256:
                found[font] = path
                break
        else:
            raise BadInput(
                f"{font.file} of {font.family} is not below {folder}, or is another version.",
                "`make fonts` installs the packages; or freeze the list anew.",
            )
    return found
