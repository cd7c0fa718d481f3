"""What Unicode says of a character: name, script, joining behaviour, class.

Joining types and groups come from the Unicode Character Database's ArabicShaping.txt, shipped
beside this file; names and categories from the standard library; scripts from fontTools.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from fontTools import unicodedata as unicode_scripts

from glyphs.errors import BadInput

_CLASS_BY_CATEGORY = {
    "Nd": "digit",
    "N": "number",
    "P": "punctuation",
    "Sc": "currency",
    "Sm": "mathematics",
    "S": "symbol",
    "M": "mark",
}
_CASE = {"Lu": "uppercase", "Lt": "uppercase", "Ll": "lowercase"}


@dataclass(frozen=True, slots=True)
class Character:
    """One code point's properties.

    script: ISO 15924 code, such as `Arab`
    joining_type: Unicode's: D dual, R right, L left, C causing, T transparent, U none
    joining_group: in lower case, such as `beh`; None where Unicode names none
    char_class: `digit`, `punctuation`, ... or the script and case, such as `latn_lowercase`
    """

    codepoint: int
    name: str
    script: str
    category: str
    joining_type: str
    joining_group: str | None
    char_class: str

    @property
    def text(self) -> str:
        return chr(self.codepoint)


@cache
def _joining() -> dict[int, tuple[str, str | None]]:
    table: dict[int, tuple[str, str | None]] = {}
    text = files("glyphs").joinpath("data/ArabicShaping.txt").read_text(encoding="utf-8")
    for line in text.splitlines():
        fields = [field.strip() for field in line.partition("#")[0].split(";")]
        if len(fields) == 4:
            group = fields[3].lower().replace(" ", "_")
            table[int(fields[0], 16)] = (fields[2], None if group == "no_joining_group" else group)
    return table


def code(codepoint: int) -> str:
    """`U+0041`."""
    return f"U+{codepoint:04X}"


@cache
def character(codepoint: int) -> Character:
    """Properties of a code point; an unassigned one gets the name `U+XXXX`."""
    text = chr(codepoint)
    category = unicodedata.category(text)
    script = unicode_scripts.script(text)
    joining_type, joining_group = _joining().get(
        codepoint, ("T" if category in ("Mn", "Me", "Cf") else "U", None)
    )
    if category.startswith("L"):
        char_class = f"{script.lower()}_{_CASE.get(category, 'letter')}"
    else:
        char_class = _CLASS_BY_CATEGORY.get(category) or _CLASS_BY_CATEGORY.get(category[0], "other")
    name = unicodedata.name(text, code(codepoint))
    return Character(codepoint, name, script, category, joining_type, joining_group, char_class)


def iso_15924(scripts: str) -> list[str]:
    """The codes of a text such as `latn,Arab`, in the spelling of ISO 15924.

    Raises:
        BadInput: one of them is not four letters.
    """
    codes = [code.strip().title() for code in scripts.split(",") if code.strip()]
    for code in codes:
        if not (len(code) == 4 and code.isascii() and code.isalpha()):
            raise BadInput(f"There is no script {code!r}.", "A script is four letters, such as Latn.")
    return codes
