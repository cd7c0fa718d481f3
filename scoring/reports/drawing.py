"""Glyphs as inline SVG: which part of the plane is shown, and each outline in a page once.

Outlines are in font units, y down, ink from x = 0, the baseline at y = 0; frames likewise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from markupsafe import Markup

from scoring.verdicts import FaceScore, Verdict

_AIR = 0.12  # around the ink, em
_LEAST = 0.75  # side of a portrait, em: a full stop is not blown up to the size of a letter
_MOST = 2.0  # of an advance that is drawn, em


@dataclass(frozen=True, slots=True)
class Frame:
    """A rectangle of the plane, font units; as text, a `viewBox`."""

    x: int
    y: int
    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.x} {self.y} {self.width} {self.height}"


@dataclass(frozen=True, slots=True)
class Portrait:
    """A glyph drawn large.

    advance: left and right end, font units, or None. The side bearings are not known: ink is centred.
    """

    frame: Frame
    advance: tuple[int, int] | None


def portrait(verdict: Verdict, units_per_em: int) -> Portrait:
    """Square, with all the ink, the baseline and, if it is no wider than two em, the advance."""
    width, height, bottom, advance = verdict.metrics or (0.0, 0.0, 0.0, 0.0)
    drawn = 0 < advance <= _MOST
    top, low = max(bottom + height, 0.0) + _AIR, min(bottom, 0.0) - _AIR
    side = max(_LEAST, top - low, width + 2 * _AIR, advance + _AIR if drawn else 0.0)
    x, y = width / 2 - side / 2, -(top + low) / 2 - side / 2
    frame = Frame(*(round(value * units_per_em) for value in (x, y, side, side)))
    if not drawn:
        return Portrait(frame, None)
    left = (width - advance) / 2
    return Portrait(frame, (round(left * units_per_em), round((left + advance) * units_per_em)))


class Line:
    """Frames of one height for the glyphs of a face, as on a line of text.

    The line is high enough for all but the most extreme glyphs, whose frames grow.
    """

    def __init__(self, face: FaceScore) -> None:
        metrics = [verdict.metrics for verdict in face.glyphs if verdict.metrics]
        tops = sorted(bottom + height for _, height, bottom, _ in metrics)
        bottoms = sorted(bottom for _, _, bottom, _ in metrics)
        few = len(metrics) // 20
        self._top = max(0.5, tops[-1 - few]) + _AIR / 2 if metrics else 1.0
        self._low = min(0.0, bottoms[few]) - _AIR / 2 if metrics else 0.0
        self._units_per_em = face.units_per_em

    def frame(self, verdict: Verdict) -> Frame:
        """A glyph's, as wide as high or as wide as its ink."""
        width, height, bottom, _ = verdict.metrics or (0.0, 0.0, 0.0, 0.0)
        top, low = max(self._top, bottom + height + _AIR / 2), min(self._low, bottom - _AIR / 2)
        wide = max(top - low, width + _AIR)
        x = (width - wide) / 2
        return Frame(*(round(value * self._units_per_em) for value in (x, -top, wide, top - low)))


class Outlines:
    """The outlines of a page: one that is drawn several times is defined once and used by its number."""

    def __init__(self, paths: Iterable[str]) -> None:
        """paths: of everything that is drawn, as often as it is drawn"""
        several = [path for path, times in Counter(paths).items() if times > 1 and path]
        self._ids = {path: f"o{number}" for number, path in enumerate(several)}

    @property
    def shared(self) -> Mapping[str, str]:
        """Path data to the `id` that the page defines it under."""
        return self._ids

    def draw(self, path: str) -> Markup:
        """What stands inside an `<svg>`."""
        if path in self._ids:
            return Markup('<use href="#{}"/>').format(self._ids[path])
        return Markup('<path d="{}"/>').format(path)
