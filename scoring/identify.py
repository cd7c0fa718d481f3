"""What every glyph of a font shows, whatever the font says of it, for it may have no character map or a false
one.

Documents embed fonts that map nothing, web fonts map other characters than they draw so that their text
cannot be copied. A font's glyphs are recognised together (`recognition.one_font`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glyphs.characters import code
from glyphs.raster import Raster
from recognition.candidates import Candidates, Recognition, described
from recognition.one_font import OneFont
from recognition.recogniser import Answer
from scoring.sandbox import DrawnFace, DrawnGlyph, Rasters

_NO_INK, _MISSING = "It has no ink.", "It is the font's box for missing glyphs."
_COLOURED = "It is drawn in colour, which is not looked at."


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentifiedGlyph:
    """index: in the font; mapped: the code points whose glyph the font says it is
    advance: em; None where the glyph cannot be loaded
    recognition: None where there is nothing to recognise; why is in `reason` then
    raster: None without ink, and where none was to be kept
    """

    index: int
    name: str
    mapped: tuple[int, ...]
    advance: float | None
    recognition: Recognition | None
    reason: str = ""
    raster: Raster | None = None

    def to_dict(self) -> dict[str, Any]:
        """As clients see it, by HTTP and with `--json`."""
        found = described(self.recognition) if self.recognition else {"known": None, "predictions": []}
        mapped = list(map(code, self.mapped))
        advance = None if self.advance is None else round(self.advance, 6)
        return {
            "glyph": self.index, "name": self.name, "mapped": mapped, "advance": advance, **found,
            "reason": self.reason,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class IdentifiedFace:
    """A font, or a member of a collection, and its glyphs in order of their indices."""

    face: int
    family: str
    style: str
    glyphs: tuple[IdentifiedGlyph, ...]

    def to_dict(self) -> dict[str, Any]:
        """As clients see it, by HTTP, and as reports are made of it."""
        glyphs = [glyph.to_dict() for glyph in self.glyphs]
        return {"face": self.face, "family": self.family, "style": self.style, "glyphs": glyphs}


def identify(
    messages: Iterable[DrawnFace | Rasters],
    answer: Answer,
    candidates: Candidates,
    k: int,
    *,
    keep_rasters: bool = False,
) -> Iterator[IdentifiedFace]:
    """Faces that were read with every glyph, each followed by its rasters.

    answer: asks the model whose labels the candidates are
    k: how many predictions of each glyph
    keep_rasters: glyphs have them; of a large font they take as much memory as all else together

    Raises what messages and `answer` raise.
    """
    reading: _Reading | None = None
    for message in messages:
        if isinstance(message, DrawnFace):
            if reading is not None:
                yield _identified(reading, k)
            together = OneFont(candidates)
            reading = _Reading(message, _metrics(message), _copies(message), together, [])
        else:
            assert reading is not None
            rows = slice(message.first, message.first + len(message.pixels))
            reading.together.add(answer(message.pixels, reading.metrics[rows]), reading.copies[rows])
            if keep_rasters:
                reading.rasters.extend(message.pixels)
    if reading is not None:
        yield _identified(reading, k)


@dataclass(frozen=True, slots=True)
class _Reading:
    """A face whose rasters come.

    metrics: (rasters, 4), em
    copies: glyphs that are drawn as each of them
    rasters: those that are kept
    """

    face: DrawnFace
    metrics: NDArray[np.float32]
    copies: list[int]
    together: OneFont
    rasters: list[Raster]


def _metrics(face: DrawnFace) -> NDArray[np.float32]:
    metrics = np.full((face.rasters, 4), np.nan, np.float32)
    for drawn in face.drawings:
        if drawn.raster is not None and drawn.metrics is not None:
            metrics[drawn.raster] = drawn.metrics
    return metrics


def _copies(face: DrawnFace) -> list[int]:
    copies = [0] * face.rasters
    for drawn in face.drawings:
        if drawn.raster is not None:
            copies[drawn.raster] += 1
    return copies


def _identified(reading: _Reading, k: int) -> IdentifiedFace:
    face, found = reading.face, [iter(copies) for copies in reading.together.recognise(k)]
    mapped: dict[int, list[int]] = defaultdict(list)
    for claim in face.claims:
        mapped[claim.drawing].append(claim.codepoint)
    glyphs = []
    for place, drawn in enumerate(face.drawings):
        reason = _reason(drawn)
        recognition = raster = None
        if drawn.raster is not None:
            recognition = next(found[drawn.raster])
            raster = reading.rasters[drawn.raster] if reading.rasters else None
        glyphs.append(
            IdentifiedGlyph(
                index=drawn.index, name=drawn.name, mapped=tuple(mapped[place]),
                advance=drawn.metrics[-1] if drawn.metrics else drawn.advance,
                recognition=None if reason else recognition, reason=reason, raster=raster,
            )
        )  # fmt: skip
    return IdentifiedFace(face.face, face.family, face.style, tuple(glyphs))


def _reason(drawn: DrawnGlyph) -> str:
    """Why there is nothing to recognise; empty where there is."""
    if drawn.broken or drawn.notdef:
        return drawn.broken or _MISSING
    if drawn.raster is not None:
        return ""
    return _COLOURED if drawn.coloured else _NO_INK
