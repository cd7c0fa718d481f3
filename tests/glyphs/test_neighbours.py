from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from glyphs.errors import BadInput
from glyphs.labels import Form, Label
from glyphs.neighbours import SPACE, count, frozen_neighbours, to_tsv, writing
from glyphs.tables import rows_of


def test_pairs_are_counted_within_words_and_with_the_space_around_them() -> None:
    pairs = [
        (SPACE, "Lu"),
        ("Lu", "Ll"),
        ("Ll", SPACE),
        (SPACE, "Nd"),
        ("Nd", "44"),
        ("44", "Nd"),
        ("Nd", SPACE),
    ]
    assert count([["Ab 1,2"]]) == dict.fromkeys(pairs, pytest.approx(1 / 7))


def test_languages_weigh_the_same_and_so_do_kinds_of_text() -> None:
    shares = count([["aa", "1" * 1000], ["1"]])
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["Ll", "Ll"] == pytest.approx(1 / 3 / 4)


def test_scripts_that_are_written_together_are_one_writing() -> None:
    assert writing(Label(ord("日"))) == writing(Label(ord("の"))) == writing(Label(ord("カ")))
    assert writing(Label(ord("1"))) == writing(Label(0x301)) == ""
    assert writing(Label(0x628, Form.INIT)) == "Arab"


def test_a_text_without_characters_is_refused() -> None:
    with pytest.raises(BadInput, match="no characters"):
        count([["a", " \n"]])


def test_a_table_is_read_as_it_was_written() -> None:
    shares = count([["Ab 1,2, to be or not", "Ещё а,"]])
    read = {(before, after): float(share) / 1e6 for before, after, share in rows_of(to_tsv(shares))}
    assert read == {pair: pytest.approx(share, rel=1e-3) for pair, share in shares.items()}


def _ratio(before: str, after: str) -> float:
    table = frozen_neighbours()
    kinds = [table.space if one == " " else table.kind(Label(ord(one))) for one in (before, after)]
    return float(table.log_ratios[kinds[0], kinds[1]])


@pytest.mark.parametrize(
    ("likelier", "than"),
    [("00", "0O"), (" A", "aA"), ("a,", " ,"), ("’s", "’ "), (" (", "a("), ("Ab", "A0")],
)
def test_texts_are_as_people_write(likelier: str, than: str) -> None:
    assert _ratio(*likelier) > _ratio(*than)


def test_what_was_never_counted_is_unlikely_and_not_impossible() -> None:
    table = frozen_neighbours()
    assert np.isfinite(table.log_ratios).all()
    assert -5 < table.log_ratios.min() < -4


def test_the_frozen_table_is_of_shares() -> None:
    path = Path(__file__).parents[2] / "glyphs/data/neighbours.tsv"
    rows = rows_of(path.read_text("utf-8"))
    assert sum(float(share) for *_, share in rows) == pytest.approx(1e6, rel=1e-3)
