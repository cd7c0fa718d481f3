from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from glyphs.errors import BadInput
from glyphs.labels import Form, Label
from glyphs.neighbours import OTHER, SAME, SPACE, Neighbours, count, frozen_neighbours, to_tsv, writing
from glyphs.tables import rows_of


def test_pairs_are_counted_within_words_and_with_the_space_around_them() -> None:
    shares = count([["Ab 1,2"]])
    one = pytest.approx(1 / 7)
    assert shares == {
        (SPACE, "Lu", "-"): one, ("Lu", "Ll", SAME): one, ("Ll", SPACE, "-"): one,
        (SPACE, "Nd", "-"): one, ("Nd", "44", "-"): one, ("44", "Nd", "-"): one,
        ("Nd", SPACE, "-"): one,
    }  # fmt: skip


def test_languages_weigh_the_same_and_so_do_kinds_of_text() -> None:
    shares = count([["aa", "1" * 1000], ["1"]])
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["Ll", "Ll", SAME] == pytest.approx(1 / 3 / 4)


def test_letters_of_two_scripts_are_told_from_those_of_one() -> None:
    assert ("Ll", "Ll", OTHER) in count([["aб"]])
    assert ("Lo", "Lo", SAME) in count([["日の"]])  # which are written together
    assert writing(Label(ord("1"))) == writing(Label(0x301)) == ""
    assert writing(Label(0x628, Form.INIT)) == "Arab"


def test_a_text_without_characters_is_refused() -> None:
    with pytest.raises(BadInput, match="no characters"):
        count([["a", " \n"]])


def test_a_table_is_read_as_it_was_written() -> None:
    shares = count([["Ab 1,2, to be or not", "Ещё а,"]])
    read = {(a, b, c): float(share) / 1e6 for a, b, c, share in rows_of(to_tsv(shares))}
    assert read == {pair: pytest.approx(share, rel=1e-3) for pair, share in shares.items()}


def _ratio(table: Neighbours, before: str, after: str) -> float:
    labels = [None if one == " " else Label(ord(one)) for one in (before, after)]
    kinds = [np.array(table.space if one is None else table.kind(one)) for one in labels]
    numbers = {"": 0, "Latn": 1, "Cyrl": 2}
    scripts = [np.array(numbers[writing(one)] if one else 0) for one in labels]
    return float(table.log_ratios((kinds[0], kinds[1]), (scripts[0], scripts[1])))


@pytest.mark.parametrize(
    ("likelier", "than"),
    [
        ("ab", "aб"),
        ("аб", "aб"),
        ("00", "0O"),
        (" A", "aA"),
        ("a,", " ,"),
        ("’s", "’ "),
        (" (", "a("),
        ("Ab", "A0"),
    ],
)
def test_texts_are_as_people_write(likelier: str, than: str) -> None:
    table = frozen_neighbours()
    assert _ratio(table, *likelier) > _ratio(table, *than)


def test_what_was_never_counted_is_finite_and_unlikely() -> None:
    table = frozen_neighbours()
    assert -7 < _ratio(table, "0", "б") < 0


def test_the_frozen_table_is_of_shares() -> None:
    path = Path(__file__).parents[2] / "glyphs/data/neighbours.tsv"
    rows = rows_of(path.read_text("utf-8"))
    assert sum(float(share) for *_, share in rows) == pytest.approx(1e6, rel=1e-3)
    assert {scripts for _, _, scripts, _ in rows} == {"-", SAME, OTHER}
