from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from fontTools.ttLib import TTCollection, TTFont

from glyphs.errors import BadFont
from glyphs.fonts import FontFile
from glyphs.labels import Label
from scoring.reader import ReadFace, TooManyGlyphs, read_faces
from tests.conftest import FontMaker


def _read(path: Path) -> list[ReadFace]:
    return list(read_faces(FontFile.read(path), 10_000))


def _edited(path: Path, edit: Callable[[TTFont], None]) -> FontFile:
    font = TTFont(path)
    edit(font)
    out = io.BytesIO()
    font.save(out)
    return FontFile(path, out.getvalue(), "")


def test_every_mapped_character_and_every_joining_form_is_claimed(font_dir: Path) -> None:
    [face] = _read(font_dir / "naskh.ttf")
    mapped = set(TTFont(font_dir / "naskh.ttf").getBestCmap())
    assert {claim.codepoint for claim in face.claims} == mapped
    labels = {str(claim.label) for claim in face.claims if claim.codepoint == 0x0639}
    assert labels == {"1593_isol", "1593_init", "1593_medi", "1593_fina"}
    assert [str(claim.label) for claim in face.claims if claim.codepoint == 0x0627] == [
        "1575_isol",
        "1575_fina",
    ]


def test_a_presentation_form_claims_its_letter_in_its_form(font_dir: Path) -> None:
    [face] = _read(font_dir / "naskh.ttf")
    [claim] = [claim for claim in face.claims if claim.codepoint == 0xFECB]
    assert str(claim.label) == "1593_init"
    shaped = next(c for c in face.claims if c.codepoint == 0x0639 and c.label == claim.label)
    assert face.drawings[claim.drawing].glyph is not None
    assert face.drawings[shaped.drawing].glyph is not None


def test_a_form_that_shaping_draws_as_the_isolated_letter_is_absent(font_dir: Path) -> None:
    def forget(font: TTFont) -> None:
        del font["GSUB"]

    [face] = read_faces(_edited(font_dir / "arabic.ttf", forget), 10_000)
    joined = [claim for claim in face.claims if claim.label.form in ("init", "medi", "fina")]
    assert joined
    assert all(claim.absent for claim in joined)
    [whole] = _read(font_dir / "arabic.ttf")
    assert not any(c.absent for c in whole.claims if c.label.codepoint in range(0x0628, 0x063A))


def test_what_draws_nothing_or_the_missing_glyph_is_said(make_font: FontMaker) -> None:
    square = [(0, 0), (0, 500), (500, 500), (500, 0)]
    path = make_font("f.ttf", "Marks", {0x20: [], 0x41: [square], 0x42: []})

    def box(font: TTFont) -> None:
        font["glyf"][".notdef"] = font["glyf"]["u00041"]

    [face] = read_faces(_edited(path, box), 100)
    drawn = {claim.codepoint: face.drawings[claim.drawing] for claim in face.claims}
    assert drawn[0x20].glyph is None
    assert drawn[0x42].glyph is None
    assert drawn[0x41].notdef
    [plain] = _read(path)
    assert not any(drawing.notdef for drawing in plain.drawings)


def test_a_glyph_of_two_characters_is_drawn_once(make_font: FontMaker) -> None:
    path = make_font("f.ttf", "Shared", {0x41: [[(0, 0), (0, 500), (500, 0)]]})

    def share(font: TTFont) -> None:
        for table in font["cmap"].tables:
            table.cmap[0x391] = table.cmap[0x41]

    [face] = read_faces(_edited(path, share), 100)
    assert [claim.label for claim in face.claims] == [Label(0x41), Label(0x391)]
    assert len(face.drawings) == 1
    assert face.drawings[0].name == "u00041"


def test_every_instance_of_a_variable_font_is_a_face(font_dir: Path) -> None:
    faces = _read(font_dir / "variable.ttf")
    assert [face.style for face in faces] == ["Light", "Regular", "Black"]
    first, _, last = (face.drawings[face.claims[40].drawing].glyph for face in faces)
    assert first is not None
    assert last is not None
    assert first.outline.to_bytes() != last.outline.to_bytes()


def test_a_face_of_a_collection_that_cannot_be_read_is_not_passed_over(
    font_dir: Path, tmp_path: Path
) -> None:
    collection = TTCollection()
    collection.fonts = [TTFont(font_dir / name) for name in ("sans.ttf", "naskh.ttf")]
    for table in collection.fonts[1]["cmap"].tables:
        table.cmap = {}
    collection.save(tmp_path / "both.ttc")
    with pytest.raises(BadFont, match="Its face 1: "):
        _read(tmp_path / "both.ttc")


def test_more_glyphs_than_may_be_are_refused(font_dir: Path) -> None:
    with pytest.raises(TooManyGlyphs, match="limit"):
        list(read_faces(FontFile.read(font_dir / "sans.ttf"), 20))


def test_a_file_that_is_no_font_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f.ttf").write_bytes(b"no font")
    with pytest.raises(BadFont):
        _read(tmp_path / "f.ttf")
