"""Which part of the plane a drawing shows."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.reports.drawing import Frame, Line, Outlines, portrait
from tests.scoring.records import face, verdict

METRICS = st.tuples(
    st.floats(0.001, 3), st.floats(0.001, 3), st.floats(-2, 2), st.floats(-1, 5)
)  # width, height, bottom, advance, em


def holds(frame: Frame, metrics: tuple[float, float, float, float], units_per_em: int) -> bool:
    width, height, bottom, _ = (value * units_per_em for value in metrics)
    slack = 1  # frames are whole units
    return (
        frame.x <= slack
        and frame.x + frame.width >= width - slack
        and frame.y <= -(bottom + height) + slack
        and frame.y + frame.height >= -bottom - slack
    )


@given(METRICS, st.sampled_from([16, 1000, 2048]))
def test_a_portrait_is_square_and_shows_ink_and_baseline(
    metrics: tuple[float, float, float, float], units_per_em: int
) -> None:
    drawn = portrait(replace(verdict("A"), metrics=metrics), units_per_em)
    frame = drawn.frame
    assert frame.width == frame.height
    assert holds(frame, metrics, units_per_em)
    assert frame.y <= 0 <= frame.y + frame.height
    if drawn.advance:
        assert frame.x <= drawn.advance[0] + 1
        assert drawn.advance[1] <= frame.x + frame.width + 1


def test_a_full_stop_is_not_blown_up_to_a_letter() -> None:
    assert portrait(replace(verdict("."), metrics=(0.1, 0.1, 0.0, 0.2)), 1000).frame.width == 750


@given(st.lists(METRICS, min_size=1, max_size=30))
def test_on_a_line_all_ink_is_shown(many: list[tuple[float, float, float, float]]) -> None:
    glyphs = [replace(verdict("A"), metrics=metrics) for metrics in many]
    line = Line(face(*glyphs))
    assert all(holds(line.frame(glyph), metrics, 1000) for glyph, metrics in zip(glyphs, many, strict=True))


def test_on_a_line_the_baseline_is_level() -> None:
    glyphs = [replace(verdict("A"), metrics=(0.1 + n / 99, 0.5, -0.2, 0.6)) for n in range(50)]
    line = Line(face(*glyphs))
    assert len({(line.frame(glyph).y, line.frame(glyph).height) for glyph in glyphs}) == 1


def test_a_face_without_ink_has_a_line_too() -> None:
    blank = replace(verdict(" "), metrics=None, path="")
    assert Line(face(blank)).frame(blank).height > 0
    assert portrait(blank, 1000).advance is None


def test_an_outline_that_is_drawn_twice_is_defined_once() -> None:
    outlines = Outlines(["M0 0Z", "M1 1Z", "M0 0Z", "", ""])
    assert outlines.shared == {"M0 0Z": "o0"}
    assert outlines.draw("M0 0Z") == '<use href="#o0"/>'
    assert outlines.draw("M1 1Z") == '<path d="M1 1Z"/>'


@pytest.mark.parametrize("path", ['"/><script>alert(1)</script>', "<", "'"])
def test_path_data_is_escaped(path: str) -> None:
    assert "<script" not in Outlines([path]).draw(path)
    assert "script&gt;" in Outlines(['"/><script>']).draw('"/><script>')
