"""A label: the class of a glyph, a base letter's code point and its joining form.

Written `1593_init`, or `65` where a character has no forms. Arabic presentation forms are
folded into their base letter and form by their Unicode decomposition, so that `65227_init`
(U+FECB) and `65227` both read as `1593_init`.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Final

from glyphs.characters import Character, character, code
from glyphs.errors import BadLabel


class Form(StrEnum):
    """Joining form; NONE for a character that does not join."""

    NONE = ""
    ISOL = "isol"
    INIT = "init"
    MEDI = "medi"
    FINA = "fina"

    @property
    def words(self) -> str:
        """As people call it, such as `initial`; empty for NONE."""
        return _WORDS[self]

    @property
    def joins_before(self) -> bool:
        """Whether it is joined to the letter that is read before it."""
        return self in (Form.MEDI, Form.FINA)

    @property
    def joins_after(self) -> bool:
        """Whether it is joined to the letter that is read after it."""
        return self in (Form.INIT, Form.MEDI)

    @property
    def joined(self) -> bool:
        """Whether it is joined to any letter."""
        return self.joins_before or self.joins_after


_WORDS: Final = {
    Form.NONE: "", Form.ISOL: "isolated", Form.INIT: "initial", Form.MEDI: "medial", Form.FINA: "final"
}  # fmt: skip
# Which forms a letter of each Unicode joining type takes.
FORMS_BY_JOINING_TYPE: Final = {
    "D": (Form.ISOL, Form.INIT, Form.MEDI, Form.FINA),
    "R": (Form.ISOL, Form.FINA),
    "L": (Form.ISOL, Form.INIT),
}
_FORM_BY_DECOMPOSITION = {
    "<isolated>": Form.ISOL,
    "<initial>": Form.INIT,
    "<medial>": Form.MEDI,
    "<final>": Form.FINA,
}


@dataclass(frozen=True, slots=True, order=True)
class Label:
    """Code point of the base letter and joining form. Orders by code point, then form."""

    codepoint: int
    form: Form = Form.NONE

    def __str__(self) -> str:
        return f"{self.codepoint}_{self.form}" if self.form else str(self.codepoint)

    @classmethod
    def parse(cls, text: str) -> Label:
        """Read `<decimal code point>` or `<decimal code point>_<form>`.

        Raises:
            BadLabel: not of that form, not a Unicode scalar value, or a presentation form whose
                own form contradicts the one written.
        """
        number, separator, form_text = text.partition("_")
        if not (number.isascii() and number.isdigit() and len(number) <= 7):
            raise BadLabel(
                f"{text!r} is not a label.", "Write a decimal code point, such as 65 or 1593_init."
            )
        codepoint = int(number)
        if codepoint > 0x10FFFF or 0xD800 <= codepoint <= 0xDFFF:
            raise BadLabel(f"{text!r} names no Unicode character.")
        try:
            form = Form(form_text)
        except ValueError:
            form = Form.NONE
        if separator and not form:
            raise BadLabel(f"{text!r} has an unknown form.", "The forms are isol, init, medi and fina.")
        folded = fold(codepoint)
        if folded.codepoint != codepoint:
            if form and form != folded.form:
                raise BadLabel(f"{text!r} contradicts itself: {code(codepoint)} is the {folded.form} form.")
            return folded
        return cls(codepoint, form)

    @property
    def character(self) -> Character:
        return character(self.codepoint)

    @property
    def contrastive_group(self) -> str:
        """The joining group, or `cc_<char class>` where there is none."""
        return self.character.joining_group or f"cc_{self.character.char_class}"

    def describe(self) -> dict[str, str | None]:
        """What clients are told of a label, by HTTP and on the command line."""
        return {
            "label": str(self),
            "codepoint": code(self.codepoint),
            "character": chr(self.codepoint),
            "form": str(self.form) or None,
            "name": self.character.name,
            "script": self.character.script,
        }

    @property
    def positional(self) -> bool:
        """Whether this is a joining form of an Arabic letter."""
        return bool(self.form) and self.character.script == "Arab"


@cache
def fold(codepoint: int) -> Label:
    """The label of a bare code point: presentation forms of single letters become (base, form)."""
    tag, *parts = unicodedata.decomposition(chr(codepoint)).split() or [""]
    if tag in _FORM_BY_DECOMPOSITION and len(parts) == 1:
        return Label(int(parts[0], 16), _FORM_BY_DECOMPOSITION[tag])
    return Label(codepoint)


def forms_of(codepoint: int) -> tuple[Form, ...]:
    """The joining forms a letter takes, or (Form.NONE,)."""
    return FORMS_BY_JOINING_TYPE.get(character(codepoint).joining_type, (Form.NONE,))
