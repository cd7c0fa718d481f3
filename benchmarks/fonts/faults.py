"""Faulted copies of a font: chosen by lot, put in, and proved to be there and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b, sha256
from typing import Any

import numpy as np
from numpy.random import Generator

from benchmarks.fonts import looks
from benchmarks.fonts.drawings import Drawing
from benchmarks.fonts.editing import EditableFont
from benchmarks.fonts.kinds import KINDS
from benchmarks.fonts.subject import Entry, Subject, open_face
from glyphs.errors import BadFont
from glyphs.fonts import Face
from glyphs.outline import Outline

SHARE = 0.03  # of a copy's glyphs that are faulty
LEAST = 3  # faulty glyphs of a copy, however few glyphs there are
# How much a dissolved composite may look unlike itself: its components' places are rounded.
_KEPT = 0.98


Drawn = Mapping[str, Drawing]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, with every entry that it makes wrong.

    label: what the glyph was, the first of two
    glyphs, indices: those drawn anew
    overlap: of its picture with the picture before, 1 would be no fault
    """

    kind: str
    label: str
    glyphs: tuple[str, ...]
    indices: tuple[int, ...]
    entries: tuple[Entry, ...]
    details: str
    overlap: float

    @property
    def arabic(self) -> bool:
        return any(entry.label.character.script == "Arab" for entry in self.entries)

    def record(self) -> dict[str, Any]:
        """A line of the list of truths."""
        return {
            "kind": self.kind, "label": self.label, "glyphs": self.glyphs,
            "entries": [
                {"codepoint": f"U+{entry.codepoint:04X}", "form": str(entry.label.form),
                 "label": str(entry.label)}
                for entry in self.entries
            ],
            "details": self.details, "overlap": round(self.overlap, 3),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class FaultedFont:
    """One copy of a font with its faults."""

    copy: int
    data: bytes
    faults: tuple[Fault, ...]

    @property
    def digest(self) -> str:
        return sha256(self.data).hexdigest()


def faulted(subject: Subject, copies: int, seed: int = 0) -> Iterator[FaultedFont]:
    """So many copies of a font, no fault in two of them; the same ones every time.

    Raises:
        BadFont: what was put in is not what the file shows.
    """
    taken: set[tuple[str, str]] = set()
    for copy in range(copies):
        rng = _rng(subject.data, copy, seed)
        faults = list(_chosen(subject, rng, taken))
        taken |= {(fault.kind, name) for fault, _ in faults for name in fault.glyphs}
        data = _written(subject, [drawings for _, drawings in faults])
        _prove(subject, data, [fault for fault, _ in faults])
        yield FaultedFont(copy, data, tuple(fault for fault, _ in faults))


def _chosen(subject: Subject, rng: Generator, taken: set[tuple[str, str]]) -> Iterator[tuple[Fault, Drawn]]:
    """A fault of each kind in turn, until enough glyphs are faulty or no glyph is left for any kind."""
    most = max(LEAST, int(SHARE * len(subject.targets)))
    names = sorted(subject.eligible)
    waiting = {kind: [names[at] for at in rng.permutation(len(names))] for kind in KINDS}
    touched: set[str] = set()
    while waiting and len(touched) < most:
        # In an order by lot: a small font has fewer faults than there are kinds.
        for place in rng.permutation(len(KINDS)):
            kind = list(KINDS)[place]
            found = _next(subject, kind, waiting.get(kind, []), touched, taken, rng)
            if found is None:
                waiting.pop(kind, None)
                continue
            if len(touched) + len(found[0].glyphs) > most:
                continue
            touched.update(found[0].glyphs)
            yield found
            if len(touched) >= most:
                return


def _next(
    subject: Subject,
    kind: str,
    waiting: list[str],
    touched: set[str],
    taken: set[tuple[str, str]],
    rng: Generator,
) -> tuple[Fault, Drawn] | None:
    """The next glyph of those waiting that allows this kind of fault; they are used up on the way."""
    while waiting:
        name = waiting.pop()
        if name in touched or (kind, name) in taken:
            continue
        proposal = KINDS[kind].make(subject, name, rng)
        if proposal is None or touched & set(proposal.drawings):
            continue
        overlaps = [
            looks.overlap(subject.ink(glyph), subject.ink_of(drawing))
            for glyph, drawing in proposal.drawings.items()
        ]
        if max(overlaps) >= looks.CHANGED:
            continue
        glyphs = tuple(proposal.drawings)
        fault = Fault(
            kind, str(subject.targets[name].label), glyphs, tuple(map(subject.font.index, glyphs)),
            tuple(entry for glyph in glyphs for entry in subject.by_glyph[glyph]),
            proposal.details, max(overlaps),
        )  # fmt: skip
        return fault, proposal.drawings
    return None


def _written(subject: Subject, faults: list[Drawn]) -> bytes:
    """The font with every drawing in its place. Composites of changed glyphs keep their look."""
    font = EditableFont(subject.data)
    drawings = {name: drawing for fault in faults for name, drawing in fault.items()}
    for name in font.composites_of(drawings):
        font.dissolve(name)
    for name, drawing in drawings.items():
        font.write(name, drawing)
    return font.save()


def _prove(subject: Subject, data: bytes, faults: list[Fault]) -> None:
    """Every faulty glyph of the saved file shows another picture, and every other glyph its own."""
    face = open_face(data)
    faulty = {index for fault in faults for index in fault.indices}
    for index in range(subject.font.glyphs):
        before, after = _outline(subject.face, index), _outline(face, index)
        if index not in faulty and before and after and before.to_bytes() == after.to_bytes():
            continue
        alike = looks.overlap(looks.ink(before), looks.ink(after))
        if alike >= looks.CHANGED if index in faulty else alike < _KEPT:
            what = "shows no fault" if index in faulty else "was changed by another's fault"
            raise BadFont(f"Glyph {subject.font.name(index)} {what}.")


def _outline(face: Face, index: int) -> Outline | None:
    try:
        glyph = face.glyph(index)
    except BadFont:
        return None
    return glyph.outline if glyph else None


def _rng(data: bytes, copy: int, seed: int) -> Generator:
    key = blake2b(sha256(data).digest() + f"{copy} {seed}".encode(), digest_size=8).digest()
    return np.random.default_rng(int.from_bytes(key))
