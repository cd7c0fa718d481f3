"""What letters are made of, as Unicode has it."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glyphs.labels import Form, Label
from scoring.composition import ABOVE, BELOW, bears_marks, decomposed, dots, has_pieces


def label(text: str, form: Form = Form.NONE) -> Label:
    return Label(ord(text), form)


@pytest.mark.parametrize(
    ("letter", "base", "marks"),
    [
        ("é", "e", {ABOVE: "\u0301"}),
        ("ẹ", "e", {BELOW: "\u0323"}),
        ("ç", "c", {BELOW: "\u0327"}),
        ("ệ", "e", {ABOVE: "\u0302", BELOW: "\u0323"}),
        ("ǘ", "u", {ABOVE: "\u0308\u0301"}),  # from the letter outward
        ("ớ", "ơ", {ABOVE: "\u0301"}),  # a horn is part of the letter
        ("ά", "α", {ABOVE: "\u0301"}),
        ("ё", "е", {ABOVE: "\u0308"}),
        ("أ", "ا", {ABOVE: "\u0654"}),
    ],
)
def test_a_letter_is_a_bare_one_with_marks_on_either_side(
    letter: str, base: str, marks: dict[int, str]
) -> None:
    found = decomposed(label(letter))
    assert found is not None
    assert (found.base.character.text, found.marks) == (base, marks)


@pytest.mark.parametrize(
    "letter",
    [
        "e", "ø", "ب",  # made of nothing else
        "Ά",  # beside it, in Greek
        "ئ",  # a hamza takes the place of the dots
        "が", "각",  # other scripts
    ],
)  # fmt: skip
def test_other_letters_have_no_marks_that_stand_clear(letter: str) -> None:
    assert decomposed(label(letter)) is None


@pytest.mark.parametrize(
    ("letter", "number"), [("ب", -1), ("ث", 3), ("ح", 0), ("ڑ", 0), ("ڕ", 0), ("ڙ", 0), ("ڧ", 1), ("ݖ", 0)]
)
def test_dots_are_those_of_the_name(letter: str, number: int) -> None:
    assert dots(label(letter, Form.ISOL)) == number


def test_the_yeh_of_persian_has_dots_where_the_word_goes_on() -> None:
    assert [dots(label("ی", form)) for form in (Form.ISOL, Form.INIT, Form.MEDI, Form.FINA)] == [0, -2, -2, 0]


@given(st.integers(0, 0x10FFFF).filter(lambda code: not 0xD800 <= code <= 0xDFFF))
def test_a_decomposition_put_together_is_the_letter(codepoint: int) -> None:
    own = Label(codepoint)
    found = decomposed(own)
    if found is not None:
        assert bears_marks(own)
        assert all(found.marks.values())
        whole = found.base.character.text + "".join(found.marks.values())
        assert unicodedata.normalize("NFC", whole) == unicodedata.normalize("NFC", chr(codepoint))
    if has_pieces(own):
        assert bears_marks(own)
