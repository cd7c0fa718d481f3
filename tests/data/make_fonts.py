"""Make the test fonts: small subsets of openly licensed fonts that Debian installs.

    python tests/data/make_fonts.py [--out tests/data/fonts]

The sources are Debian 12's packages, named below; `LICENCES.md` beside the fonts gives their
copyright and licence. Subsetting and renaming are modifications under the Open Font License, so
every family gets a name of our own; copyright and licence records stay as they are. The same
sources and the same fontTools (4.68 made those in the repository) give the same bytes.

| file         | what it is here for                                                     |
|--------------|-------------------------------------------------------------------------|
| sans.ttf     | TrueType; Latin, Greek and Cyrillic that share outlines                 |
| serif.otf    | CFF; the same three scripts                                             |
| variable.ttf | three named instances; the same three scripts                           |
| mono.otf     | CFF; its family name falls into the validation split                    |
| didone.otf   | CFF; its family name falls into the test split                          |
| didone.pfb   | Type 1, converted from didone.otf                                       |
| naskh.ttf    | Arabic by shaping, and a few presentation forms                         |
| arabic.ttf   | Arabic by shaping, no presentation forms                                |
| kufi.otf     | Arabic, CFF                                                             |
| maghribi.ttf | Arabic; its family name falls into the test split                       |
| phagspa.ttf  | joins left to right                                                     |

`embedded.ttf`, beside their folder, is what a document embeds of sans.ttf for "Old 10.": seven glyphs without
names or a character map. `silent.pdf`, set in sans.ttf, is made by `python -m tests.documents.printing`.
"""

from __future__ import annotations

import argparse
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fontTools.agl import UV2AGL
from fontTools.misc.eexec import encrypt
from fontTools.pens.basePen import BasePen
from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont

INSTALLED = Path("/usr/share/fonts")
FAMILY = "Glyphery Test"
KEPT_INSTANCES = ("Light", "Regular", "Black")
DROPPED = ("DSIG", "FFTM", "Feat", "GDEF", "GPOS", "Glat", "Gloc", "Silf", "Sill", "Silt", "meta")
FEATURES = ("ccmp", "isol", "init", "medi", "fina")

ASCII = range(0x20, 0x7F)
LATIN = [*ASCII, *map(ord, "ÀÅÇÉßàåçéñöøþıſ")]
GREEK = [*range(0x391, 0x3A2), *range(0x3A3, 0x3AA), *range(0x3B1, 0x3CA), 0x37E, 0x2126]
CYRILLIC = [*range(0x410, 0x450), *map(ord, "ІЈЅіјѕ")]
ZWJ = 0x200D
ARABIC = [*range(0x621, 0x63B), *range(0x641, 0x64B), *map(ord, "پچژکگیہ،؛؟"), *range(0x660, 0x66A), ZWJ]
PRESENTATION_FORMS = [*range(0xFE8F, 0xFE93), *range(0xFEC9, 0xFECD), 0xFEFB]  # beh, ain, lam-alef


@dataclass(frozen=True)
class Source:
    """One test font: its file, the style word of its family, and what it is cut from."""

    file: str
    name: str
    path: str
    characters: Iterable[int]


SOURCES = (
    Source("sans.ttf", "Sans", "truetype/noto/NotoSans-Regular.ttf", [*LATIN, *GREEK, *CYRILLIC]),
    Source("serif.otf", "Serif", "opentype/ebgaramond/EBGaramond12-Regular.otf", [*LATIN, *GREEK, *CYRILLIC]),
    Source("variable.ttf", "Variable", "truetype/inter-vf/Inter-roman.var.ttf", [*LATIN, *GREEK, *CYRILLIC]),
    Source("mono.otf", "Mono", "opentype/league-mono/LeagueMono-Regular.otf", LATIN),
    Source("didone.otf", "Didone", "opentype/arapey/Arapey-Regular.otf", LATIN),
    Source(
        "naskh.ttf", "Naskh", "opentype/fonts-hosny-amiri/Amiri-Regular.ttf", [*ARABIC, *PRESENTATION_FORMS]
    ),
    Source("arabic.ttf", "Arabic", "opentype/lateef/Lateef-Regular.ttf", ARABIC),
    Source("kufi.otf", "Kufi", "opentype/lemonada/Lemonada-Regular.otf", ARABIC),
    Source("maghribi.ttf", "Maghribi", "truetype/harmattan/Harmattan-Regular.ttf", ARABIC),
    Source(
        "phagspa.ttf", "PhagsPa", "truetype/noto/NotoSansPhagsPa-Regular.ttf", [*range(0xA840, 0xA850), ZWJ]
    ),
)


def cut(source: Source, out: Path) -> TTFont:
    """Subset and rename one font, and write it."""
    font = TTFont(INSTALLED / source.path, recalcTimestamp=False)
    if "fvar" in font:
        name = font["name"]
        font["fvar"].instances = [
            each
            for each in font["fvar"].instances
            if name.getDebugName(each.subfamilyNameID) in KEPT_INSTANCES
        ]
    options = Options(
        layout_features=list(FEATURES),
        name_IDs=["*"],
        hinting=False,
        notdef_outline=True,
        recalc_timestamp=False,
        drop_tables=[*Options().drop_tables, *DROPPED],
    )
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=source.characters)
    subsetter.subset(font)
    rename(font, f"{FAMILY} {source.name}")
    font.save(out / source.file, reorderTables=True)
    return font


def embed(source: Path, text: str, out: Path) -> None:
    """What a document embeds of a font for a text."""
    font = TTFont(source, recalcTimestamp=False)
    options = Options(
        layout_features=[], name_IDs=["*"], notdef_outline=True, recalc_timestamp=False, glyph_names=False
    )
    subsetter = Subsetter(options)
    subsetter.populate(text=text)
    subsetter.subset(font)
    del font["cmap"]
    font.save(out, reorderTables=True)


def rename(font: TTFont, family: str) -> None:
    """Give a font another family name wherever it tells one."""
    postscript = family.replace(" ", "")
    table = font["name"]
    style = "Regular"
    for identifier in (16, 17, 18, 20, 21, 22):
        table.removeNames(nameID=identifier)
    texts = {
        1: family,
        2: style,
        3: f"{postscript}-{style}",
        4: family,
        6: f"{postscript}-{style}",
        25: postscript,
    }
    for identifier, text in texts.items():
        for record in [record for record in table.names if record.nameID == identifier]:
            table.setName(text, identifier, record.platformID, record.platEncID, record.langID)
    if "CFF " in font:
        cff = font["CFF "].cff
        cff.fontNames = [f"{postscript}-{style}"]
        cff.topDictIndex[0].FamilyName, cff.topDictIndex[0].FullName = family, family


class Type1Pen(BasePen):
    """Writes one glyph as a Type 1 charstring."""

    def __init__(self, glyphs: object, advance: int) -> None:
        super().__init__(glyphs)
        self._at = (0, 0)
        self._code = bytearray(_numbers(0, advance) + b"\x0d")  # hsbw

    def _step(self, operator: bytes, *points: tuple[float, float]) -> None:
        for x, y in points:
            x, y = round(x), round(y)
            self._code += _numbers(x - self._at[0], y - self._at[1])
            self._at = (x, y)
        self._code += operator

    def _moveTo(self, point: tuple[float, float]) -> None:
        self._step(b"\x15", point)  # rmoveto

    def _lineTo(self, point: tuple[float, float]) -> None:
        self._step(b"\x05", point)  # rlineto

    def _curveToOne(self, *points: tuple[float, float]) -> None:
        self._step(b"\x08", *points)  # rrcurveto

    def _closePath(self) -> None:
        self._code += b"\x09"

    def charstring(self) -> bytes:
        return bytes(self._code) + b"\x0e"  # endchar


def _numbers(*values: int) -> bytes:
    code = bytearray()
    for value in values:
        if -107 <= value <= 107:
            code.append(value + 139)
        elif 108 <= value <= 1131:
            code += bytes([(value - 108) // 256 + 247, (value - 108) % 256])
        elif -1131 <= value <= -108:
            code += bytes([(-value - 108) // 256 + 251, (-value - 108) % 256])
        else:
            code += b"\xff" + struct.pack(">i", value)
    return bytes(code)


def write_type1(font: TTFont, family: str, path: Path) -> None:
    """Convert a CFF font into a Type 1 font (PFB), without hints."""
    glyphs, charstrings = font.getGlyphSet(), {}
    for codepoint, glyph_name in {None: ".notdef", **font.getBestCmap()}.items():
        pen = Type1Pen(glyphs, round(glyphs[glyph_name].width))
        glyphs[glyph_name].draw(pen)
        charstrings[UV2AGL.get(codepoint, ".notdef")] = pen.charstring()
    copyright_line, licence = font["name"].getDebugName(0), font["name"].getDebugName(13)
    notice = copyright_line.translate({ord("("): "[", ord(")"): "]"})
    postscript = family.replace(" ", "")
    scale, box = 1 / font["head"].unitsPerEm, font["CFF "].cff.topDictIndex[0].FontBBox
    clear = (
        f"%!PS-AdobeFont-1.0: {postscript}\n% {copyright_line}\n% {licence}\n"
        f"11 dict begin\n/FontInfo 4 dict dup begin\n/Notice ({notice}) def\n"
        f"/FullName ({family}) def\n/FamilyName ({family}) def\n/Weight (Regular) def\nend def\n"
        f"/FontName /{postscript} def\n/PaintType 0 def\n/FontType 1 def\n"
        f"/FontMatrix [{scale:g} 0 0 {scale:g} 0 0] def\n/Encoding StandardEncoding def\n"
        f"/FontBBox {{{' '.join(map(str, box))}}} def\ncurrentdict end\ncurrentfile eexec\n"
    ).encode("ascii")
    private = b"dup /Private 8 dict dup begin\n/RD {string currentfile exch readstring pop} def\n"
    private += (
        b"/ND {def} def\n/NP {put} def\n/BlueValues [] def\n/password 5839 def\n/MinFeature {16 16} def\n"
    )
    private += b"2 index /CharStrings %d dict dup begin\n" % len(charstrings)
    for name, code in charstrings.items():
        sealed = encrypt(b"\0\0\0\0" + code, 4330)[0]
        private += b"/%s %d RD " % (name.encode(), len(sealed)) + sealed + b" ND\n"
    private += b"end\nend\nreadonly put\nnoaccess put\n"
    private += b"dup/FontName get exch definefont pop\nmark currentfile closefile\n"
    sealed = encrypt(b"\0\0\0\0" + private, 55665)[0]
    trailer = (b"0" * 64 + b"\n") * 8 + b"cleartomark\n"
    segments = [(1, clear), (2, sealed), (1, trailer)]
    path.write_bytes(
        b"".join(struct.pack("<BBI", 128, kind, len(part)) + part for kind, part in segments) + b"\x80\x03"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "fonts")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    fonts = {source.file: cut(source, out) for source in SOURCES}
    embed(out / "sans.ttf", "Old 10.", out.parent / "embedded.ttf")
    write_type1(fonts["didone.otf"], f"{FAMILY} Didone", out / "didone.pfb")
    for file in sorted(set(out.iterdir()) - {out / "LICENCES.md"}):
        print(f"{file.stat().st_size:7d}  {file.name}")


if __name__ == "__main__":
    main()
