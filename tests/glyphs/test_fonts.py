"""Fonts of every format, whole and broken."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from fontTools.ttLib import TTFont, newTable
from fontTools.ttLib.sfnt import SFNTReader, SFNTWriter
from fontTools.ttLib.tables._c_m_a_p import CmapSubtable
from fontTools.ttLib.tables.sbixGlyph import Glyph as Picture
from fontTools.ttLib.tables.sbixStrike import Strike
from hypothesis import given, settings
from hypothesis import strategies as st

from glyphs.errors import BadFont
from glyphs.fonts import Component, Face, FontFile, Glyph, family_key
from glyphs.shaping import labelled_glyphs

FORMATS = ["ttf", "otf", "variable", "pfb", "woff", "woff2", "ttc"]


@pytest.fixture(scope="session")
def by_format(font_dir: Path, web_fonts: dict[str, Path]) -> dict[str, bytes]:
    """The bytes of one font of every format."""
    files = web_fonts | {
        "ttf": font_dir / "naskh.ttf",
        "otf": font_dir / "mono.otf",
        "variable": font_dir / "variable.ttf",
        "pfb": font_dir / "didone.pfb",
    }
    return {name: files[name].read_bytes() for name in FORMATS}


def first_face(path: Path) -> Face:
    return next(FontFile.read(path).faces())


def glyph_of(face: Face, text: str) -> Glyph:
    glyph = face.glyph(face.characters()[ord(text)])
    assert glyph is not None
    return glyph


def drawings(face: Face) -> dict[int, tuple[bytes, object]]:
    """Code point -> outline and metrics."""
    glyphs = {codepoint: face.glyph(index) for codepoint, index in face.characters().items()}
    return {
        codepoint: (glyph.outline.to_bytes(), glyph.metrics)
        for codepoint, glyph in glyphs.items()
        if glyph is not None
    }


def use(data: bytes) -> int:
    """Do with a font's bytes all that a build or a scoring does; the number of glyphs drawn."""
    drawn = 0
    for face in FontFile(Path("given"), data, "").faces():
        for components in list(labelled_glyphs(face).values())[:60]:
            drawn += face.glyph(components) is not None
    return drawn


@pytest.mark.parametrize("suffix", ["woff", "woff2", "ttc"])
def test_every_packing_of_a_font_gives_the_same_glyphs(
    font_dir: Path, web_fonts: dict[str, Path], suffix: str
) -> None:
    plain = drawings(first_face(font_dir / "sans.ttf"))
    assert len(plain) > 200
    assert drawings(first_face(web_fonts[suffix])) == plain


def test_a_type_1_font_gives_the_glyphs_of_the_cff_font_it_was_made_from(font_dir: Path) -> None:
    cff, type1 = drawings(first_face(font_dir / "didone.otf")), drawings(first_face(font_dir / "didone.pfb"))
    assert cff.keys() <= type1.keys()
    assert {codepoint: type1[codepoint] for codepoint in cff} == cff


def test_a_collection_holds_every_member(font_dir: Path, web_fonts: dict[str, Path]) -> None:
    faces = list(FontFile.read(web_fonts["ttc"]).faces())
    assert [face.family for face in faces] == ["Glyphery Test Sans", "Glyphery Test Naskh"]
    assert drawings(faces[1]) == drawings(first_face(font_dir / "naskh.ttf"))


def test_named_instances_stand_for_a_variable_font_and_differ(font_dir: Path) -> None:
    faces = list(FontFile.read(font_dir / "variable.ttf").faces())
    assert [face.style for face in faces] == ["Light", "Regular", "Black"]
    assert {face.family for face in faces} == {"Glyphery Test Variable"}
    light, regular, black = (glyph_of(face, "H") for face in faces)
    assert len({glyph.outline.to_bytes() for glyph in (light, regular, black)}) == 3
    assert light.metrics.width < regular.metrics.width < black.metrics.width


def test_metrics_tell_where_the_ink_sits_in_em(font_dir: Path) -> None:
    face = first_face(font_dir / "sans.ttf")
    x, p, quote, underscore = (glyph_of(face, text).metrics for text in "xp'_")
    assert x.bottom == 0
    assert p.bottom < -0.2
    assert quote.bottom > 0.4
    assert underscore.bottom < 0 < underscore.height < 0.1
    assert 0.4 < x.width < x.advance < 0.7
    assert x.height == pytest.approx(0.536)


def test_placed_parts_become_one_glyph(font_dir: Path) -> None:
    face = first_face(font_dir / "sans.ttf")
    of = face.characters()
    dot, pair = glyph_of(face, "."), face.glyph((Component(of[ord(".")]), Component(of[ord(".")], 0, 400)))
    assert pair is not None
    assert len(pair.outline.contours) == 2
    assert pair.metrics.height == pytest.approx(dot.metrics.height + 0.4)
    assert (pair.metrics.width, pair.metrics.bottom) == (dot.metrics.width, dot.metrics.bottom)


def test_a_glyph_has_an_advance_with_ink_or_without(font_dir: Path) -> None:
    face = first_face(font_dir / "sans.ttf")
    of = face.characters()
    assert face.advance(of[ord("L")]) == glyph_of(face, "L").metrics.advance
    assert 0.2 < face.advance(of[ord(" ")]) < 0.4


def test_a_glyph_without_ink_is_none(font_dir: Path) -> None:
    face = first_face(font_dir / "sans.ttf")
    assert face.glyph(face.characters()[ord(" ")]) is None


@pytest.mark.parametrize("name", ["sans.ttf", "mono.otf", "variable.ttf"])
def test_pictures_beside_the_outlines_take_nothing_from_them(
    font_dir: Path, tmp_path: Path, name: str
) -> None:
    font = TTFont(font_dir / name)
    strike = Strike(ppem=64)
    strike.glyphs = {glyph: Picture(glyphName=glyph) for glyph in font.getGlyphOrder()}
    png = (Path(__file__).parents[2] / "docs" / "o.png").read_bytes()
    strike.glyphs["A"] = Picture(glyphName="A", graphicType="png ", imageData=png)
    font["sbix"] = newTable("sbix")
    font["sbix"].strikes = {64: strike}
    font.save(tmp_path / name)
    pictured, plain = (list(FontFile.read(folder / name).faces()) for folder in (tmp_path, font_dir))
    assert [drawings(face) for face in pictured] == [drawings(face) for face in plain]


def test_a_line_without_width_is_no_ink(make_font: Callable[..., Path]) -> None:
    face = first_face(make_font("lines.ttf", "Lines", {65: [[(0, 0), (500, 0), (250, 0)]]}))
    assert face.glyph(face.characters()[65]) is None


def test_a_glyph_index_beyond_the_font_is_a_bad_font(font_dir: Path) -> None:
    with pytest.raises(BadFont, match="60000"):
        first_face(font_dir / "sans.ttf").glyph(60000)
    with pytest.raises(BadFont):
        first_face(font_dir / "sans.ttf").advance(60000)


def test_a_face_knows_its_names_and_licence(font_dir: Path) -> None:
    face = first_face(font_dir / "serif.otf")
    assert (face.family, face.style, face.units_per_em) == ("Glyphery Test Serif", "Regular", 1000)
    assert "SIL Open Font License" in face.licence


def test_a_font_without_a_unicode_map_is_a_bad_font(font_dir: Path, tmp_path: Path) -> None:
    font = TTFont(font_dir / "sans.ttf")
    symbols = CmapSubtable.newSubtable(4)
    symbols.platformID, symbols.platEncID, symbols.language = 3, 0, 0
    symbols.cmap = {
        0xF000 + codepoint: name for codepoint, name in font.getBestCmap().items() if codepoint < 128
    }
    for tables, which in (([symbols], ", but one for symbols"), ([], r"\.$")):
        font["cmap"].tables = tables
        font.save(tmp_path / "symbols.ttf")
        with pytest.raises(BadFont, match=f"no Unicode character map{which}"):
            first_face(tmp_path / "symbols.ttf").characters()


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("hhea", "horizontal header (hhea) table missing."),
        ("loca", "locations (loca) table missing."),
        ("head", "unknown file format."),
    ],
)
def test_a_font_that_lacks_a_table_is_told_which(table: str, said: str, font_dir: Path) -> None:
    reader, without = SFNTReader((font_dir / "sans.ttf").open("rb")), io.BytesIO()
    tags = [tag for tag in reader.tables if tag != table]
    writer = SFNTWriter(without, len(tags), reader.sfntVersion)
    for tag in tags:
        writer[tag] = reader[tag]
    writer.close()
    with pytest.raises(BadFont, match=re.escape(f"It is no font FreeType can read: {said}")):
        next(FontFile(Path("given"), without.getvalue(), "").faces())


def test_a_map_beyond_unicode_gives_its_unicode_part_only(font_dir: Path, tmp_path: Path) -> None:
    font = TTFont(font_dir / "sans.ttf")
    beyond = CmapSubtable.newSubtable(12)
    beyond.platformID, beyond.platEncID, beyond.language = 3, 10, 0
    beyond.cmap = {65: "A", 0xD800: "A", 0x10FFFF: "A", 0x110000: "A", 0xFFFFFFF0: "A"}
    font["cmap"].tables = [beyond]
    font.save(tmp_path / "beyond.ttf")
    assert list(first_face(tmp_path / "beyond.ttf").characters()) == [65, 0x10FFFF]


@pytest.mark.parametrize(
    "data",
    [b"", b"\0", b"not a font, just words", b"\0\1\0\0", b"wOFF", b"wOF2" + bytes(44), b"ttcf" * 99, b"%!PS"],
)
def test_what_is_no_font_is_a_bad_font(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "font.ttf").write_bytes(data)
    with pytest.raises(BadFont):
        list(FontFile.read(tmp_path / "font.ttf").faces())


def test_a_file_that_cannot_be_read_is_a_bad_font(tmp_path: Path) -> None:
    with pytest.raises(BadFont, match="cannot be read"):
        FontFile.read(tmp_path / "missing.ttf")
    with pytest.raises(BadFont, match="cannot be read"):
        FontFile.read(tmp_path)


def test_a_collection_with_a_broken_member_is_a_bad_font(web_fonts: dict[str, Path], tmp_path: Path) -> None:
    data = bytearray(web_fonts["ttc"].read_bytes())
    second = int.from_bytes(data[16:20], "big")  # offset of the second member's table directory
    data[second : second + 4] = b"\xff\xff\xff\xff"
    with pytest.raises(BadFont):
        use(bytes(data))


@pytest.mark.parametrize("name", FORMATS)
@given(share=st.floats(0, 1, exclude_max=True))
@settings(max_examples=25)
def test_a_truncated_font_is_used_or_a_bad_font(by_format: dict[str, bytes], name: str, share: float) -> None:
    data = by_format[name]
    with suppress(BadFont):
        use(data[: int(len(data) * share)])


@pytest.mark.parametrize("name", FORMATS)
@given(
    changes=st.lists(
        st.tuples(st.integers(0, 511) | st.integers(512, 60_000), st.integers(0, 255)),
        min_size=1,
        max_size=12,
    )
)
@settings(max_examples=40)
def test_an_altered_font_is_used_or_a_bad_font(
    by_format: dict[str, bytes], name: str, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(by_format[name])
    for at, value in changes:
        data[at % len(data)] = value
    with suppress(BadFont):
        use(bytes(data))


@pytest.mark.parametrize("name", FORMATS)
def test_the_unaltered_font_of_every_format_is_used(by_format: dict[str, bytes], name: str) -> None:
    assert use(by_format[name]) >= 59


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Noto Sans", "Noto Sans"),
        ("Noto Sans Condensed ExtraLight", "Noto Sans"),
        ("Noto Sans Extra Condensed", "Noto Sans"),
        ("Lato-Black", "Lato"),
        ("Roboto Semi Bold Italic", "Roboto"),
        ("Kacst UI", "Kacst"),
        ("  Foo   Bar ", "Foo Bar"),
        ("Bold", "Bold"),
        ("Blackadder", "Blackadder"),
    ],
)
def test_a_family_is_named_without_its_styles(name: str, key: str) -> None:
    assert family_key(name) == key


@given(st.text(max_size=30))
def test_a_family_key_is_its_own_key(name: str) -> None:
    assert family_key(family_key(name)) == family_key(name)
