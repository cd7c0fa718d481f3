"""A glyph's outline as pen strokes: what faults are made of, whichever way a font file keeps it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from fontTools.pens.basePen import BasePen
from fontTools.pens.boundsPen import BoundsPen
from fontTools.pens.recordingPen import RecordingPen, replayRecording
from fontTools.pens.transformPen import TransformPen
from numpy.typing import NDArray

from glyphs.outline import Outline

Stroke = tuple[str, tuple[Any, ...]]
Contour = tuple[Stroke, ...]
Matrix = tuple[float, float, float, float, float, float]
Box = tuple[float, float, float, float]

_ON, _QUADRATIC, _CUBIC = 1, 0, 2  # FreeType's tags of points


@dataclass(frozen=True, slots=True)
class Drawing:
    """Contours in font units, each a pen's strokes from first point to close, and the advance."""

    contours: tuple[Contour, ...]
    advance: int

    @classmethod
    def recorded(cls, draw: Callable[[RecordingPen], None], advance: int, pen: RecordingPen) -> Drawing:
        """What `draw` draws with a recording pen."""
        draw(pen)
        contours: list[Contour] = []
        strokes: list[Stroke] = []
        for stroke in pen.value:
            strokes.append(stroke)
            if stroke[0] in ("closePath", "endPath"):
                contours.append(tuple(strokes))
                strokes = []
        return cls(tuple(contours), advance)

    @property
    def box(self) -> Box | None:
        """Left, bottom, right, top of the ink; None without any."""
        pen = BoundsPen(None)
        self.replay(pen)
        box: Box | None = pen.bounds
        return box

    def replay(self, pen: Any) -> None:
        for contour in self.contours:
            replayRecording(contour, pen)

    def transformed(self, matrix: Matrix, only: Collection[int] | None = None) -> Drawing:
        """All contours, or those of the given numbers, moved by a matrix."""
        contours = []
        for number, contour in enumerate(self.contours):
            if only is None or number in only:
                pen = RecordingPen()
                replayRecording(contour, TransformPen(pen, matrix))
                contour = tuple(pen.value)
            contours.append(contour)
        return Drawing(tuple(contours), self.advance)

    def without(self, numbers: Collection[int]) -> Drawing:
        """All but the contours of the given numbers."""
        kept = (contour for number, contour in enumerate(self.contours) if number not in numbers)
        return Drawing(tuple(kept), self.advance)

    def mirrored(self) -> Drawing:
        """Its reflection in the upright line through the middle of its ink."""
        box = self.box
        return self if box is None else self.transformed((-1, 0, 0, 1, box[0] + box[2], 0))

    def outline(self, units_per_em: int) -> Outline | None:
        """As FreeType would have it, so that it can be drawn before it is in a font; None without ink."""
        points: list[tuple[float, float]] = []
        tags: list[int] = []
        ends: list[int] = []
        for contour in self.contours:
            started = len(points)
            for stroke, arguments in contour:
                controls = [point for point in arguments if point is not None]
                curve = _CUBIC if stroke == "curveTo" else _QUADRATIC
                points += controls
                tags += [curve] * len(controls)
                # A quadratic contour without a point on the curve ends with None.
                if controls and arguments[-1] is not None:
                    tags[-1] = _ON
            if len(points) - started > 2 and points[-1] == points[started] and tags[-1] == _ON:
                points.pop()
                tags.pop()
            if len(points) > started:
                ends.append(len(points) - 1)
        if not points:
            return None
        placed = np.rint(np.array(points)).astype(np.int32)
        return Outline(
            placed - placed.min(axis=0), np.array(tags, np.uint8), np.array(ends, np.int16), units_per_em
        )


def on_curve(contour: Contour) -> NDArray[np.float64]:
    """Points that lie on a contour, close enough to each other to tell what ink it bounds."""
    sampler = _Sampler()
    replayRecording(contour, sampler)
    return np.array(sampler.points, np.float64).reshape(-1, 2)


class _Sampler(BasePen):  # type: ignore[misc]  # fontTools has no types
    """Collects points of lines and curves at quarters; `BasePen` makes cubic curves of quadratic ones."""

    def __init__(self) -> None:
        super().__init__(None)
        self.points: list[tuple[float, float]] = []
        self._first: tuple[float, float] = (0, 0)

    def _moveTo(self, point: tuple[float, float]) -> None:
        self._first = point
        self.points.append(point)

    def _lineTo(self, point: tuple[float, float]) -> None:
        self._sample((self._getCurrentPoint(), point))

    def _curveToOne(
        self, first: tuple[float, float], second: tuple[float, float], last: tuple[float, float]
    ) -> None:
        self._sample((self._getCurrentPoint(), first, second, last))

    def _closePath(self) -> None:
        if self.points[-1] != self._first:
            self._sample((self.points[-1], self._first))

    def _sample(self, controls: tuple[tuple[float, float], ...]) -> None:
        for share in (0.25, 0.5, 0.75, 1.0):
            level = [np.array(point, np.float64) for point in controls]
            while len(level) > 1:  # de Casteljau
                level = [(1 - share) * a + share * b for a, b in pairwise(level)]
            self.points.append((float(level[0][0]), float(level[0][1])))
