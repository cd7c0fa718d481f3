"""A font's page: one HTML file that holds every glyph, suspects first.

Everything is in the page and readable without a script; the script adds filters, keys and a closer look.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fontTools import unicodedata as ucd
from markupsafe import Markup

from glyphs.characters import code
from glyphs.errors import BadInput
from scoring.reports.drawing import Frame, Line, Outlines, Portrait, portrait
from scoring.reports.page import write_page
from scoring.reports.references import Named, Reference, References
from scoring.reports.report import Report, check_place
from scoring.reports.tally import Tally, check_order, suspects, worst_first
from scoring.reports.text import named
from scoring.verdicts import PROBLEMS, FaceScore, FontScore, Verdict, check_title

# What a contact sheet holds at most, and what the cards of suspects do, each over all faces of a file. Beyond
# it a browser takes seconds and the file tens of megabytes.
MAX_TILES = MAX_CARDS = 6_000
MAX_OUTLINES = 2_200_000  # characters of path data

_COMMON = ("Zyyy", "Zinh", "Zzzz")  # characters of many scripts go by their block


@dataclass(frozen=True, slots=True)
class Card:
    """All that is known of a glyph with findings.

    guess: what it looks like, or None where it is recognised as itself or not at all
    odds: of the guess against the claim, as a person says it, or empty
    """

    id: str
    verdict: Verdict
    drawing: Markup
    portrait: Portrait
    claimed: Named
    guess: Named | None
    odds: str
    top: tuple[tuple[Named, float], ...]
    equivalents: tuple[Named, ...]
    group: str
    words: str


@dataclass(frozen=True, slots=True)
class Tile:
    """A glyph on the contact sheet; card: the `id` of its card, or None."""

    verdict: Verdict
    drawing: Markup
    frame: Frame
    card: str | None
    words: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """A face on the page: its cards, and its tiles by script or, where scripts share it, block.

    left_out: glyphs without a tile
    uncarded, unaccepted: suspects, and glyphs whose findings are accepted, without a card
    """

    id: str
    face: FaceScore
    cards: tuple[Card, ...]
    accepted: tuple[Card, ...]
    groups: Mapping[str, list[Tile]]
    left_out: int
    uncarded: int
    unaccepted: int


def write_font_page(
    path: Path,
    score: FontScore,
    *,
    reference: Reference | None = None,
    made_with: Mapping[str, Any] | None = None,
    index: str | None = None,
) -> None:
    """Write a font's page.

    reference: a picture of a label, as it should look; None: the reader's own fonts draw it
    made_with: what made the score, for the foot of the page
    index: the page that lists this one, relative to it
    """
    chosen = _choose(score)
    references = References(reference)
    outlines = Outlines(
        verdict.path for some in chosen for verdict in (*some.suspects, *some.accepted, *some.tiles)
    )
    sheets = [_sheet(number, some, outlines, references) for number, some in enumerate(chosen)]
    write_page(
        path, "font.html.j2", score=score, tally=Tally.of(score), sheets=sheets, outlines=outlines.shared,
        pictures=references.pictures, made_with=made_with or {}, index=index,
        found=_checks_found(score), groups=list(dict.fromkeys(_groups(sheets))),
        max_tiles=MAX_TILES, max_cards=MAX_CARDS, max_outlines=MAX_OUTLINES,
    )  # fmt: skip


class Page(Report):
    """The page of one font, as a report."""

    def __init__(
        self,
        path: Path,
        *,
        reference: Reference | None = None,
        made_with: Mapping[str, Any] | None = None,
        fonts: int = 1,
    ) -> None:
        """As for `write_font_page`; fonts: how many are to come

        Raises:
            BadInput: more than one is, or no file can be written there.
        """
        self._path, self._reference, self._made_with = path, reference, made_with
        self._score: FontScore | None = None
        self._check_one(fonts)
        check_place(path)

    def add(self, score: FontScore) -> None:
        """Take the font's score.

        Raises:
            BadInput: it is not the first.
        """
        self._check_one(1 if self._score is None else 2)
        self._score = score

    def close(self) -> None:
        if self._score is not None:
            write_font_page(self._path, self._score, reference=self._reference, made_with=self._made_with)
            self._score = None

    def discard(self) -> None:
        self._score = None

    def _check_one(self, fonts: int) -> None:
        if fonts > 1:
            raise BadInput(f"{self._path} is the page of one font.", "Give a folder for pages of several.")


def _checks_found(score: FontScore) -> list[str]:
    found = {finding.check for face in score.faces for one in face.glyphs for finding in one.findings}
    return sorted(found, key=check_order)


def _groups(sheets: list[Sheet]) -> Iterator[str]:
    """On the sheets, and of cards whose glyphs the sheets have no room for."""
    for sheet in sheets:
        yield from sheet.groups
        yield from (card.group for card in (*sheet.cards, *sheet.accepted))


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The verdicts of a face that the page shows: as cards, and as tiles; and those that have no card."""

    face: FaceScore
    suspects: list[Verdict]
    accepted: list[Verdict]
    tiles: list[Verdict]
    uncarded: int
    unaccepted: int


class _Room:
    """What the page has left for glyphs and their outlines."""

    def __init__(self, glyphs: int) -> None:
        self._glyphs, self._characters = glyphs, MAX_OUTLINES

    def take(self, verdicts: Iterable[Verdict]) -> list[Verdict]:
        """Those that fit, for which there is that much less room afterwards."""
        taken = []
        for verdict in verdicts:
            if self._glyphs > 0 and self._characters >= len(verdict.path):
                taken.append(verdict)
                self._glyphs -= 1
                self._characters -= len(verdict.path)
        return taken


def _choose(score: FontScore) -> list[_Chosen]:
    cards, tiles = _Room(MAX_CARDS), _Room(MAX_TILES)
    found = [suspects(face) for face in score.faces]
    shown = [cards.take(some) for some in found]  # before what is accepted, of all faces
    chosen = []
    for face, some, carded in zip(score.faces, found, shown, strict=True):
        settled = worst_first(verdict for verdict in face.glyphs if _is_accepted(verdict))
        accepted = cards.take(settled)
        chosen.append(
            _Chosen(
                face, carded, accepted, tiles.take(face.glyphs),
                len(some) - len(carded), len(settled) - len(accepted),
            )
        )  # fmt: skip
    return chosen


def _is_accepted(verdict: Verdict) -> bool:
    return verdict.status not in PROBLEMS and any(finding.accepted for finding in verdict.findings)


def _sheet(number: int, chosen: _Chosen, outlines: Outlines, references: References) -> Sheet:
    face = chosen.face
    in_cards = [*chosen.suspects, *chosen.accepted]
    ids = {id(verdict): f"c{number}-{place}" for place, verdict in enumerate(in_cards, start=1)}
    cards = [_card(ids[id(verdict)], verdict, face, outlines, references) for verdict in in_cards]
    line = Line(face)
    groups: dict[str, list[Tile]] = {}
    for verdict in chosen.tiles:
        tile = Tile(
            verdict, outlines.draw(verdict.path), line.frame(verdict), ids.get(id(verdict)), _words(verdict)
        )
        groups.setdefault(group(verdict.codepoint), []).append(tile)
    first = len(chosen.suspects)
    return Sheet(
        f"f{number}", face, tuple(cards[:first]), tuple(cards[first:]), groups,
        len(face.glyphs) - len(chosen.tiles), chosen.uncarded, chosen.unaccepted,
    )  # fmt: skip


def _card(name: str, verdict: Verdict, face: FaceScore, outlines: Outlines, references: References) -> Card:
    best = verdict.top[0].label if verdict.top else verdict.label
    is_other = best != verdict.label and best not in verdict.equivalents
    return Card(
        id=name,
        verdict=verdict,
        drawing=outlines.draw(verdict.path),
        portrait=portrait(verdict, face.units_per_em),
        claimed=references.named(verdict.label),
        guess=references.named(best) if is_other else None,
        odds=_odds(verdict.margin) if is_other else "",
        top=tuple((references.named(guess.label), guess.probability) for guess in verdict.top[:5]),
        equivalents=tuple(references.named(label) for label in verdict.equivalents),
        group=group(verdict.codepoint),
        words=_words(verdict),
    )


def group(codepoint: int) -> str:
    """The script a character is filed under; its block, where several scripts share it."""
    script = ucd.script(chr(codepoint))
    name = ucd.block(chr(codepoint)) if script in _COMMON else ucd.script_name(script)
    return str(name).replace("_", " ")


def _odds(margin: float | None) -> str:
    """Of the other character against the claimed one: `about 3,000 : 1`."""
    if margin is None or not 0 < margin < math.inf:
        return ""
    odds = math.exp(min(margin, 14.0))
    digits = 10 ** max(0, math.floor(math.log10(odds)))
    rounded = round(odds / digits) * digits
    return f"more than {rounded:,} : 1" if margin > 14.0 else f"about {rounded:,} : 1"


def _words(verdict: Verdict) -> str:
    """A glyph in one line: what is searched in, and what a pointer that rests on it is told."""
    letter = verdict.label.codepoint
    folded = f"({code(letter)}) " if letter != verdict.codepoint else ""
    text = f"{code(verdict.codepoint)} {folded}{named(verdict.label)} · {verdict.glyph} · {verdict.status}"
    principal = verdict.principal
    if principal:
        text += f": {check_title(principal.check)}"
    if verdict.probability is not None:
        text += f" · probability {verdict.probability:.3g}"
    return text
