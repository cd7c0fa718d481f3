"""What Unicode says of characters."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glyphs.characters import character


@pytest.mark.parametrize(
    ("text", "name", "script", "joining_type", "joining_group", "char_class"),
    [
        ("A", "LATIN CAPITAL LETTER A", "Latn", "U", None, "latn_uppercase"),
        ("я", "CYRILLIC SMALL LETTER YA", "Cyrl", "U", None, "cyrl_lowercase"),
        ("ب", "ARABIC LETTER BEH", "Arab", "D", "beh", "arab_letter"),
        ("د", "ARABIC LETTER DAL", "Arab", "R", "dal", "arab_letter"),
        ("ی", "ARABIC LETTER FARSI YEH", "Arab", "D", "farsi_yeh", "arab_letter"),
        ("ء", "ARABIC LETTER HAMZA", "Arab", "U", None, "arab_letter"),
        ("\u064b", "ARABIC FATHATAN", "Zinh", "T", None, "mark"),
        ("7", "DIGIT SEVEN", "Zyyy", "U", None, "digit"),
        ("½", "VULGAR FRACTION ONE HALF", "Zyyy", "U", None, "number"),
        ("€", "EURO SIGN", "Zyyy", "U", None, "currency"),
        ("+", "PLUS SIGN", "Zyyy", "U", None, "mathematics"),
        ("©", "COPYRIGHT SIGN", "Zyyy", "U", None, "symbol"),
        ("?", "QUESTION MARK", "Zyyy", "U", None, "punctuation"),
    ],
)
def test_properties_are_those_of_unicode(
    text: str, name: str, script: str, joining_type: str, joining_group: str | None, char_class: str
) -> None:
    found = character(ord(text))
    assert (found.text, found.name, found.script) == (text, name, script)
    assert (found.joining_type, found.joining_group) == (joining_type, joining_group)
    assert found.char_class == char_class


def test_letters_of_one_joining_group_share_its_name() -> None:
    assert {character(ord(letter)).joining_group for letter in "بتثپ"} == {"beh"}


def test_an_unassigned_code_point_is_named_by_its_number() -> None:
    assert character(0x378).name == "U+0378"
    assert character(0x378).char_class == "other"


@given(st.integers(0, sys.maxunicode))
def test_every_code_point_has_properties(codepoint: int) -> None:
    found = character(codepoint)
    assert found.codepoint == codepoint
    assert len(found.script) == 4
    assert found.joining_type in set("DRLCTU")
    assert found.name
    assert found.char_class == found.char_class.lower() != ""
