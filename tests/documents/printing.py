"""PDFs as programs make them, of each kind of font, whose text can be seen but not copied.

`python -m tests.documents.printing` writes `tests/data/silent.pdf`, which the README repairs.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import pikepdf
from fontTools.pens.basePen import BasePen
from fontTools.ttLib import TTFont, newTable
from fontTools.ttLib.tables._c_m_a_p import CmapSubtable
from pikepdf import Array, Dictionary, Name

SHOWN = (
    "Sphinx of black quartz, judge my vow: 10 or 100?",
    "Съешь этих мягких французских булок, да выпей чаю.",
)
SIZE = 12
_FIRST = 33  # code of simple fonts


def silent_pdf(path: Path, kind: str, font: Path, lines: Sequence[str], *, spaces: bool = True) -> Path:
    """Write a document of a page with these lines.

    kind: one of KINDS
    spaces: whether words are parted by a glyph, or only by where they are put
    """
    document = pikepdf.new()
    page = document.add_blank_page(page_size=(600, 20 + 20 * len(lines)))
    opened = TTFont(font)
    characters = sorted(set("".join(lines)))
    space = _width(opened, " ")
    made, codes, digits = KINDS[kind](document, opened, characters)
    page.Resources = Dictionary(Font=Dictionary(F=document.make_indirect(made)))
    text = [f"BT /F {SIZE} Tf 20 TL 10 {20 * len(lines)} Td"]
    for line in lines:
        if spaces:
            text.append(f"<{_hex([codes[one] for one in line], digits)}> Tj T*")
        else:
            words = [[codes[one] for one in word] for word in line.split(" ")]
            text.append(f"[{f' {-space:.0f} '.join(f'<{_hex(word, digits)}>' for word in words)}] TJ T*")
    page.Contents = document.make_stream("\n".join([*text, "ET"]).encode())
    document.save(path, deterministic_id=True)
    return path


def sign(document: pikepdf.Pdf) -> None:
    """Say that it is signed."""
    value = Dictionary(Type=Name.Sig, Filter=Name("/Adobe.PPKLite"), ByteRange=[0, 1, 2, 3], Contents=b"0")
    field = Dictionary(FT=Name.Sig, T="Signature", V=document.make_indirect(value))
    document.Root.AcroForm = Dictionary(SigFlags=3, Fields=[document.make_indirect(field)])


def _hex(codes: Sequence[int], digits: int) -> str:
    return "".join(f"{code:0{digits}X}" for code in codes)


Made = tuple[Dictionary, dict[str, int], int]  # a font, codes of characters, hexadecimal digits of a code


def _of_indices(document: pikepdf.Pdf, font: TTFont, characters: Sequence[str]) -> Made:
    """Glyph indices of a TrueType font, as browsers and office programs print."""
    file = io.BytesIO()
    font.save(file)
    return _type0(
        document, font, characters, "CIDFontType2", {"FontFile2": document.make_stream(file.getvalue())}
    )


def _of_bare_cff(document: pikepdf.Pdf, font: TTFont, characters: Sequence[str]) -> Made:
    """Glyph indices of a CFF font."""
    file = document.make_stream(font.reader["CFF "], Subtype=Name.CIDFontType0C)
    return _type0(document, font, characters, "CIDFontType0", {"FontFile3": file})


def _type0(
    document: pikepdf.Pdf, font: TTFont, characters: Sequence[str], kind: str, file: dict[str, pikepdf.Object]
) -> Made:
    names = font.getBestCmap()
    codes = {one: font.getGlyphID(names[ord(one)]) for one in characters}
    widths = Array([part for one in characters for part in (codes[one], [_width(font, one)])])
    descendant = Dictionary(
        Type=Name.Font, Subtype=Name("/" + kind), BaseFont=Name("/ABCDEF+Test"), DW=500, W=widths,
        CIDSystemInfo=Dictionary(Registry="Adobe", Ordering="Identity", Supplement=0),
        FontDescriptor=_descriptor(document, file),
    )  # fmt: skip
    made = Dictionary(
        Type=Name.Font, Subtype=Name.Type0, BaseFont=Name("/ABCDEF+Test"), Encoding=Name("/Identity-H"),
        DescendantFonts=Array([document.make_indirect(descendant)]),
    )  # fmt: skip
    return made, codes, 4


def _truetype(document: pikepdf.Pdf, font: TTFont, characters: Sequence[str]) -> Made:
    """Bytes that a symbolic font maps to glyphs by a map of its own."""
    names = font.getBestCmap()
    codes = {one: place for place, one in enumerate(characters, _FIRST)}
    table, part = newTable("cmap"), CmapSubtable.newSubtable(4)
    part.platformID, part.platEncID, part.language = 3, 0, 0
    part.cmap = {0xF000 + code: names[ord(one)] for one, code in codes.items()}
    table.tableVersion, table.tables = 0, [part]
    font["cmap"] = table
    font["post"].formatType = 3.0
    file = io.BytesIO()
    font.save(file)
    made = _simple(document, font, names, codes, {"FontFile2": document.make_stream(file.getvalue())})
    made.Subtype = Name.TrueType
    return made, codes, 2


def _type1c(document: pikepdf.Pdf, font: TTFont, characters: Sequence[str]) -> Made:
    """Bytes that the document names glyphs by, whose names say nothing."""
    names = font.getBestCmap()
    cff = font["CFF "].cff
    top = cff.topDictIndex[0]
    called = {names[ord(one)]: f"q{place}" for place, one in enumerate(characters)}
    top.CharStrings.charStrings = {
        called.get(name, name): place for name, place in top.CharStrings.charStrings.items()
    }
    top.charset = [called.get(name, name) for name in top.charset]
    file = io.BytesIO()
    cff.compile(file, font)
    codes = {one: place for place, one in enumerate(characters, _FIRST)}
    made = _simple(
        document,
        font,
        names,
        codes,
        {"FontFile3": document.make_stream(file.getvalue(), Subtype=Name.Type1C)},
    )
    made.Encoding = Dictionary(
        Type=Name.Encoding, Differences=Array([_FIRST, *(Name(f"/q{place}") for place in range(len(codes)))])
    )
    return made, codes, 2


def _type3(document: pikepdf.Pdf, font: TTFont, characters: Sequence[str]) -> Made:
    """Bytes that name procedures that draw."""
    names, em, glyphs = font.getBestCmap(), font["head"].unitsPerEm, font.getGlyphSet()
    codes = {one: place for place, one in enumerate(characters, _FIRST)}
    procedures = Dictionary()
    for place, one in enumerate(characters):
        pen = _Drawing(glyphs)
        glyphs[names[ord(one)]].draw(pen)
        width = font["hmtx"][names[ord(one)]][0]
        program = f"{width} 0 {-em} {-em} {2 * em} {2 * em} d1 {' '.join(pen.done)} f"
        procedures[f"/q{place}"] = document.make_stream(program.encode())
    made = Dictionary(
        Type=Name.Font, Subtype=Name.Type3, FontBBox=[0, 0, 0, 0], FontMatrix=[1 / em, 0, 0, 1 / em, 0, 0],
        CharProcs=procedures, Resources=Dictionary(), FirstChar=_FIRST, LastChar=_FIRST + len(codes) - 1,
        Widths=[font["hmtx"][names[ord(one)]][0] for one in characters],
        Encoding=Dictionary(
            Type=Name.Encoding, Differences=[_FIRST, *(Name(f"/q{place}") for place in range(len(codes)))]
        ),
    )  # fmt: skip
    return made, codes, 2


class _Drawing(BasePen):
    """Paths as PDF has them."""

    def __init__(self, glyphs: object) -> None:
        super().__init__(glyphs)
        self.done: list[str] = []

    def _moveTo(self, pt: tuple[float, float]) -> None:
        self.done.append(f"{pt[0]} {pt[1]} m")

    def _lineTo(self, pt: tuple[float, float]) -> None:
        self.done.append(f"{pt[0]} {pt[1]} l")

    def _curveToOne(
        self, pt1: tuple[float, float], pt2: tuple[float, float], pt3: tuple[float, float]
    ) -> None:
        self.done.append(f"{pt1[0]} {pt1[1]} {pt2[0]} {pt2[1]} {pt3[0]} {pt3[1]} c")

    def _closePath(self) -> None:
        self.done.append("h")


def _simple(
    document: pikepdf.Pdf,
    font: TTFont,
    names: dict[int, str],
    codes: dict[str, int],
    file: dict[str, pikepdf.Object],
) -> Dictionary:
    widths = [1000 * font["hmtx"][names[ord(one)]][0] / font["head"].unitsPerEm for one in codes]
    return Dictionary(
        Type=Name.Font, Subtype=Name.Type1, BaseFont=Name("/ABCDEF+Test"), FirstChar=_FIRST,
        LastChar=_FIRST + len(codes) - 1, Widths=widths, FontDescriptor=_descriptor(document, file),
    )  # fmt: skip


def _descriptor(document: pikepdf.Pdf, file: dict[str, pikepdf.Object]) -> pikepdf.Object:
    return document.make_indirect(
        Dictionary(
            Type=Name.FontDescriptor, FontName=Name("/ABCDEF+Test"), Flags=4,
            FontBBox=[-500, -500, 1500, 1500], ItalicAngle=0, Ascent=800, Descent=-200, CapHeight=700,
            StemV=80, **file,
        )
    )  # fmt: skip


def _width(font: TTFont, character: str) -> float:
    """Thousandths of an em."""
    return 1000 * font["hmtx"][font.getBestCmap()[ord(character)]][0] / font["head"].unitsPerEm


KINDS: dict[str, Callable[[pikepdf.Pdf, TTFont, Sequence[str]], Made]] = {
    "TrueType by glyph indices": _of_indices,
    "CFF by glyph indices": _of_bare_cff,
    "TrueType by bytes": _truetype,
    "Type 1 (CFF) by names": _type1c,
    "Type 3": _type3,
}


if __name__ == "__main__":
    data = Path(__file__).parents[1] / "data"
    silent_pdf(data / "silent.pdf", "TrueType by glyph indices", data / "fonts" / "sans.ttf", SHOWN)
