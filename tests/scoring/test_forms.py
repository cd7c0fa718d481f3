from __future__ import annotations

import pytest

from glyphs.labels import Form, Label
from scoring.forms import Forms, Look

LETTERS = "بتثنيجحخعغفق"


def looks(alike: str = "", both: tuple[Form, Form] = (Form.FINA, Form.ISOL)) -> list[tuple[Label, Look]]:
    """Letters whose forms all differ, but for two forms of some."""
    found = []
    for letter in LETTERS:
        for form in (Form.ISOL, Form.INIT, Form.MEDI, Form.FINA):
            shown = both[1] if letter in alike and form is both[0] else form
            found.append((Label(ord(letter), form), (f"{letter} {shown}", 0)))
    return found


def test_one_letter_whose_forms_are_alike_stands_out() -> None:
    forms = Forms(looks("ب"))
    assert forms.oddly_alike(Label(ord("ب"), Form.FINA), Form.ISOL)
    assert not forms.oddly_alike(Label(ord("ت"), Form.FINA), Form.ISOL)
    assert not forms.oddly_alike(Label(ord("ب"), Form.INIT), Form.MEDI)


@pytest.mark.parametrize("alike", ["بت", LETTERS])
def test_a_body_whose_forms_are_alike_is_a_design(alike: str) -> None:
    assert not Forms(looks(alike)).oddly_alike(Label(ord("ب"), Form.FINA), Form.ISOL)


def test_a_letter_without_kin_is_held_against_all_others() -> None:
    alone = [(Label(ord("م"), form), ("م", 0)) for form in (Form.FINA, Form.ISOL)]
    assert Forms([*looks(), *alone]).oddly_alike(Label(ord("م"), Form.FINA), Form.ISOL)
    assert not Forms([*looks(LETTERS), *alone]).oddly_alike(Label(ord("م"), Form.FINA), Form.ISOL)
    assert not Forms(alone).oddly_alike(Label(ord("م"), Form.FINA), Form.ISOL)


def test_forms_that_are_not_there_are_not_alike() -> None:
    assert not Forms([]).oddly_alike(Label(ord("ب"), Form.FINA), Form.ISOL)
