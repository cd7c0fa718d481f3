from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from fontTools.ttLib import TTFont

from glyphs.errors import BadFont
from glyphs.labels import Label
from recognition.candidates import Candidates
from recognition.priors import Prior
from recognition.recogniser import Recogniser
from scoring.identify import IdentifiedFace, IdentifiedGlyph, identify
from scoring.sandbox import Limits, Sandbox
from tests.conftest import FontMaker
from tests.scoring.conftest import edited, emptied, in_layers


@pytest.fixture(scope="module")
def sandbox(recogniser: Recogniser) -> Iterator[Sandbox]:
    bundle = recogniser.bundle
    with closing(Sandbox()) as made:
        yield made.draw_for(None, bundle.manifest.raster)


def _identified(recogniser: Recogniser, sandbox: Sandbox, data: bytes, k: int = 3) -> list[IdentifiedFace]:
    bundle = recogniser.bundle
    return list(identify(sandbox.read(data), recogniser.answer, Candidates(bundle), k))


def _unmapped(font: TTFont) -> None:
    """Without a character map or names of glyphs, as documents embed fonts."""
    del font["cmap"]
    font["post"].formatType = 3.0


def _text(glyph: IdentifiedGlyph) -> str:
    return glyph.recognition.predictions[0].label.character.text if glyph.recognition else ""


def test_a_font_without_a_character_map_is_read(
    recogniser: Recogniser, sandbox: Sandbox, font_dir: Path
) -> None:
    mapped = {index: chr(c) for c, index in _indices(font_dir / "sans.ttf").items()}
    [face] = _identified(recogniser, sandbox, edited(font_dir / "sans.ttf", _unmapped))
    assert [glyph.index for glyph in face.glyphs] == list(range(len(face.glyphs)))
    assert not any(glyph.mapped for glyph in face.glyphs)
    letters = [glyph for glyph in face.glyphs if mapped.get(glyph.index, "").isalnum()]
    same = recogniser.bundle.equivalence.same
    right = [
        same(glyph.recognition.predictions[0].label, Label(ord(mapped[glyph.index])))
        for glyph in letters
        if glyph.recognition is not None
    ]
    assert len(letters) > 60
    assert sum(right) > 0.9 * len(letters)


def test_what_a_font_says_is_told_beside_what_it_shows(
    recogniser: Recogniser, sandbox: Sandbox, font_dir: Path
) -> None:
    def scrambled(font: TTFont) -> None:  # each digit is mapped to the next one's glyph
        mapped = font.getBestCmap()
        turned = {code: mapped[0x30 + (code + 1 - 0x30) % 10] for code in range(0x30, 0x3A)}
        for table in font["cmap"].tables:
            table.cmap = table.cmap | turned

    [face] = _identified(recogniser, sandbox, edited(font_dir / "mono.otf", scrambled))
    told = {chr(glyph.mapped[0]): _text(glyph) for glyph in face.glyphs if glyph.mapped}
    assert "".join(told[digit] for digit in "0123456789") == "1234567890"


def test_joining_forms_are_told(recogniser: Recogniser, sandbox: Sandbox, font_dir: Path) -> None:
    [face] = _identified(recogniser, sandbox, (font_dir / "naskh.ttf").read_bytes())
    labels = {
        str(glyph.recognition.predictions[0].label) for glyph in face.glyphs if glyph.recognition is not None
    }
    assert {"1576_init", "1576_medi", "1576_fina", "1593_init"} <= labels


def test_what_cannot_be_seen_says_why(recogniser: Recogniser, sandbox: Sandbox, font_dir: Path) -> None:
    [face] = _identified(recogniser, sandbox, edited(font_dir / "sans.ttf", emptied("A")))
    by_character = {chr(c): glyph for glyph in face.glyphs for c in glyph.mapped}
    assert by_character["A"].reason == by_character[" "].reason == "It has no ink."
    assert by_character["A"].to_dict()["predictions"] == []
    assert by_character["A"].to_dict()["known"] is None
    assert face.glyphs[0].reason == "It is the font's box for missing glyphs."
    assert by_character["B"].reason == ""


def test_what_is_drawn_in_colour_alone_says_so(
    recogniser: Recogniser, sandbox: Sandbox, font_dir: Path
) -> None:
    [face] = _identified(recogniser, sandbox, edited(font_dir / "sans.ttf", in_layers))
    mapped = [glyph for glyph in face.glyphs if glyph.mapped]
    assert len(mapped) > 100
    assert {glyph.reason for glyph in mapped} == {"It is drawn in colour, which is not looked at."}


def test_the_advance_of_every_glyph_is_told_with_ink_or_without(
    recogniser: Recogniser, sandbox: Sandbox, font_dir: Path
) -> None:
    def narrowed(font: TTFont) -> None:  # its space is as wide as a zero-width joiner
        font["hmtx"][font.getBestCmap()[0x20]] = 0, 0

    data = edited(font_dir / "sans.ttf", emptied("A"), narrowed)
    [face] = _identified(recogniser, sandbox, data)
    font = TTFont(io.BytesIO(data))
    widths = [font["hmtx"][name][0] / font["head"].unitsPerEm for name in font.getGlyphOrder()]
    assert [glyph.advance for glyph in face.glyphs] == widths
    without = {chr(code): glyph for glyph in face.glyphs if not glyph.recognition for code in glyph.mapped}
    assert without["A"].advance
    assert without[" "].advance == 0


def test_a_glyph_that_cannot_be_loaded_has_no_advance(
    recogniser: Recogniser, sandbox: Sandbox, font_dir: Path
) -> None:
    font, data = TTFont(font_dir / "sans.ttf"), bytearray((font_dir / "sans.ttf").read_bytes())
    place = font.getGlyphID(font.getBestCmap()[0x41])
    start = font.reader.tables["glyf"].offset + font["loca"][place]
    data[start : start + 2] = b"\x7f\xff"  # contours, of which it has not so many
    [face] = _identified(recogniser, sandbox, bytes(data))
    assert "cannot be loaded" in face.glyphs[place].reason
    assert face.glyphs[place].advance is None


def test_instances_of_a_variable_font_are_read_once_and_members_of_a_collection_each(
    recogniser: Recogniser, sandbox: Sandbox, font_dir: Path, web_fonts: dict[str, Path]
) -> None:
    assert len(_identified(recogniser, sandbox, (font_dir / "variable.ttf").read_bytes())) == 1
    faces = _identified(recogniser, sandbox, web_fonts["ttc"].read_bytes())
    assert [face.face for face in faces] == [0, 1]


@pytest.mark.parametrize("packed", ["woff", "woff2"])
def test_a_web_font_is_read_as_what_it_packs(
    recogniser: Recogniser, sandbox: Sandbox, font_dir: Path, web_fonts: dict[str, Path], packed: str
) -> None:
    plain = _identified(recogniser, sandbox, (font_dir / "sans.ttf").read_bytes())
    assert _identified(recogniser, sandbox, web_fonts[packed].read_bytes()) == plain


def test_a_font_of_type_1_is_read(recogniser: Recogniser, sandbox: Sandbox, font_dir: Path) -> None:
    [face] = _identified(recogniser, sandbox, (font_dir / "didone.pfb").read_bytes())
    assert sum(_text(glyph) == glyph.name for glyph in face.glyphs) > 20  # glyphs are called a, b, c


def test_what_is_no_font_or_too_large_is_refused(
    recogniser: Recogniser, sandbox: Sandbox, font_dir: Path
) -> None:
    with pytest.raises(BadFont):
        _identified(recogniser, sandbox, b"no font")
    bundle = recogniser.bundle
    with closing(Sandbox(Limits(max_glyphs=20))) as narrow:
        narrow.draw_for(None, bundle.manifest.raster)
        with pytest.raises(BadFont, match="more glyphs"):
            _identified(recogniser, narrow, (font_dir / "sans.ttf").read_bytes())


def test_a_font_that_draws_nothing_is_read(
    recogniser: Recogniser, sandbox: Sandbox, make_font: FontMaker
) -> None:
    font = make_font("blank.ttf", "Blank", {0x41: [[(0, 0), (900, 0), (0, 0)]]})
    [face] = _identified(recogniser, sandbox, font.read_bytes())
    assert [glyph.recognition for glyph in face.glyphs if glyph.mapped] == [None]


def test_the_prior_and_candidates_are_the_caller_s(
    recogniser: Recogniser, sandbox: Sandbox, font_dir: Path
) -> None:
    bundle, data = recogniser.bundle, (font_dir / "mono.otf").read_bytes()
    only = Candidates(bundle, prior=Prior.TEXT, charset="0123456789")
    [face] = identify(sandbox.read(data), recogniser.answer, only, 1)
    told = {chr(glyph.mapped[0]): _text(glyph) for glyph in face.glyphs if glyph.mapped}
    assert "".join(told[digit] for digit in "0123456789") == "0123456789"
    assert set(told.values()) <= set("0123456789") | {""}


def _indices(font: Path) -> dict[int, int]:
    opened = TTFont(font)
    return {code: opened.getGlyphID(name) for code, name in opened.getBestCmap().items()}
