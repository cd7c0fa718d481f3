from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.marks import misplaced, stands_out

BOXES = {
    ord("e"): (0.5, 0.5, 0.0, 0.55), ord("ı"): (0.1, 0.5, 0.0, 0.25), ord("i"): (0.1, 0.7, 0.0, 0.25),
    ord("d"): (0.5, 0.75, 0.0, 0.6), ord("Α"): (0.6, 0.7, 0.0, 0.65),
}  # fmt: skip


@pytest.mark.parametrize(
    ("character", "box", "where"),
    [
        ("é", (0.5, 0.75, 0.0, 0.55), ""),
        ("é", (0.8, 0.7, 0.0, 0.55), "beside the letter"),
        ("é", (0.5, 0.75, -0.25, 0.55), "below the letter"),
        ("ï", (0.3, 0.65, 0.0, 0.25), ""),  # two dots are wider than a stem
        ("ď", (0.75, 0.75, 0.0, 0.7), ""),  # an apostrophe beside it is how it is written
        ("ế", (0.8, 0.7, 0.0, 0.55), ""),  # marks side by side
        ("é", (0.6, 0.75, 0.0, 0.55), ""),  # slanted
        ("Ά", (0.8, 0.7, 0.0, 0.8), ""),
        ("ę", (0.5, 0.75, -0.25, 0.55), ""),  # an ogonek hangs below
        ("e", (0.9, 0.9, -0.3, 0.9), ""),
        ("ñ", (0.9, 0.9, -0.3, 0.9), ""),  # nothing to hold it against
    ],
)
def test_marks_are_held_against_the_bare_letter(character: str, box: tuple[float, ...], where: str) -> None:
    width, height, bottom, advance = box
    assert misplaced(ord(character), (width, height, bottom, advance), BOXES) == where


@given(st.integers(0, 0x10FFFF).filter(lambda code: not 0xD800 <= code <= 0xDFFF), st.floats(0.01, 1))
def test_a_mark_over_its_letter_is_never_out_of_place(codepoint: int, height: float) -> None:
    box = (0.5, 0.5 + height, 0.0, 0.5)
    assert misplaced(codepoint, box, dict.fromkeys(range(0x2000), (0.5, 0.5, 0.0, 0.5))) == ""


@pytest.mark.parametrize(
    ("codepoint", "width", "kin", "out"),
    [
        (0x62A, 0.9, [0.9, 0.9, 0.88], False),
        (0x62A, 1.2, [0.9, 0.9, 0.88], True),
        (0x62A, 1.2, [0.9, 1.2, 0.88], False),  # one of several that are as wide
        (0x62A, 1.2, [0.9, 0.9], False),  # too few to say
        (0x622, 0.5, [0.2, 0.2, 0.2], False),  # a madda is wider than an alef
    ],
)
def test_letters_that_share_a_body_are_as_wide(
    codepoint: int, width: float, kin: list[float], out: bool
) -> None:
    assert stands_out(codepoint, width, kin) is out
