"""The baseline: what a tool finds that compares outlines and recognises nothing."""

from __future__ import annotations

from collections import defaultdict

from benchmarks.fonts.subject import Entry, entries, open_face
from glyphs.equivalence import frozen_equivalence
from glyphs.errors import BadFont
from glyphs.fonts import Component, Face, Glyph

_VISIBLE = frozenset("LNPS")
_NOTDEF = 0


def flagged(data: bytes) -> set[Entry]:
    """Entries that are empty, show .notdef's outline, or that of a character not known to look alike."""
    face = open_face(data)
    drawn = {entry: _glyph(face, components) for entry, components in entries(face).items()}
    box = _glyph(face, _NOTDEF)
    by_look: dict[tuple[bytes, float, float], list[Entry]] = defaultdict(list)
    found: set[Entry] = set()
    for entry, glyph in drawn.items():
        if entry.label.character.category[0] not in _VISIBLE:
            continue
        if glyph is None:
            found.add(entry)
            continue
        if box is not None and glyph.outline.to_bytes() == box.outline.to_bytes():
            found.add(entry)
        by_look[glyph.outline.to_bytes(), glyph.metrics.bottom, glyph.metrics.advance].append(entry)
    table = frozen_equivalence()
    for alike in by_look.values():
        for entry in alike:
            if any(not table.same(entry.label, other.label) for other in alike):
                found.add(entry)
    return found


def _glyph(face: Face, drawn: int | tuple[Component, ...]) -> Glyph | None:
    try:
        return face.glyph(drawn)
    except BadFont:
        return None
