"""Outlines as bytes."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
from fontTools.pens.areaPen import AreaPen
from fontTools.pens.basePen import AbstractPen
from fontTools.pens.boundsPen import BoundsPen
from fontTools.pens.recordingPen import RecordingPen
from fontTools.svgLib.path import parse_path
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from glyphs.errors import BadDataset, BadFont
from glyphs.outline import Outline, Outlines, outline_hash, svg_paths
from glyphs.raster import draw


@st.composite
def outlines(draw: st.DrawFn) -> Outline:
    lengths = draw(st.lists(st.integers(1, 12), max_size=5))
    n_points = sum(lengths)
    return Outline(
        draw(arrays.arrays(np.int32, (n_points, 2), elements=st.integers(0, 32767))),
        draw(arrays.arrays(np.uint8, n_points)),
        (np.cumsum(lengths, dtype=np.int16) - 1).astype(np.int16),
        draw(st.integers(16, 16384)),
    )


SQUARE = Outline(
    np.array([[0, 0], [500, 0], [500, 500], [0, 500]], np.int32),
    np.ones(4, np.uint8),
    np.array([3], np.int16),
    1000,
)


@given(outlines())
def test_an_outline_comes_back_from_its_bytes(outline: Outline) -> None:
    back = Outline.from_bytes(outline.to_bytes())
    assert np.array_equal(back.points, outline.points)
    assert np.array_equal(back.tags, outline.tags)
    assert np.array_equal(back.contours, outline.contours)
    assert back.units_per_em == outline.units_per_em
    assert back.to_bytes() == outline.to_bytes()


@given(outlines(), st.data())
def test_truncated_bytes_are_no_outline(outline: Outline, data: st.DataObject) -> None:
    whole = outline.to_bytes()
    with pytest.raises(BadDataset):
        Outline.from_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])


@given(outlines(), st.data())
def test_altered_bytes_are_refused_or_drawn_but_never_crash(outline: Outline, data: st.DataObject) -> None:
    altered = bytearray(outline.to_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        altered[data.draw(st.integers(0, len(altered) - 1))] = data.draw(st.integers(0, 255))
    with suppress(BadDataset, BadFont):
        draw(Outline.from_bytes(bytes(altered)))


@pytest.mark.parametrize("contours", [[2], [4], [3, 3], [3, 2], [-1, 3], [1, 0, 3]])
def test_contours_that_do_not_end_where_points_do_are_refused(contours: list[int]) -> None:
    wrong = Outline(SQUARE.points, SQUARE.tags, np.array(contours, np.int16), 1000)
    with pytest.raises(BadDataset, match="contours"):
        Outline.from_bytes(wrong.to_bytes())


def _block(parts: list[bytes]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    ends = np.cumsum([len(part) for part in parts], dtype=np.int64)
    return np.frombuffer(b"".join(parts), np.uint8), ends - [len(part) for part in parts], ends


@given(st.lists(outlines(), min_size=1, max_size=6))
def test_outlines_come_back_from_a_block_of_their_bytes(found: list[Outline]) -> None:
    read = Outlines.from_block(*_block([outline.to_bytes() for outline in found]))
    packed = Outlines.of(found)
    assert len(read) == len(found)
    for name in Outlines.__slots__:
        assert np.array_equal(getattr(read, name), getattr(packed, name)), name
    for place, outline in enumerate(found):
        part = read.part(place, place + 1)
        assert np.array_equal(part.points, outline.points)
        assert np.array_equal(part.tags, outline.tags)
        assert np.array_equal(part.contours, outline.contours)
        assert part.units_per_em.tolist() == [outline.units_per_em]


@given(st.lists(outlines(), min_size=1, max_size=4), st.data())
def test_a_block_is_refused_where_one_of_its_outlines_is(found: list[Outline], data: st.DataObject) -> None:
    parts = [bytearray(outline.to_bytes()) for outline in found]
    altered = data.draw(st.sampled_from(parts))
    for _ in range(data.draw(st.integers(1, 4))):
        altered[data.draw(st.integers(0, len(altered) - 1))] = data.draw(st.integers(0, 255))
    del altered[data.draw(st.integers(0, len(altered))) :]
    try:
        one_by_one = [Outline.from_bytes(bytes(part)) for part in parts]
    except BadDataset:
        with pytest.raises(BadDataset):
            Outlines.from_block(*_block([bytes(part) for part in parts]))
    else:
        read = Outlines.from_block(*_block([bytes(part) for part in parts]))
        assert np.array_equal(read.points, np.concatenate([outline.points for outline in one_by_one]))


@pytest.mark.parametrize("contours", [[2], [4], [3, 3], [3, 2], [-1, 3], [1, 0, 3], []])
def test_a_block_with_wrong_contours_is_refused(contours: list[int]) -> None:
    wrong = Outline(SQUARE.points, SQUARE.tags, np.array(contours, np.int16), 1000)
    with pytest.raises(BadDataset, match="contours"):
        Outlines.from_block(*_block([SQUARE.to_bytes(), wrong.to_bytes(), SQUARE.to_bytes()]))


def test_a_shape_too_wide_for_its_bytes_is_refused() -> None:
    wide = Outline(SQUARE.points * 100, SQUARE.tags, SQUARE.contours, 1000)
    with pytest.raises(BadDataset, match="32,767"):
        wide.to_bytes()


def test_equal_shapes_hash_alike_and_another_scale_does_not() -> None:
    same = Outline(SQUARE.points.copy(), SQUARE.tags.copy(), SQUARE.contours.copy(), 1000)
    other = Outline(SQUARE.points, SQUARE.tags, SQUARE.contours, 2048)
    assert outline_hash(same.to_bytes()) == outline_hash(SQUARE.to_bytes())
    assert outline_hash(other.to_bytes()) != outline_hash(SQUARE.to_bytes())
    assert len(outline_hash(b"")) == 16


def _drawn(outline: Outline, pen: AbstractPen, x: int = 0, y: int = 0) -> None:
    """As TrueType means it, by fontTools: conic control points without points between them."""
    start = 0
    for last in outline.contours.tolist():
        points = [(px + x, -(py + y)) for px, py in outline.points[start : last + 1].tolist()]
        on = [bool(tag & 1) for tag in outline.tags[start : last + 1]]
        start = last + 1
        if not any(on):
            pen.qCurveTo(*points, None)
            pen.closePath()
            continue
        first = on.index(True)
        pen.moveTo(points[first])
        controls: list[tuple[int, int]] = []
        for at in [*range(first + 1, len(points)), *range(first + 1)]:
            controls.append(points[at])
            if on[at]:
                pen.qCurveTo(*controls)
                controls = []
        pen.closePath()


@st.composite
def quadratic_outlines(draw: st.DrawFn) -> Outline:
    lengths = draw(st.lists(st.integers(1, 8), min_size=1, max_size=4))
    count = sum(lengths)
    return Outline(
        draw(arrays.arrays(np.int32, (count, 2), elements=st.integers(0, 2000))),
        draw(arrays.arrays(np.uint8, count, elements=st.integers(0, 1))),
        (np.cumsum(lengths) - 1).astype(np.int16),
        1000,
    )


@given(st.lists(quadratic_outlines(), max_size=3), st.integers(-3000, 3000))
def test_paths_are_the_outlines_they_were_made_of(some: list[Outline], origin: int) -> None:
    blank = Outline(np.zeros((0, 2), np.int32), np.zeros(0, np.uint8), np.zeros(0, np.int16), 1000)
    every = [blank, *some, blank]
    paths = svg_paths(every, [(origin, -origin)] * len(every))
    assert (paths[0], paths[-1], len(paths)) == ("", "", len(every))
    for outline, path in zip(some, paths[1:-1], strict=True):
        for kind in (AreaPen, BoundsPen):
            said, meant = kind(None), kind(None)
            parse_path(path, said)
            _drawn(outline, meant, origin, -origin)
            if kind is AreaPen:
                assert said.value == pytest.approx(meant.value, abs=1e-3)
            elif meant.bounds is not None and said.bounds is not None:
                assert said.bounds == pytest.approx(meant.bounds, abs=1e-6)
        assert path.count("M") == path.count("Z") == len(outline.contours)


def test_cubic_and_straight_contours_are_written_shortly() -> None:
    assert svg_paths([SQUARE], [(0, 100)]) == ["M0 -100L500 -100L500 -600L0 -600Z"]
    cubic = Outline(
        np.array([[0, 0], [0, 50], [50, 100], [100, 100]], np.int32),
        np.array([1, 2, 2, 1], np.uint8),
        np.array([3], np.int16),
        1000,
    )
    [path] = svg_paths([cubic], [(0, 0)])
    pen = RecordingPen()
    parse_path(path, pen)
    assert path == "M0 0C0 -50 50 -100 100 -100Z"
    assert pen.value[:2] == [("moveTo", ((0, 0),)), ("curveTo", ((0, -50), (50, -100), (100, -100)))]
    assert svg_paths([], []) == []
