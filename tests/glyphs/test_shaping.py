"""Joining forms, as real fonts shape them."""

from __future__ import annotations

from pathlib import Path

import pytest
from fontTools.ttLib import TTFont

from glyphs.fonts import Face, FontFile
from glyphs.labels import Form, Label
from glyphs.shaping import Shaper, labelled_glyphs

ARABIC_FONTS = ["naskh.ttf", "arabic.ttf", "kufi.otf", "maghribi.ttf"]
FORMS = (Form.ISOL, Form.INIT, Form.MEDI, Form.FINA)
BEH, DAL, ALEF, AIN, ZWJ = 0x628, 0x62F, 0x627, 0x639, 0x200D
PRESENTATION_FORMS = range(0xFE70, 0xFF00)


def first_face(path: Path) -> Face:
    return next(FontFile.read(path).faces())


def unshaped(font_dir: Path, path: Path, *, presentation_forms: bool) -> Face:
    """naskh.ttf without its shaping rules, with or without its presentation-form code points."""
    font = TTFont(font_dir / "naskh.ttf")
    del font["GSUB"]
    for table in font["cmap"].tables:
        for codepoint in PRESENTATION_FORMS if not presentation_forms else ():
            table.cmap.pop(codepoint, None)
    font.save(path)
    return first_face(path)


def outlines(face: Face, codepoint: int) -> dict[Form, bytes]:
    found = {}
    for label, components in labelled_glyphs(face).items():
        if label.codepoint == codepoint:
            glyph = face.glyph(components)
            assert glyph is not None
            found[label.form] = glyph.outline.to_bytes()
    return found


@pytest.mark.parametrize("file", ARABIC_FONTS)
@pytest.mark.parametrize("letter", [BEH, AIN])
def test_a_dual_joining_letter_has_four_forms_that_differ(font_dir: Path, file: str, letter: int) -> None:
    forms = outlines(first_face(font_dir / file), letter)
    assert tuple(forms) == tuple(sorted(FORMS))
    assert len(set(forms.values())) == 4


@pytest.mark.parametrize("file", ARABIC_FONTS)
@pytest.mark.parametrize("letter", [DAL, ALEF])
def test_a_right_joining_letter_has_two_forms_that_differ(font_dir: Path, file: str, letter: int) -> None:
    forms = outlines(first_face(font_dir / file), letter)
    assert set(forms) == {Form.ISOL, Form.FINA}
    assert forms[Form.ISOL] != forms[Form.FINA]


@pytest.mark.parametrize("file", ["naskh.ttf", "arabic.ttf", "maghribi.ttf"])
@pytest.mark.parametrize("form", FORMS)
def test_the_joiner_leaves_no_glyph_behind(font_dir: Path, file: str, form: Form) -> None:
    face = first_face(font_dir / file)
    joiner = face.characters()[ZWJ]
    components = Shaper(face).shape(DAL if form in (Form.ISOL, Form.FINA) else BEH, form)
    assert joiner not in {component.glyph_index for component in components}
    assert sum(face.glyph(component.glyph_index) is not None for component in components) == len(components)


def test_letters_that_join_left_to_right_take_their_own_forms(font_dir: Path) -> None:
    font = TTFont(font_dir / "phagspa.ttf")
    letter, name, rules = 0xA840, font.getBestCmap()[0xA840], font["GSUB"].table
    expected = {
        record.FeatureTag: rules.LookupList.Lookup[record.Feature.LookupListIndex[0]]
        .SubTable[0]
        .mapping[name]
        for record in rules.FeatureList.FeatureRecord
    }
    shaper = Shaper(first_face(font_dir / "phagspa.ttf"))
    shaped = {
        form: [font.getGlyphName(part.glyph_index) for part in shaper.shape(letter, form)] for form in FORMS
    }
    assert len(set(expected.values())) == 3
    assert shaped == {Form.ISOL: [name]} | {Form(tag): [glyph] for tag, glyph in expected.items()}


def test_a_font_without_joining_rules_gives_no_joined_forms(font_dir: Path, tmp_path: Path) -> None:
    face = unshaped(font_dir, tmp_path / "plain.ttf", presentation_forms=False)
    forms = {label.form for label in labelled_glyphs(face)}
    assert forms == {Form.NONE, Form.ISOL}


def test_presentation_forms_stand_in_where_a_font_has_no_joining_rules(
    font_dir: Path, tmp_path: Path
) -> None:
    face = unshaped(font_dir, tmp_path / "coded.ttf", presentation_forms=True)
    labelled = labelled_glyphs(face)
    assert {label.form for label in labelled if label.codepoint == BEH} == set(FORMS)
    assert {label.form for label in labelled if label.codepoint == DAL} == {Form.ISOL}
    coded = face.glyph(face.characters()[0xFECB])
    shaped = face.glyph(labelled[Label(AIN, Form.INIT)])
    assert coded is not None
    assert shaped is not None
    assert coded.outline.to_bytes() == shaped.outline.to_bytes()


def test_no_label_is_a_presentation_form_of_one_letter(font_dir: Path) -> None:
    labelled = labelled_glyphs(first_face(font_dir / "naskh.ttf"))
    assert {label.codepoint for label in labelled if label.codepoint in PRESENTATION_FORMS} == {0xFEFB}


def test_a_latin_font_gives_labels_without_forms(font_dir: Path) -> None:
    labelled = labelled_glyphs(first_face(font_dir / "sans.ttf"))
    assert {label.form for label in labelled} == {Form.NONE}
    assert Label(ord("A")) in labelled


def test_a_font_that_cannot_be_shaped_still_gives_its_characters(font_dir: Path) -> None:
    face = first_face(font_dir / "didone.pfb")
    assert Shaper(face).shape(BEH, Form.INIT) == ()
    assert Label(ord("A")) in labelled_glyphs(face)


@pytest.mark.parametrize("suffix", ["woff", "woff2"])
def test_web_fonts_shape_like_the_font_they_were_made_from(
    font_dir: Path, tmp_path: Path, suffix: str
) -> None:
    font = TTFont(font_dir / "naskh.ttf")
    font.flavor = suffix
    font.save(tmp_path / f"naskh.{suffix}")
    assert labelled_glyphs(first_face(tmp_path / f"naskh.{suffix}")) == labelled_glyphs(
        first_face(font_dir / "naskh.ttf")
    )


def test_labels_come_in_order(font_dir: Path) -> None:
    labels = list(labelled_glyphs(first_face(font_dir / "naskh.ttf")))
    assert labels == sorted(labels)
