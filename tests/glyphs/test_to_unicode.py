from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from glyphs.to_unicode import cmap, letters

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=3)


@given(st.dictionaries(st.integers(0, 0xFFFF), TEXTS))
def test_what_is_written_is_what_is_read(texts: dict[int, str]) -> None:
    made = cmap(texts.items())
    found = re.findall(r"^<([0-9A-F]{4})> <([0-9A-F]*)>$", made, re.MULTILINE)
    assert found.pop(0) == ("0000", "FFFF")  # all codes
    assert {int(code, 16): bytes.fromhex(text).decode("utf-16-be") for code, text in found} == {
        code: letters(text) for code, text in texts.items()
    }
    blocks = [int(count) for count in re.findall(r"^(\d+) beginbfchar$", made, re.MULTILINE)]
    assert sum(blocks) == len(texts)
    assert all(1 <= count <= 100 for count in blocks)


def test_codes_of_a_byte_have_two_digits() -> None:
    made = cmap([(33, "a"), (255, "\U0001d54f")], digits=2)
    assert "<00> <FF>\nendcodespacerange" in made
    assert "2 beginbfchar\n<21> <0061>\n<FF> <D835DD4F>\nendbfchar" in made


def test_presentation_forms_are_letters_and_nothing_else_is() -> None:
    assert letters("\ufb03 \ufefb \ufb2e") == "ffi \u0644\u0627 \u05d0\u05b7"
    assert letters("² ﹖ Ａ ｡") == "² ﹖ Ａ ｡"
