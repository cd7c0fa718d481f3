from __future__ import annotations

from pathlib import Path

import numpy as np
import pikepdf
import pytest
from pikepdf import Dictionary, Name

from documents.contents import DocumentFont
from documents.fonts import draw_fonts
from documents.text import read_text
from glyphs.fonts import FontFile
from glyphs.raster import RasterSettings, draw
from glyphs.to_unicode import cmap
from tests.documents.printing import KINDS, silent_pdf

TEXT = "Sphinx; quartz, (judge) my vow."
SETTINGS = RasterSettings(64, 56)


def _fonts(path: Path) -> list[DocumentFont]:
    text = read_text(path.read_bytes())
    with pikepdf.open(path) as document:
        return draw_fonts(document, text.advances_by_font(), SETTINGS)


@pytest.mark.parametrize("kind", KINDS)
def test_codes_draw_what_the_font_does(kind: str, font_dir: Path, tmp_path: Path) -> None:
    path = font_dir / ("serif.otf" if "CFF" in kind else "sans.ttf")
    [font] = _fonts(silent_pdf(tmp_path / "a.pdf", kind, path, [TEXT]))
    assert font.obstacle == ""
    assert [code.spoken for code in font.codes] == [""] * len(set(TEXT))
    [face] = FontFile.read(path).faces()
    mapped = face.characters()
    expected = [face.glyph(mapped[ord(one)]) for one in sorted(set(TEXT))]
    if "indices" in kind:  # in whose order codes are
        expected = [face.glyph(code.code) for code in font.codes]
    for code, glyph in zip(font.codes, expected, strict=True):
        if glyph is None:
            assert code.raster is None
            assert code.metrics.advance >= 0.2
            continue
        assert code.raster is not None
        difference = np.abs(code.raster.astype(int) - draw(glyph.outline, SETTINGS))
        assert difference.mean() < 2  # of 255
        for field in ("width", "height", "bottom", "advance"):
            assert getattr(code.metrics, field) == pytest.approx(getattr(glyph.metrics, field), abs=0.004)


def test_codes_that_are_set_from_top_to_bottom_are_drawn_on_a_line(font_dir: Path, tmp_path: Path) -> None:
    path = silent_pdf(tmp_path / "a.pdf", "CFF by glyph indices", font_dir / "serif.otf", [TEXT])
    [across] = _fonts(path)
    with pikepdf.open(path, allow_overwriting_input=True) as document:
        document.pages[0].Resources.Font.F.Encoding = Name("/Identity-V")
        document.save()
    [down] = _fonts(path)
    for one, other in zip(across.codes, down.codes, strict=True):
        assert one.metrics == other.metrics
        assert np.array_equal(one.raster, other.raster) if one.raster is not None else other.raster is None


def test_small_marks_are_as_sharp_as_letters(font_dir: Path, tmp_path: Path) -> None:
    [font] = _fonts(silent_pdf(tmp_path / "a.pdf", "TrueType by bytes", font_dir / "sans.ttf", ["."]))
    [dot] = font.codes
    assert dot.raster is not None
    grey = (dot.raster > 16) & (dot.raster < 239)
    assert grey.sum() < 0.15 * (dot.raster > 16).sum()


def test_what_a_map_says_is_told(font_dir: Path, tmp_path: Path) -> None:
    path = silent_pdf(tmp_path / "a.pdf", "CFF by glyph indices", font_dir / "serif.otf", ["ab c"])
    codes = [code.code for code in _fonts(path)[0].codes]
    with pikepdf.open(path, allow_overwriting_input=True) as document:
        font = document.pages[0].Resources.Font.F
        font.ToUnicode = document.make_stream(cmap([(codes[1], "X"), (codes[2], "ffi")]).encode())
        document.save()
    assert [code.spoken for code in _fonts(path)[0].codes] == ["", "X", "ffi", ""]


def test_fonts_that_are_not_looked_at_say_why(font_dir: Path, tmp_path: Path) -> None:
    path = silent_pdf(tmp_path / "a.pdf", "TrueType by glyph indices", font_dir / "sans.ttf", ["ab"])
    with pikepdf.open(path, allow_overwriting_input=True) as document:
        fonts = document.pages[0].Resources.Font
        fonts.H = document.make_indirect(
            Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica)
        )
        fonts.G = document.make_indirect(Dictionary(fonts.F))
        fonts.G.Encoding = Name("/UniGB-UCS2-H")
        fonts.B = document.make_indirect(Dictionary(fonts.F))
        fonts.B.DescendantFonts = 5
        text = b" BT /H 9 Tf (a) Tj /G 9 Tf <00410042> Tj ET"
        document.pages[0].contents_add(text)
        document.save()
    obstacles = sorted(font.obstacle for font in _fonts(path))
    assert obstacles == ["", "It is not embedded.", "Its codes are of a character set."]


def test_a_procedure_of_any_size_is_a_glyph(font_dir: Path, tmp_path: Path) -> None:
    path = silent_pdf(tmp_path / "a.pdf", "Type 3", font_dir / "sans.ttf", [TEXT])
    [usual] = _fonts(path)
    with pikepdf.open(path, allow_overwriting_input=True) as document:
        font = document.pages[0].Resources.Font.F
        font.FontMatrix = [float(one) * 12 for one in font.FontMatrix]
        document.save()
    [large] = _fonts(path)
    for one, other in zip(usual.codes, large.codes, strict=True):
        if one.raster is not None:
            assert other.raster is not None
            assert np.abs(one.raster.astype(int) - other.raster).mean() < 2
