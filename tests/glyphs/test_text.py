from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glyphs.errors import BadInput
from glyphs.labels import Form, Label
from glyphs.text import labels_in, occurrences, read_texts, text_shares, to_tsv

ARABIC = st.text(st.sampled_from("عبارةاد،ـ\u200d\u200c\u064e a\n"), max_size=12)


def _written(text: str) -> list[str]:
    return [str(label) for label in labels_in(text)]


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("O, o!", ["79", "44", "111", "33"]),
        ("e\u0301", ["233"]),  # composed
        ("عين", ["1593_init", "1610_medi", "1606_fina"]),
        ("دار", ["1583_isol", "1575_isol", "1585_isol"]),  # none of them joins with what comes after
        ("با", ["1576_init", "1575_fina"]),
        ("بَب", ["1576_init", "1614", "1576_fina"]),  # a mark is looked through
        ("ب\u200cب", ["1576_isol", "1576_isol"]),  # a non-joiner parts
        ("ب\u200d", ["1576_init"]),  # a joiner joins with nothing
        ("بـ", ["1576_init", "1600"]),  # as does a tatweel
        ("ﻋ", ["1593_init"]),  # a presentation form has its own
        (" \t\n\u200b", []),
        ("", []),
    ],
)
def test_letters_have_the_forms_that_their_neighbours_give_them(text: str, labels: list[str]) -> None:
    assert _written(text) == labels


@given(ARABIC, ARABIC)
def test_words_do_not_join_across_a_space(first: str, second: str) -> None:
    assert _written(f"{first} {second}") == _written(first) + _written(second)


@given(ARABIC)
def test_who_joins_forward_is_joined_backward(text: str) -> None:
    letters = [label for label in labels_in(text.replace("\u200d", "").replace("ـ", "")) if label.form]
    for one, other in pairwise(letters):
        if one.form.joins_after:
            assert other.form.joins_before


def test_languages_weigh_the_same_and_so_do_kinds() -> None:
    table = {str(one.label): one for one in occurrences([["aab", "b" * 1000], ["aaaa"]])}
    assert table["97"].share == pytest.approx((2 / 3 + 0) / 4 + 1 / 2)
    assert table["98"].share == pytest.approx((1 / 3 + 1) / 4)
    assert (table["97"].languages, table["98"].languages) == (2, 2)
    assert sum(one.share for one in table.values()) == pytest.approx(1)


def test_a_text_without_characters_is_refused() -> None:
    with pytest.raises(BadInput, match="no characters"):
        occurrences([["a", " \n"]])


def test_texts_are_read_from_a_folder_and_written_as_a_table(tmp_path: Path) -> None:
    (tmp_path / "de.txt").write_text("ß", encoding="utf-8")
    (tmp_path / "ar.txt").write_text("ع", encoding="utf-8")
    (tmp_path / "notes.md").write_text("not a text", encoding="utf-8")
    rows = to_tsv(occurrences([read_texts(tmp_path)])).splitlines()
    assert rows[1:] == ["223\t5e+05\t1\tß", "1593_isol\t5e+05\t1\tع"]


def test_folders_without_texts_and_other_encodings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no texts"):
        read_texts(tmp_path)
    (tmp_path / "de.txt").write_bytes("ß".encode("latin-1"))
    with pytest.raises(BadInput, match=r"de\.txt"):
        read_texts(tmp_path)


def test_the_frozen_table_knows_the_world_and_bare_letters() -> None:
    shares = text_shares()
    assert shares[Label(ord("e"))] > 100 * shares[Label(ord("ŵ"))] > 0
    assert shares[Label(0x3B1)] > 0 < shares[Label(0x5D0)]  # alpha, alef
    forms = [shares[Label(0x639, form)] for form in (Form.ISOL, Form.INIT, Form.MEDI, Form.FINA)]
    assert min(forms) > 0
    assert shares[Label(0x639)] == pytest.approx(sum(forms))
