"""One font's part of the benchmark: faults with what became of them, and the clean font's verdicts."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.fonts import rules
from benchmarks.fonts.choice import ChosenFont
from benchmarks.fonts.faults import Fault, FaultedFont, faulted
from benchmarks.fonts.judgements import Judged, Judgement
from benchmarks.fonts.subject import Entry, Subject, open_face
from glyphs.errors import BadFont
from glyphs.labels import Label
from glyphs.raster import Raster, RasterSettings, draw
from scoring.verdicts import Status

Judge = Callable[[str, bytes], Judged]  # a name to keep the answer under, and a font's bytes
_PICTURE = RasterSettings(size=72, box=64)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A fault, and what was said of the glyphs that it made wrong.

    by_rules: the baseline found it
    decorative: the copy was taken for a decorative face, whose glyphs are not failed one by one
    before, after: pictures of the first glyph
    """

    font: ChosenFont
    copy: int
    fault: Fault
    said: tuple[Judgement, ...]
    by_rules: bool
    decorative: bool
    before: Raster
    after: Raster

    @property
    def found(self) -> bool:
        """Found once, by whichever of its entries."""
        return any(judgement.status is Status.FAIL for judgement in self.said)

    @property
    def warned(self) -> bool:
        return not self.found and any(judgement.status is Status.WARN for judgement in self.said)

    @property
    def checks(self) -> tuple[str, ...]:
        """Those that failed it, the commonest first."""
        failed = [str(one.check) for one in self.said if one.status is Status.FAIL]
        return tuple(sorted(set(failed), key=lambda check: (-failed.count(check), check)))


@dataclass(frozen=True, slots=True)
class FontOutcome:
    """All of one font.

    copies: each faulted copy's judgements, with the kind of fault of each entry that has one
    beside: FAILs of faulted copies on glyphs that have no fault and pass in the clean font
    rules_clean: entries that the baseline flags in the clean font
    pictures: of the clean font's FAILs, by entry
    """

    font: ChosenFont
    clean: Judged
    copies: tuple[tuple[Judged, dict[Entry, str]], ...]
    faults: tuple[Outcome, ...]
    beside: tuple[Judgement, ...]
    rules_clean: frozenset[Entry]
    pictures: dict[Entry, Raster]


def measured(font: ChosenFont, path: Path, asked: Container[Label], copies: int, judge: Judge) -> FontOutcome:
    """Put faults into a font, and have the clean font and every copy judged. Raises BadFont."""
    data = path.read_bytes()
    subject = Subject(data, asked)
    clean = judge("clean", data)
    failed = {one.entry for one in clean.glyphs if one.status is Status.FAIL}
    outcomes: list[Outcome] = []
    judged: list[tuple[Judged, dict[Entry, str]]] = []
    beside: list[Judgement] = []
    for copy in faulted(subject, copies):
        said = judge(f"copy-{copy.copy}", copy.data)
        wrong = {entry: fault.kind for fault in copy.faults for entry in fault.entries}
        judged.append((said, wrong))
        outcomes += _outcomes(font, subject, copy, said)
        beside += [
            one
            for one in said.glyphs
            if one.status is Status.FAIL and one.entry not in wrong and one.entry not in failed
        ]
    pictures = {
        one.entry: _picture(subject.data, one.index) for one in clean.glyphs if one.status is Status.FAIL
    }
    return FontOutcome(
        font, clean, tuple(judged), tuple(outcomes), tuple(beside), frozenset(rules.flagged(data)), pictures
    )


def _outcomes(font: ChosenFont, subject: Subject, copy: FaultedFont, said: Judged) -> list[Outcome]:
    by_entry = {one.entry: one for one in said.glyphs}
    by_rules = rules.flagged(copy.data)
    return [
        Outcome(
            font, copy.copy, fault, tuple(by_entry[entry] for entry in fault.entries if entry in by_entry),
            not by_rules.isdisjoint(fault.entries), said.decorative,
            _picture(subject.data, fault.indices[0]), _picture(copy.data, fault.indices[0]),
        )
        for fault in copy.faults
    ]  # fmt: skip


def _picture(data: bytes, index: int) -> NDArray[np.uint8]:
    try:
        glyph = open_face(data).glyph(index)
        if glyph is not None:
            return draw(glyph.outline, _PICTURE)
    except BadFont:
        pass
    return np.zeros((_PICTURE.size, _PICTURE.size), np.uint8)
