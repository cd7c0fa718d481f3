"""The kinds of faults: each makes one, of a given glyph, or says that the glyph does not allow it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from numpy.random import Generator

from benchmarks.fonts import looks
from benchmarks.fonts.drawings import Box, Drawing
from benchmarks.fonts.parts import Part, marks, parts
from benchmarks.fonts.subject import Subject
from glyphs.equivalence import frozen_equivalence
from glyphs.labels import Form, Label

_TRIES = 12  # partners or donors looked at before a glyph is given up
_NOTDEF = 0
_SLANTS = (0.0, 0.1, 0.2, 0.3)  # to the right, horizontal for each vertical unit: up to 17 degrees


@dataclass(frozen=True, slots=True)
class Proposal:
    """A fault to be: glyphs drawn anew, and in words what was done."""

    drawings: Mapping[str, Drawing]
    details: str


Make = Callable[[Subject, str, Generator], Proposal | None]


@dataclass(frozen=True, slots=True)
class Kind:
    """A way to go wrong.

    right: checks that name it rightly
    """

    title: str
    right: frozenset[str]
    make: Make


def swapped(subject: Subject, name: str, rng: Generator) -> Proposal | None:
    """Two glyphs of one script exchange outlines and advances: half the time neighbours in code point."""
    kin = subject.kin_of(name)
    place = kin.index(name)
    neighbours = [kin[at] for at in (place - 1, place + 1) if 0 <= at < len(kin)]
    partners = [*(neighbours if rng.random() < 0.5 else []), *_some(kin, rng)]
    partner = next((other for other in partners if _differs(subject, name, other)), None)
    if partner is None:
        return None
    drawings = {name: subject.drawing(partner), partner: subject.drawing(name)}
    return Proposal(drawings, f"exchanged with {_named(subject, partner)}")


def wrong(subject: Subject, name: str, rng: Generator) -> Proposal | None:
    """Another glyph of the same script stands in its place, too."""
    donors = _some(subject.kin_of(name), rng)
    donor = next((other for other in donors if _differs(subject, name, other)), None)
    if donor is None:
        return None
    return Proposal({name: subject.drawing(donor)}, f"drawn as {_named(subject, donor)}")


def missing_mark(subject: Subject, name: str, rng: Generator) -> Proposal | None:
    """All of its dots or accents are gone, or one of several."""
    drawing, _, found = _marked(subject, name)
    if not found:
        return None
    lost = found if len(found) == 1 or rng.random() < 0.5 else [found[rng.integers(len(found))]]
    numbers = frozenset[int]().union(*(part.contours for part in lost))
    return Proposal({name: drawing.without(numbers)}, f"{len(lost)} of {len(found)} dots or marks removed")


def moved_mark(subject: Subject, name: str, rng: Generator) -> Proposal | None:
    """Its dots or accents stand below instead of above, or above instead of below."""
    drawing, body, found = _marked(subject, name)
    if not found:
        return None
    _, bottom, _, top = _around(found)
    least = 0.03 * subject.font.units_per_em
    if above := bottom + top > body.box[1] + body.box[3]:
        down = body.box[1] - max(least, bottom - body.box[3]) - top
    else:
        down = body.box[3] + max(least, body.box[1] - top) - bottom
    return _moved(name, drawing, found, 0, down, "below" if above else "above")


def mark_beside(subject: Subject, name: str, rng: Generator) -> Proposal | None:
    """Its dots or accents stand left or right of the body, at their height."""
    drawing, body, found = _marked(subject, name)
    if not found:
        return None
    left, _, right, _ = _around(found)
    gap = 0.03 * subject.font.units_per_em
    if rng.random() < 0.5:
        return _moved(name, drawing, found, body.box[0] - gap - right, 0, "left of the body")
    return _moved(name, drawing, found, body.box[2] + gap - left, 0, "right of the body")


def wrong_form(subject: Subject, name: str, rng: Generator) -> Proposal | None:
    """An initial, medial or final form shows another form of its letter."""
    shaped = [entry.label for entry in subject.by_glyph[name] if entry.codepoint == entry.label.codepoint]
    label = next((label for label in shaped if label.form.joined), None)
    if label is None or not label.positional:
        return None
    others = [Label(label.codepoint, form) for form in Form if form and form is not label.form]
    for place in rng.permutation(len(others)):
        donor = subject.glyph_of.get(others[place], name)
        if not subject.same_look(name, donor):
            return Proposal(
                {name: subject.drawing(donor)}, f"{label.form} form drawn as {others[place].form}"
            )
    return None


def empty(subject: Subject, name: str, rng: Generator) -> Proposal | None:
    """Its contours are gone."""
    return Proposal({name: Drawing((), subject.drawing(name).advance)}, "no outline")


def notdef(subject: Subject, name: str, rng: Generator) -> Proposal | None:
    """It shows the missing glyph's box."""
    box = subject.font.name(_NOTDEF)
    if not subject.ink(box).any() or looks.alike(subject.ink(name), subject.ink(box)):
        return None
    return Proposal({name: subject.drawing(box)}, "drawn as .notdef")


def mirrored(subject: Subject, name: str, rng: Generator) -> Proposal | None:
    """It is reflected left to right; where that makes another letter of the font, the details say so."""
    drawing = subject.drawing(name).mirrored()
    reflection = subject.ink_of(drawing)
    if _symmetric(subject, subject.drawing(name)):
        return None
    # A reflection that is another letter is the very same drawing, or nearly: overlap is enough to see that.
    twins = [
        other
        for other in subject.kin_of(name)
        if other != name and looks.overlap(reflection, subject.ink(other)) >= looks.ALIKE_OVERLAP
    ]
    alike, label = frozen_equivalence(), subject.targets[name].label
    if any(alike.same(label, subject.targets[twin].label) for twin in twins):
        return None
    made = f", which looks like {_named(subject, twins[0])}" if twins else ""
    return Proposal({name: drawing}, f"mirrored{made}")


KINDS: Mapping[str, Kind] = {
    "swapped": Kind("swapped pair", frozenset({"swapped"}), swapped),
    "wrong": Kind("wrong glyph", frozenset({"identity", "dots"}), wrong),
    "missing-mark": Kind("missing dot or mark", frozenset({"dots"}), missing_mark),
    "moved-mark": Kind("moved dot or mark", frozenset({"dots"}), moved_mark),
    "mark-beside": Kind("dot or mark beside", frozenset({"dots"}), mark_beside),
    "wrong-form": Kind("wrong positional form", frozenset({"positional-form"}), wrong_form),
    "empty": Kind("empty glyph", frozenset({"empty"}), empty),
    "notdef": Kind("missing-glyph box", frozenset({"notdef"}), notdef),
    "mirrored": Kind("mirrored glyph", frozenset({"mirrored"}), mirrored),
}


def _differs(subject: Subject, name: str, other: str) -> bool:
    return name != other and not subject.alike(name, other)


def _some(kin: list[str], rng: Generator) -> Iterator[str]:
    for place in rng.permutation(len(kin))[:_TRIES]:
        yield kin[place]


def _marked(subject: Subject, name: str) -> tuple[Drawing, Part, list[Part]]:
    """A drawing with its body and its dots or marks."""
    drawing = subject.drawing(name)
    pieces = parts(drawing)
    body = pieces[0] if pieces else Part(frozenset(), (0, 0, 0, 0), 0)
    return drawing, body, marks(subject.targets[name].label, pieces)


def _symmetric(subject: Subject, drawing: Drawing) -> bool:
    """Whether it is its own mirror image but for a slant, which every letter of an italic has."""
    for slant in _SLANTS:
        upright = subject.ink_of(drawing.transformed((1, 0, -slant, 1, 0, 0)))
        if looks.strokes(upright, upright[:, ::-1]) >= looks.SYMMETRIC:
            return True
    return False


def _around(found: list[Part]) -> Box:
    """The box of several pieces."""
    boxes = [part.box for part in found]
    left, bottom, right, top = zip(*boxes, strict=True)
    return min(left), min(bottom), max(right), max(top)


def _moved(name: str, drawing: Drawing, found: list[Part], x: float, y: float, where: str) -> Proposal:
    numbers = frozenset[int]().union(*(part.contours for part in found))
    moved = drawing.transformed((1, 0, 0, 1, round(x), round(y)), only=numbers)
    return Proposal({name: moved}, f"{len(found)} dots or marks moved {where}")


def _named(subject: Subject, name: str) -> str:
    label = subject.targets[name].label
    return f"{label} {label.character.name}"
