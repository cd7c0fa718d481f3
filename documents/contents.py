"""What was read of a PDF: its text, and what its fonts draw. Nothing here parses anything."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from glyphs.fonts import Metrics
from glyphs.raster import Raster

Code = tuple[int, int]  # the number of a font's object, and a code of it


@dataclass(frozen=True, slots=True)
class Text:
    """What a document sets.

    unread: pages that cannot be read
    signed: whether a signature vouches for the file, which it does for no other
    damaged: whether the file is not as it should be, so that more may have been in it than was found
    advances: of every code that is used, in em
    words: how often codes stand one after the other, with space around them
    """

    pages: int = 0
    unread: int = 0
    signed: bool = False
    damaged: bool = False
    advances: dict[Code, float] = field(default_factory=dict)
    words: Counter[tuple[Code, ...]] = field(default_factory=Counter)

    def advances_by_font(self) -> dict[int, dict[int, float]]:
        """By the number of a font's object, of its codes in order."""
        found: dict[int, dict[int, float]] = {}
        for (font, code), advance in sorted(self.advances.items()):
            found.setdefault(font, {})[code] = advance
        return found


@dataclass(frozen=True, slots=True)
class DrawnCode:
    """What a code of a font draws.

    raster: None without ink
    metrics: in em; without ink it has only an advance
    spoken: what a reader takes it for, "" where the document does not say, or where there is no ink
    """

    code: int
    raster: Raster | None
    metrics: Metrics
    spoken: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentFont:
    """A font of a document.

    number: of its object
    name: with the tag of a subset
    obstacle: why its codes are not looked at, or empty; then there are none
    """

    number: int
    name: str
    kind: str
    obstacle: str
    codes: tuple[DrawnCode, ...]
