"""Labels: reading, writing, and folding of presentation forms."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glyphs.errors import BadLabel
from glyphs.labels import Form, Label, fold, forms_of

AIN, DAL, BEH = 1593, 1583, 1576
SCALARS = st.integers(0, sys.maxunicode).filter(lambda codepoint: not 0xD800 <= codepoint <= 0xDFFF)
PRESENTATION_FORMS = [*range(0xFB50, 0xFE00), *range(0xFE70, 0xFF00)]


@st.composite
def labels(draw: st.DrawFn) -> Label:
    codepoint = fold(draw(SCALARS)).codepoint
    return Label(codepoint, draw(st.sampled_from([Form.NONE, *forms_of(codepoint)])))


@pytest.mark.parametrize(
    ("form", "before", "after"),
    [
        (Form.NONE, False, False),
        (Form.ISOL, False, False),
        (Form.INIT, False, True),
        (Form.MEDI, True, True),
        (Form.FINA, True, False),
    ],
)
def test_a_form_tells_what_it_is_joined_to(form: Form, before: bool, after: bool) -> None:
    assert (form.joins_before, form.joins_after) == (before, after)
    assert form.joined == (before or after)


@given(labels())
def test_a_label_is_read_as_it_was_written(label: Label) -> None:
    assert Label.parse(str(label)) == label


def test_every_arabic_label_is_read_as_it_was_written() -> None:
    arabic = [Label(codepoint, form) for codepoint in range(0x600, 0x700) for form in forms_of(codepoint)]
    assert [Label.parse(str(label)) for label in arabic] == arabic


@pytest.mark.parametrize("text", ["65227_init", "65227", "1593_init"])
def test_a_presentation_form_is_its_letter_in_that_form(text: str) -> None:
    assert Label.parse(text) == Label(AIN, Form.INIT)
    assert str(Label.parse(text)) == "1593_init"


def test_every_presentation_form_of_one_letter_folds_into_a_letter_that_is_none() -> None:
    folded = [fold(codepoint) for codepoint in PRESENTATION_FORMS]
    changed = [label for codepoint, label in zip(PRESENTATION_FORMS, folded, strict=True) if label.form]
    assert len(changed) == 242
    assert all(fold(label.codepoint) == Label(label.codepoint) for label in changed)


def test_a_ligature_of_several_letters_stays_itself() -> None:
    lam_alef = 0xFEFB
    assert fold(lam_alef) == Label(lam_alef)


@pytest.mark.parametrize("text", ["65227_medi", "65226_init", "64336_fina"])
def test_a_form_that_contradicts_its_code_point_is_refused(text: str) -> None:
    with pytest.raises(BadLabel, match="contradicts itself"):
        Label.parse(text)


@pytest.mark.parametrize(
    "text",
    ["", " ", "A", "-1", "+65", " 65", "65 ", "٦٥", "６５", "6.5", "0x41", "1593_", "1593_none", "1593_INIT",
     "1593_init_", "1593__init", "_init", "1593-init", "1114112", "55296", "57343", "99999999999999999999"],
)  # fmt: skip
def test_what_is_no_label_is_refused(text: str) -> None:
    with pytest.raises(BadLabel):
        Label.parse(text)


@given(
    st.text(max_size=20)
    | st.from_regex(r"[0-9]{1,9}(_[a-z]{0,5})?", fullmatch=True)
    | st.builds("{}_{}".format, st.integers(), st.sampled_from(list(Form)))
)
def test_garbage_is_a_label_or_a_bad_label_and_nothing_else(text: str) -> None:
    try:
        label = Label.parse(text)
    except BadLabel:
        return
    assert Label.parse(str(label)) == label


def test_letters_take_the_forms_of_their_joining_type() -> None:
    assert forms_of(BEH) == (Form.ISOL, Form.INIT, Form.MEDI, Form.FINA)
    assert forms_of(DAL) == (Form.ISOL, Form.FINA)
    assert forms_of(ord("A")) == (Form.NONE,)


def test_a_joining_letter_contrasts_with_its_group_and_others_with_their_class() -> None:
    assert Label(BEH, Form.MEDI).contrastive_group == "beh"
    assert Label(ord("A")).contrastive_group == "cc_latn_uppercase"


def test_only_forms_of_arabic_letters_are_positional() -> None:
    assert Label(BEH, Form.ISOL).positional
    assert not Label(BEH).positional
    assert not Label(0xA840, Form.INIT).positional  # Phags-pa joins, too


def test_labels_sort_by_code_point_and_are_values() -> None:
    assert sorted([Label(BEH, Form.MEDI), Label(66), Label(BEH)]) == [
        Label(66), Label(BEH), Label(BEH, Form.MEDI),
    ]  # fmt: skip
    assert len({Label(66), Label.parse("66"), Label(66, Form.NONE)}) == 1


def test_a_description_tells_what_a_person_would_ask() -> None:
    assert Label(AIN, Form.INIT).describe() == {
        "label": "1593_init",
        "codepoint": "U+0639",
        "character": "ع",
        "form": "init",
        "name": "ARABIC LETTER AIN",
        "script": "Arab",
    }
    assert Label(65).describe()["form"] is None
