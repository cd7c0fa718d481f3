from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glyphs.labels import Form, Label
from scoring.composition import bears_marks
from scoring.marks import Box, Marks
from scoring.pieces import Piece

BODY = Piece(0.0, 0.0, 0.5, 0.5, 0.15)
ACUTE = Piece(0.2, 0.6, 0.35, 0.75, 0.01)
DOTS = Piece(0.1, 0.6, 0.2, 0.7, 0.01), Piece(0.3, 0.6, 0.4, 0.7, 0.01)
UNDER = Piece(0.2, -0.2, 0.3, -0.1, 0.01)
STEM, DOT = Piece(0.0, 0.0, 0.1, 0.5, 0.05), Piece(0.0, 0.6, 0.1, 0.7, 0.01)
BARE: Mapping[Label, Box] = {Label(ord(letter)): (0.5, 0.5, 0.0, 0.55) for letter in "aeou"}
USUAL = {
    Label(ord(letter)): (BODY, *marks)
    for letters, marks in (("áóú", (ACUTE,)), ("äöü", DOTS), ("ạọụ", (UNDER,)))
    for letter in letters
}


def moved(piece: Piece, x: float = 0.0, y: float = 0.0) -> Piece:
    return Piece(piece.left + x, piece.bottom + y, piece.right + x, piece.top + y, piece.area)


def label(text: str, form: Form = Form.NONE) -> Label:
    return Label(ord(text), form)


@pytest.mark.parametrize(
    ("letter", "pieces", "astray", "lost"),
    [
        ("é", (BODY, ACUTE), "", ""),
        ("é", (BODY, moved(ACUTE, 0.35)), "beside", ""),
        ("é", (BODY, moved(ACUTE, -0.4)), "beside", ""),
        ("é", (BODY, moved(ACUTE, 0.1)), "", ""),  # slanted
        ("é", (BODY, moved(ACUTE, 0, -0.9)), "below", "No mark"),
        ("é", (BODY,), "", "No mark"),
        ("ë", (BODY, *DOTS), "", ""),
        ("ë", (BODY, DOTS[0]), "", "Part"),
        ("ẹ", (BODY, UNDER), "", ""),
        ("ẹ", (BODY,), "", "No mark"),
        ("ẹ", (BODY, moved(UNDER, 0.4)), "beside", ""),
        ("ẹ", (BODY, moved(UNDER, 0, 0.8)), "above", "No mark"),
        ("į", (STEM, DOT), "", ""),
        ("é", (Piece(0.0, 0.0, 0.5, 0.75, 0.16),), "", ""),  # they melt into one
        ("ď", (BODY, moved(ACUTE, 0.5, -0.2)), "", ""),  # an apostrophe beside it is how it is written
        ("ę", (BODY,), "", ""),  # an ogonek is part of the letter, and nothing here has one
        ("e", (BODY,), "", ""),
        ("ǘ", (BODY, *DOTS, moved(ACUTE, 0, 0.2)), "", ""),
        ("ǘ", (BODY, *DOTS), "", "One of its marks"),
        ("ǘ", (BODY, ACUTE), "", "One of its marks"),
        ("ǘ", (BODY, Piece(0.1, 0.6, 0.4, 0.7, 0.03), moved(ACUTE, 0, 0.2)), "", ""),  # the dots melt
    ],
)
def test_marks_are_held_against_those_of_other_letters(
    letter: str, pieces: tuple[Piece, ...], astray: str, lost: str
) -> None:
    marks = Marks(USUAL | {label(letter): pieces}, BARE)
    for said, expected in (
        (marks.astray(label(letter), pieces), astray),
        (marks.lost(label(letter), pieces), lost),
    ):
        assert expected in said
        assert bool(said) == bool(expected)


def test_a_mark_where_others_have_none_is_no_loss() -> None:
    melted = {label(text): (Piece(0.0, 0.0, 0.5, 0.75, 0.16),) for text in "áóú"}
    assert Marks(melted | {label("é"): (BODY, ACUTE)}, BARE).lost(label("é"), (BODY, ACUTE)) == ""


def test_a_letter_that_is_the_bare_one_lacks_its_mark_whatever_its_kin_have() -> None:
    rings = {label(text): (Piece(0.0, 0.0, 0.5, 0.75, 0.16),) for text in "Åẘẙ"}  # melted
    bare = (Piece(0.0, 0.0, 0.5, 0.5, 0.15),)
    marks = Marks(USUAL | rings | {label("å"): bare}, BARE)
    assert marks.lost(label("å"), bare) == "No mark stands above the letter."
    assert marks.lost(label("ů"), (BODY, ACUTE)) == ""


def test_a_mark_without_its_letter_is_said_to_be_alone() -> None:
    assert Marks(USUAL | {label("é"): (ACUTE,)}, BARE).lost(label("é"), (ACUTE,)) == "Only its mark is there."


def test_an_ascender_of_one_piece_bears_no_mark() -> None:
    stem = (Piece(0.0, 0.0, 0.5, 0.8, 0.15),)
    circumflexes = {label(text): (BODY, ACUTE) for text in "âêô"}
    boxes = BARE | {label("h"): (0.5, 0.8, 0.0, 0.55)}
    told = Marks(circumflexes | {label("ĥ"): stem}, boxes)
    assert told.lost(label("ĥ"), (Piece(0.0, 0.0, 0.5, 0.79, 0.15),)) == "No mark stands above the letter."
    assert told.lost(label("ĥ"), (Piece(0.0, 0.0, 0.5, 0.9, 0.16),)) == ""  # it melts into the stem
    assert Marks({label("ĥ"): stem}, boxes).lost(label("ĥ"), stem) == ""  # no other has one to tell by


def test_arabic_letters_of_one_piece_lack_what_nearly_all_others_have() -> None:
    dotted = {label(text, Form.INIT): (BODY, DOT) for text in "بتثجخضظغفنپ"}
    yeh, noon = label("ئ", Form.MEDI), label("ن", Form.FINA)
    marks = Marks(dotted | {yeh: (BODY,), noon: (BODY,)}, {})
    assert marks.lost(yeh, (BODY,)) == "Its mark is missing."
    assert marks.lost(yeh, (BODY, ACUTE)) == ""
    assert marks.lost(label("ڜ"), (BODY,)) == ""  # dots on both sides, of which nothing is known
    few = Marks({yeh: (BODY,)} | dict(list(dotted.items())[:3]), {})
    assert few.lost(yeh, (BODY,)) == ""


def test_small_pieces_of_arabic_letters_do_not_stand_beside_them() -> None:
    pair = Piece(0.1, -0.2, 0.3, -0.1, 0.02)  # two of the three dots of che, melted together
    cheh, marks = label("چ", Form.MEDI), Marks({}, {})
    beside = (BODY, moved(pair, 0.45), moved(UNDER, 0.5, -0.1))
    assert marks.astray(cheh, (BODY, pair, moved(UNDER, 0, -0.1))) == ""
    assert "beside" in marks.astray(cheh, beside)
    large = Piece(0.6, 0.0, 0.9, 0.4, 0.1)  # half a letter, and no mark
    assert marks.astray(label("گ", Form.ISOL), (BODY, large)) == ""
    assert marks.astray(label("ٵ"), (BODY, moved(ACUTE, 0.5))) == ""  # a high hamza


def test_a_form_with_fewer_dots_than_all_others_of_its_letter_lacks_one() -> None:
    three = moved(ACUTE, -0.2), ACUTE, moved(ACUTE, -0.1, 0.2)
    forms = {label("ڠ", form): (BODY, *three) for form in (Form.ISOL, Form.INIT, Form.FINA)}
    medial = label("ڠ", Form.MEDI)
    marks = Marks(forms, {})
    assert marks.lost(medial, (BODY, *three)) == ""
    assert marks.lost(medial, (BODY, *three[:2])) == "One of its marks is missing."
    few = Marks(dict(list(forms.items())[:2]), {})
    assert few.lost(medial, (BODY, *three[:2])) == ""
    # Kaf has a mark only where it ends, and no name tells of one.
    kaf = {label("ك", form): (BODY, ACUTE) for form in (Form.ISOL, Form.MEDI, Form.FINA)}
    assert Marks(kaf, {}).lost(label("ك", Form.INIT), (BODY,)) == ""


def test_one_dot_is_no_diaeresis_and_a_bar_may_be_two_that_melted() -> None:
    marks = Marks({}, BARE)
    assert marks.lost(label("ë"), (BODY, DOTS[0])) == "Part of its mark is missing."
    assert marks.lost(label("ë"), (BODY, Piece(0.1, 0.6, 0.4, 0.7, 0.03))) == ""
    assert marks.lost(label("ё"), (BODY, DOTS[0])) == ""  # nobody knows how high its letter is


def test_names_tell_where_arabic_marks_belong() -> None:
    below = moved(DOT, 0, -0.9)
    marks = Marks({}, {})
    assert marks.astray(label("ئ", Form.FINA), (BODY, below)) == "Its mark sits below the letter."
    assert marks.astray(label("ڐ"), (BODY, below)) == "Its mark sits below the letter."  # four dots above
    assert marks.astray(label("ڽ"), (BODY, below)) == ""  # in some forms they do


def test_nothing_above_is_a_mark_missed_even_if_no_other_letter_has_it() -> None:
    assert Marks({label("é"): (BODY,)}, BARE).lost(label("é"), (BODY,)) == "No mark stands above the letter."
    assert Marks({label("ẹ"): (BODY,)}, BARE).lost(label("ẹ"), (BODY,)) == ""  # it may be part of the letter


def test_a_label_may_have_several_glyphs_each_with_its_own_marks() -> None:
    marks = Marks(USUAL | {label("é"): (BODY, ACUTE)}, BARE)
    assert marks.lost(label("é"), (BODY, ACUTE)) == ""
    assert marks.lost(label("é"), (BODY,)) != ""
    assert marks.astray(label("é"), (BODY, moved(ACUTE, 0.4))) != ""


def test_where_all_of_a_letter_lack_their_marks_the_bare_letter_is_another() -> None:
    letters = {label(letter): (BODY,) for letter in "éëẻ"}
    assert Marks(USUAL | letters, BARE).lost(label("é"), (BODY,)) == ""


def test_marks_that_always_stand_beside_are_a_design() -> None:
    wide = {
        labelled: (BODY, *(moved(mark, 0.45) for mark in marks)) for labelled, (_, *marks) in USUAL.items()
    }
    marks = Marks(wide | {label("é"): (BODY, moved(ACUTE, 0.45))}, BARE)
    assert marks.astray(label("é"), (BODY, moved(ACUTE, 0.45))) == ""


@pytest.mark.parametrize(
    ("pieces", "astray", "lost"),
    [
        ((STEM, DOT), "", ""),
        ((STEM,), "", "missing"),
        ((STEM, moved(DOT, 0, -0.9)), "below", ""),
        ((STEM, moved(DOT, 0.15)), "beside", ""),
        ((Piece(0.0, 0.0, 0.1, 0.7, 0.06),), "", ""),  # drawn in one stroke
    ],
)
def test_i_has_a_dot(pieces: tuple[Piece, ...], astray: str, lost: str) -> None:
    marks = Marks({label("i"): pieces, label("j"): (STEM, DOT)}, {})
    assert astray in marks.astray(label("i"), pieces)
    assert lost in marks.lost(label("i"), pieces)
    assert (bool(marks.astray(label("i"), pieces)), bool(marks.lost(label("i"), pieces))) == (
        bool(astray),
        bool(lost),
    )


@pytest.mark.parametrize(
    ("letter", "pieces", "astray", "lost"),
    [
        ("ن", (BODY, DOT), "", ""),
        ("ن", (BODY,), "", "dots are missing"),
        ("ن", (BODY, moved(DOT, 0, -0.9)), "below", ""),
        ("ن", (BODY, moved(DOT, 0.6)), "beside", ""),
        ("ب", (BODY, moved(DOT, 0, -0.9)), "", ""),
        ("ب", (BODY, DOT), "above", ""),
        ("ت", (BODY, *DOTS), "", ""),
        ("ت", (BODY, DOTS[0]), "", "One of"),
    ],
)
def test_arabic_dots_are_counted_and_placed(
    letter: str, pieces: tuple[Piece, ...], astray: str, lost: str
) -> None:
    kin = {label(text, Form.ISOL): (BODY, DOT) for text in "خذزضظغف"}
    kin |= {label(text, form): (BODY, *DOTS) for text in "قة" for form in (Form.ISOL, Form.FINA)}
    kin |= {label("ڨ", Form.ISOL): (BODY, *DOTS), label("ي", Form.ISOL): (BODY, *DOTS)}
    own = label(letter, Form.ISOL)
    marks = Marks(kin | {own: pieces}, {})
    assert astray in marks.astray(own, pieces)
    assert lost in marks.lost(own, pieces)
    assert (bool(marks.astray(own, pieces)), bool(marks.lost(own, pieces))) == (bool(astray), bool(lost))


@given(st.integers(0, 0x10FFFF).filter(lambda code: not 0xD800 <= code <= 0xDFFF), st.floats(0.01, 1))
def test_a_mark_over_its_letter_is_never_out_of_place(codepoint: int, height: float) -> None:
    own, pieces = Label(codepoint), (BODY, moved(ACUTE, 0, height))
    marks = Marks({own: pieces}, dict.fromkeys(map(Label, range(0x2000)), BARE[label("e")]))
    if bears_marks(own):
        assert "beside" not in marks.astray(own, pieces)
    assert "above" not in marks.lost(own, pieces)
