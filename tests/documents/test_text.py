from __future__ import annotations

from pathlib import Path

import pikepdf
import pytest
from fontTools.ttLib import TTFont
from fontTools.ttLib.tables._c_m_a_p import CmapSubtable
from pikepdf import Name

from documents.contents import Text
from documents.text import read_map, read_text
from tests.documents.printing import silent_pdf

LINES = ["to be or", "not to"]


def _read(path: Path) -> Text:
    return read_text(path.read_bytes())


@pytest.mark.parametrize("kind", ["TrueType by glyph indices", "Type 3"])
def test_words_are_parted_by_spaces_and_by_gaps(kind: str, font_dir: Path, tmp_path: Path) -> None:
    gaps = _read(silent_pdf(tmp_path / "a.pdf", kind, font_dir / "sans.ttf", LINES, spaces=False))
    assert (gaps.pages, gaps.unread) == (1, 0)
    assert sorted(map(len, gaps.words.elements())) == [2, 2, 2, 2, 3]
    assert max(gaps.words.values()) == 2  # to
    [codes] = gaps.advances_by_font().values()
    assert len(codes) == len(set("tobeornotto"))


def test_a_space_is_a_code_like_any_other(font_dir: Path, tmp_path: Path) -> None:
    path = silent_pdf(tmp_path / "a.pdf", "TrueType by bytes", font_dir / "sans.ttf", LINES)
    text = _read(path)
    assert sorted(map(len, text.words)) == [6, 8]  # lines
    [(font, codes)] = text.advances_by_font().items()
    assert list(codes) == sorted(codes)
    assert sum(word.count((font, 33)) for word in text.words) == 3
    assert 0.2 < codes[33] < 0.4  # em


def test_what_is_set_from_top_to_bottom_has_words_and_is_as_wide(font_dir: Path, tmp_path: Path) -> None:
    path = silent_pdf(tmp_path / "a.pdf", "TrueType by glyph indices", font_dir / "sans.ttf", LINES)
    across = _read(path)
    with pikepdf.open(path, allow_overwriting_input=True) as document:
        document.pages[0].Resources.Font.F.Encoding = Name("/Identity-V")
        document.save()
    assert _read(path) == across


def test_a_font_that_knows_variants_of_characters_is_read(font_dir: Path, tmp_path: Path) -> None:
    """Its map has a table (of format 14) that pdfminer cannot read."""
    font = TTFont(font_dir / "sans.ttf")
    variants = CmapSubtable.newSubtable(14)
    variants.platformID, variants.platEncID, variants.language, variants.cmap = 0, 5, 0, {}
    variants.uvsDict = {0xFE00: [(0x61, None)]}
    font["cmap"].tables.append(variants)
    font.save(tmp_path / "variants.ttf")
    text = _read(
        silent_pdf(tmp_path / "a.pdf", "TrueType by glyph indices", tmp_path / "variants.ttf", LINES)
    )
    assert (text.unread, len(text.words)) == (0, 2)


def test_a_map_that_has_no_end_is_read_as_far_as_there_are_codes() -> None:
    said = b"1 beginbfchar <0007> <0061> endbfchar 1 beginbfrange <00000008> <FFFFFFFF> <0000> endbfrange"
    found = read_map(said)
    assert found[7] == "a"
    assert len(found) <= 1 << 16
