"""Labels that look the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glyphs.dataset.store import RASTER, Dataset, FontRecord, GlyphRecord
from glyphs.equivalence import (
    LEAST_FAMILIES,
    Equivalence,
    Evidence,
    build_equivalence,
    frozen_equivalence,
    intentional_pairs,
    outline_pairs,
    to_tsv,
    unicode_pairs,
)
from glyphs.errors import BadInput
from glyphs.labels import Form, Label, fold
from glyphs.splits import Split

LABELS = st.builds(
    Label, st.sampled_from([fold(code).codepoint for code in range(0x600, 0x6FF)]), st.sampled_from(Form)
)
TABLES = st.lists(
    st.builds(
        lambda pair, source, both, alike: Evidence(*sorted(pair), source, both, alike),
        st.sets(LABELS, min_size=2, max_size=2),
        st.sampled_from(["nfkc", "outlines", "isolated"]),
        st.integers(0, 1000),
        st.integers(0, 1000),
    ),
    max_size=20,
).map(Equivalence)  # fmt: skip


def of(text: str, form: Form = Form.NONE) -> Label:
    return Label(ord(text), form)


@pytest.fixture(scope="session")
def counted(small_dataset: Dataset) -> dict[tuple[Label, Label], Evidence]:
    return {(pair.first, pair.second): pair for pair in outline_pairs(small_dataset)}


@pytest.mark.parametrize("pair", ["AΑ", "AА", "ΑА", "BΒ", "BВ", "oо", "pр", "cс"])
def test_letters_that_three_families_draw_alike_are_a_pair(
    counted: dict[tuple[Label, Label], Evidence], pair: str
) -> None:
    first, second = sorted(map(of, pair))
    evidence = counted[first, second]
    assert (evidence.source, evidence.families, evidence.identical) == ("outlines", 3, 3)


def test_letters_that_only_two_families_draw_alike_are_none(
    counted: dict[tuple[Label, Label], Evidence],
) -> None:
    assert LEAST_FAMILIES == 3
    assert (of("o"), of("ο")) not in counted  # Greek omicron is its own drawing in the serif


@pytest.mark.parametrize("pair", ["oO", "b6", "Il", "\u03a9W", "'\""])
def test_letters_that_look_different_are_none(
    counted: dict[tuple[Label, Label], Evidence], pair: str
) -> None:
    first, second = sorted(map(of, pair))
    assert (first, second) not in counted


@pytest.mark.parametrize("form", [Form.INIT, Form.MEDI])
def test_yeh_and_farsi_yeh_are_a_pair_where_both_carry_their_dots(
    counted: dict[tuple[Label, Label], Evidence], form: Form
) -> None:
    assert (of("ي", form), of("ی", form)) in counted


@pytest.mark.parametrize("form", [Form.ISOL, Form.FINA])
def test_yeh_and_farsi_yeh_differ_at_the_end_of_a_word(
    counted: dict[tuple[Label, Label], Evidence], form: Form
) -> None:
    assert (of("ي", form), of("ی", form)) not in counted


@pytest.mark.filterwarnings("error")
def test_rasters_that_look_alike_are_counted_without_metrics(tmp_path: Path) -> None:
    with Dataset.create(tmp_path / "glyphs.db") as dataset:
        for number in range(LEAST_FAMILIES):
            font = FontRecord(str(number), 0, 0, "rasters", f"Drawn {number}", "Raster", "", 1, 0)
            glyphs = [GlyphRecord(of(text), RASTER, b"one", (float("nan"),) * 4) for text in "lI"]
            dataset.add_font(font, glyphs, dataset.shape_ids(), dataset.label_ids())
            dataset.set_splits({font.family: Split.TRAIN})
        assert outline_pairs(dataset) == [Evidence(of("I"), of("l"), "outlines", 3, 3)]


def test_families_that_only_test_give_no_evidence(small_dataset: Dataset) -> None:
    train = sum(str(split) == "train" for _, _, split, _ in small_dataset.families())
    assert 0 < train < len(small_dataset.families())
    assert all(pair.families <= train for pair in outline_pairs(small_dataset))


def test_unicode_declares_singletons_and_widths_only() -> None:
    labels = list(map(of, "\u03a9\u2126K\u212aAa\uff211¹①s\u017ffﬁ"))
    pairs = {(pair.first, pair.second): pair.source for pair in unicode_pairs(labels)}
    assert pairs == {
        (of("\u03a9"), of("\u2126")): "nfkc",
        (of("K"), of("\u212a")): "nfkc",
        (of("A"), of("\uff21")): "nfkc",
    }


def test_what_unicode_calls_intentional_is_a_pair_where_both_are_labels() -> None:
    pairs = intentional_pairs(map(of, "AΑ!ǃs"))
    assert [(pair.first, pair.second, pair.source) for pair in pairs] == [
        (of("!"), of("ǃ"), "intentional"),
        (of("A"), of("Α"), "intentional"),
    ]


def test_a_bare_letter_and_its_isolated_form_are_a_pair_where_both_are_labels() -> None:
    hamza = Evidence(of("ء"), of("ء", Form.ISOL), "outlines", 5, 4)  # it does not join, yet has U+FE80
    labels = [
        of("ب"), of("ب", Form.ISOL), of("ب", Form.INIT), hamza.first, hamza.second,
        of("ت"), of("ث", Form.ISOL), of("A"),
    ]  # fmt: skip
    table = Equivalence([hamza]).with_isolated(labels)
    assert set(table.evidence) == {hamza, Evidence(of("ب"), of("ب", Form.ISOL), "isolated")}


def test_a_counted_pair_is_kept_over_a_declared_one(small_dataset: Dataset) -> None:
    table = build_equivalence(small_dataset)
    ohm = [pair for pair in table.evidence if (pair.first, pair.second) == (of("\u03a9"), of("\u2126"))]
    assert [pair.source for pair in ohm] == ["outlines"]


def test_equivalents_are_listed_in_order_and_from_both_sides(small_dataset: Dataset) -> None:
    table = build_equivalence(small_dataset)
    assert table.equivalents(of("A")) == (of("Α"), of("А"))
    assert table.equivalents(of("А")) == (of("A"), of("Α"))
    assert table.equivalents(of("?")) == ()


def test_every_pair_stands_on_its_own() -> None:
    a, b, c = map(of, "abc")
    table = Equivalence([Evidence(a, b, "outlines", 5, 4), Evidence(b, c, "outlines", 5, 4)])
    assert table.same(a, b)
    assert table.same(b, c)
    assert not table.same(a, c)


@given(TABLES, LABELS, LABELS)
def test_the_relation_is_symmetric_and_reflexive(table: Equivalence, first: Label, second: Label) -> None:
    assert table.same(first, first)
    assert table.same(first, second) == table.same(second, first)
    assert all(first in table.equivalents(other) for other in table.equivalents(first))
    assert first not in table.equivalents(first)


@given(TABLES)
def test_a_table_comes_back_from_json(table: Equivalence) -> None:
    assert Equivalence.from_json(table.to_json()).evidence == table.evidence


@given(TABLES, st.sets(LABELS))
def test_a_restricted_table_knows_only_what_it_was_restricted_to(
    table: Equivalence, known: set[Label]
) -> None:
    restricted = table.restricted(known)
    assert set(restricted.evidence) <= set(table.evidence)
    for first in known:
        assert set(restricted.equivalents(first)) == set(table.equivalents(first)) & known


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"pairs": 1}', '{"pairs": [1]}', '{"pairs": [{"first": "65"}]}', "null",
     '{"pairs": [{"first": "A", "second": "66", "source": "nfkc", "families": 0, "identical": 0}]}',
     '{"pairs": [{"first": 65, "second": "66", "source": "nfkc", "families": 0, "identical": 0}]}'],
)  # fmt: skip
def test_what_is_no_table_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        Equivalence.from_json(text)


def test_the_frozen_table_is_reviewed_and_reads_back() -> None:
    table = frozen_equivalence()
    assert len(table.evidence) > 900
    assert table.same(of("A"), of("\u0391"))
    assert table.same(of("\u04a2"), of("\u2c67"))  # Unicode says so; no three training families have both
    assert table.same(of("!"), of("\u01c3"))  # a line whose characters hold no quotation mark,
    assert table.same(of('"'), of("\uff02"))  # and one that does
    # Half-width arrow and circle: one placeholder in a few fonts, no look-alikes.
    assert not table.same(Label(0xFFE9), Label(0xFFEE))
    lines = to_tsv(table).rstrip("\n").split("\n")
    assert len(lines) == len(table.evidence) + 1
    assert all(line.count("\t") == 5 for line in lines)


def test_pairs_known_to_be_false_are_not_counted_again(
    small_dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glyphs.equivalence.read_list", lambda name: [["65", "913", "to try it out"]])
    table = build_equivalence(small_dataset)
    assert not table.same(of("A"), of("\u0391"))
    assert table.same(of("A"), of("\u0410"))
