"""A font as a place for faults: what its glyphs claim to be, and which of them a fault may touch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from benchmarks.fonts import looks
from benchmarks.fonts.drawings import Drawing
from benchmarks.fonts.editing import EditableFont
from benchmarks.fonts.looks import Ink
from glyphs.equivalence import frozen_equivalence
from glyphs.errors import BadFont
from glyphs.fonts import Component, Face, FontFile
from glyphs.labels import Form, Label, fold, forms_of
from glyphs.shaping import Shaper

_VISIBLE = frozenset("LNPS")  # categories whose characters must have ink and stand by themselves


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """What a font says of a glyph: the character as mapped, and the label with presentation forms folded."""

    codepoint: int
    label: Label


def open_face(data: bytes) -> Face:
    """The only face of a static font. Raises BadFont."""
    return next(FontFile(Path(), data, "").faces())


def entries(face: Face) -> dict[Entry, tuple[Component, ...]]:
    """Every mapped character and every joining form that shaping gives, with what draws it.

    Made here and not by `scoring`, so that the truth does not come from what is measured.
    """
    mapped = face.characters()
    shaper = Shaper(face)
    found: dict[Entry, tuple[Component, ...]] = {}
    for codepoint, index in mapped.items():
        label = fold(codepoint)
        if label.codepoint != codepoint:
            found[Entry(codepoint, label)] = (Component(index),)
            continue
        isolated, *joined = forms_of(codepoint)
        found[Entry(codepoint, Label(codepoint, isolated))] = (Component(index),)
        alone = shaper.shape(codepoint, Form.ISOL) if joined else ()
        for form in joined:
            components = shaper.shape(codepoint, form)
            if components and components != alone:
                found[Entry(codepoint, Label(codepoint, form))] = components
    return found


class Subject:
    """A clean font, its drawings and looks by glyph name."""

    def __init__(self, data: bytes, asked: Container[Label]) -> None:
        """asked: labels that a fault may touch

        Raises:
            BadFont: it cannot be read or edited.
        """
        self.data = data
        self.face = open_face(data)
        self.font = EditableFont(data)
        self._entries = entries(self.face)
        self._asked = asked
        self._drawings: dict[str, Drawing] = {}
        self._inks: dict[str, Ink] = {}

    @cached_property
    def by_glyph(self) -> dict[str, tuple[Entry, ...]]:
        """Entries of each glyph that draws them alone; glyphs that draw with others are left out."""
        found: dict[int, list[Entry]] = defaultdict(list)
        shared: set[int] = {0}
        for entry, components in self._entries.items():
            index = components[0].glyph_index
            found[index].append(entry)
            if components != (Component(index),):
                shared.update(component.glyph_index for component in components)
        return {self.font.name(i): tuple(sorted(of)) for i, of in found.items() if i not in shared}

    @cached_property
    def targets(self) -> dict[str, Entry]:
        """Glyphs that a fault may touch, with the entry that it is named by: the first that is asked."""
        found: dict[str, Entry] = {}
        for name, of in self.by_glyph.items():
            asked = [
                entry
                for entry in of
                if entry.label in self._asked and entry.label.character.category[0] in _VISIBLE
            ]
            if asked and self.ink(name).any():
                found[name] = asked[0]
        return found

    @property
    def eligible(self) -> list[str]:
        """Targets by whose names faults are called: in a font that joins, Arabic ones, for such are few."""
        if not self.arabic:
            return list(self.targets)
        return [name for name, entry in self.targets.items() if entry.label.character.script == "Arab"]

    @cached_property
    def glyph_of(self) -> dict[Label, str]:
        """The target that draws a label: the one shaping gives, where a presentation form has another."""
        claims = [(entry, name) for name in self.targets for entry in self.by_glyph[name]]
        claims.sort(key=lambda claim: claim[0].codepoint == claim[0].label.codepoint)
        return {entry.label: name for entry, name in claims}

    @cached_property
    def kin(self) -> dict[tuple[str, Form], list[str]]:
        """Targets of one script and joining form, in order of code point."""
        found: dict[tuple[str, Form], list[str]] = defaultdict(list)
        for name, entry in sorted(self.targets.items(), key=lambda item: item[1]):
            found[entry.label.character.script, entry.label.form].append(name)
        return found

    def kin_of(self, name: str) -> list[str]:
        label = self.targets[name].label
        return self.kin[label.character.script, label.form]

    def drawing(self, name: str) -> Drawing:
        if name not in self._drawings:
            self._drawings[name] = self.font.read(name)
        return self._drawings[name]

    def ink(self, name: str) -> Ink:
        if name not in self._inks:
            try:
                glyph = self.face.glyph(self.font.index(name))
            except BadFont:
                glyph = None
            self._inks[name] = looks.ink(glyph.outline if glyph else None)
        return self._inks[name]

    def ink_of(self, drawing: Drawing) -> Ink:
        """What a drawing would look like in this font."""
        return looks.ink(drawing.outline(self.font.units_per_em))

    def alike(self, first: str, second: str) -> bool:
        """Whether one may stand for the other without anybody noticing: equivalent, one letter's two cases,
        or of nearly the same picture.
        """
        labels = [[entry.label for entry in self.by_glyph[name]] for name in (first, second)]
        if any(_cased(a) == _cased(b) for a in labels[0] for b in labels[1]):
            return True
        return self.same_look(first, second)

    def same_look(self, first: str, second: str) -> bool:
        """Whether two glyphs are equivalent, or of nearly the same picture."""
        table = frozen_equivalence()
        labels = [[entry.label for entry in self.by_glyph[name]] for name in (first, second)]
        if any(table.same(a, b) for a in labels[0] for b in labels[1]):
            return True
        return looks.alike(self.ink(first), self.ink(second))

    @property
    def arabic(self) -> bool:
        """It joins: at least 28 Arabic letters, and medial forms of 20."""
        labels = {entry.label for entry in self._entries if entry.label.character.script == "Arab"}
        letters = sum(label.form is Form.ISOL for label in labels)
        return letters >= 28 and sum(label.form is Form.MEDI for label in labels) >= 20


def _cased(label: Label) -> tuple[str, Form]:
    return chr(label.codepoint).casefold(), label.form
