"""Fonts that mean harm, made from the small test fonts: the same ones whenever they are asked for.

`crafted` has one for everything that is known to be done to parsers; `mutants` breaks fonts at random.
"""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import brotli  # type: ignore[import-not-found,import-untyped,unused-ignore]
from fontTools.feaLib.builder import addOpenTypeFeaturesFromString
from fontTools.misc.psCharStrings import T2CharString
from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTCollection, TTFont
from fontTools.ttLib.tables._f_v_a_r import NamedInstance

Tables = dict[bytes, bytes]
_EXTREMES = (
    0,
    1,
    0x7F,
    0x7FFF,
    0x8000,
    0xFFFE,
    0xFFFF,
    0x10000,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFF0,
    0xFFFFFFFF,
)
_ENTRY = struct.Struct(">4sIII")  # of a table directory: tag, checksum, offset, length
_MIB = 2**20


@dataclass(frozen=True)
class Hostile:
    """A font, the suffix it would go by, and what is wrong with it."""

    name: str
    suffix: str
    data: bytes


# ---- fonts as tables


def tables_of(sfnt: bytes) -> Tables:
    """The tables of a font that is still whole."""
    count = struct.unpack_from(">H", sfnt, 4)[0]
    entries = [_ENTRY.unpack_from(sfnt, 12 + 16 * i) for i in range(count)]
    return {tag: sfnt[offset : offset + length] for tag, _, offset, length in entries}


def assembled(tables: Tables, version: bytes = b"\0\1\0\0", claim: int | None = None) -> bytes:
    """A font of tables, whatever is in them; claim: how many it says it has."""
    count = len(tables) if claim is None else claim
    directory, body = [struct.pack(">4sHHHH", version, count, 16, 0, 0)], b""
    start = 12 + 16 * len(tables)
    for tag, data in tables.items():
        directory.append(_ENTRY.pack(tag, 0, start + len(body), len(data)))
        body += data + bytes(-len(data) % 4)
    return b"".join(directory) + body


def packed(data: bytes, flavor: str) -> bytes:
    """A whole font as WOFF or WOFF2."""
    font = _opened(data)
    font.flavor = flavor
    return _saved(font)


def _opened(data: bytes) -> TTFont:
    return TTFont(io.BytesIO(data), recalcTimestamp=False)


def _saved(font: TTFont) -> bytes:
    out = io.BytesIO()
    font.save(out)
    return out.getvalue()


def seeds(folder: Path) -> list[tuple[str, bytes]]:
    """Whole fonts of every format, with their suffixes; most of them of few glyphs, to be quickly scored."""
    fonts = sorted(file for file in folder.iterdir() if file.suffix != ".md")
    found = [(file.suffix, small(file)) for file in fonts]
    for name in ("sans.ttf", "mono.otf"):
        found += [(f".{flavor}", packed(small(folder / name), flavor)) for flavor in ("woff", "woff2")]
    collection = TTCollection()
    collection.fonts = [_opened(small(folder / name)) for name in ("phagspa.ttf", "arabic.ttf")]
    out = io.BytesIO()
    collection.save(out)
    return [*found, (".ttc", out.getvalue())]


@cache
def small(file: Path, most: int = 12) -> bytes:
    """A font with so many of its characters; whole if it is a Type 1 font."""
    if file.suffix == ".pfb":
        return file.read_bytes()
    options = Options()
    options.layout_features, options.name_IDs, options.name_languages = ["*"], ["*"], ["*"]
    options.notdef_outline = options.glyph_names = True
    font = _opened(file.read_bytes())
    characters = sorted(font.getBestCmap())
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=characters[:: -(-len(characters) // most)])
    subsetter.subset(font)
    return _saved(font)


# ---- at random


def mutants(folder: Path, count: int, seed: int = 20261121) -> Iterator[Hostile]:
    """Fonts broken at random; the first ones are the same however many there are to be."""
    fonts = seeds(folder)
    for number in range(count):
        rng = random.Random(f"{seed} {number}")
        suffix, data = fonts[number % len(fonts)]
        kinds = _ANY if data[:4] not in (b"\0\1\0\0", b"OTTO") else _ANY + _OF_SFNT
        kind = rng.choice(kinds)
        for _ in range(rng.choice((1, 1, 2, 8))):
            data = kind(data, rng) or data
        yield Hostile(f"{number}-{kind.__name__.strip('_')}", suffix, data)


def _bits(data: bytes, rng: random.Random) -> bytes:
    broken = bytearray(data)
    for _ in range(rng.choice((1, 4, 32, 256))):
        broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
    return bytes(broken)


def _run(data: bytes, rng: random.Random) -> bytes:
    start, size = rng.randrange(len(data)), rng.choice((1, 2, 4, 16, 256, 4096))
    what = rng.choice((b"\0" * size, b"\xff" * size, rng.randbytes(size)))
    return data[:start] + what + data[start + size :]


def _cut(data: bytes, rng: random.Random) -> bytes:
    """To any scale: a few bytes of a font, or all but a few."""
    keep = rng.choice((rng.randrange(64), rng.randrange(len(data)), len(data) - rng.randrange(64)))
    return data[: max(4, keep)]


def _piece(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data))
    stop = min(len(data), start + rng.choice((1, 2, 64, 1024)))
    return data[:start] + data[start:stop] * rng.choice((0, 2, 9)) + data[stop:]


def _dropped(data: bytes, rng: random.Random) -> bytes:
    tables = tables_of(data)
    del tables[rng.choice(list(tables))]
    return assembled(tables, data[:4]) if tables else data


def _swapped(data: bytes, rng: random.Random) -> bytes:
    tables = tables_of(data)
    one, other = rng.choice(list(tables)), rng.choice(list(tables))
    tables[one], tables[other] = tables[other], tables[one]
    return assembled(tables, data[:4])


def _directory(data: bytes, rng: random.Random) -> bytes:
    """An offset, a length, a tag or a count that is not so."""
    broken, count = bytearray(data), struct.unpack_from(">H", data, 4)[0]
    value = rng.choice((*_EXTREMES, rng.randrange(len(data))))
    if rng.randrange(8) == 0:
        struct.pack_into(">H", broken, 4, value & 0xFFFF)
    else:
        place = 12 + 16 * rng.randrange(max(1, count)) + rng.choice((0, 8, 12))
        struct.pack_into(">I", broken, min(place, len(broken) - 4), value)
    return bytes(broken)


def _field(data: bytes, rng: random.Random) -> bytes:
    """A number near the start of a table, where counts, offsets and formats are."""
    try:
        tables = tables_of(data)
    except struct.error:  # by an earlier change
        return data
    tag = rng.choice(sorted(tables))
    table = bytearray(tables[tag])
    if len(table) < 4:
        return data
    size = rng.choice((2, 4))
    place = 2 * rng.randrange(min(len(table) - size, 64) // 2 + 1)
    struct.pack_into(">I" if size == 4 else ">H", table, place, rng.choice(_EXTREMES) & (256**size - 1))
    return assembled(tables | {tag: bytes(table)}, data[:4])


Mutation = Callable[[bytes, random.Random], bytes]
_ANY: tuple[Mutation, ...] = (_bits, _run, _cut, _piece)
_OF_SFNT: tuple[Mutation, ...] = (_dropped, _swapped, _directory, _field, _field, _field)


# ---- made on purpose


def crafted(folder: Path) -> Iterator[Hostile]:
    """One font for each known harm."""
    sans, arabic = small(folder / "sans.ttf"), small(folder / "arabic.ttf")
    plain, joining = tables_of(sans), tables_of(arabic)

    def of(name: str, changes: Tables, base: Tables = plain) -> Hostile:
        return Hostile(name, ".ttf", assembled(base | changes))

    yield Hostile("empty", ".ttf", b"")
    for head in (
        b"\0\1\0\0",
        b"OTTO",
        b"ttcf",
        b"wOFF",
        b"wOF2",
        b"%!PS-AdobeFont-1.0",
        b"\x80\1\xff\xff\xff\xff",
    ):
        yield Hostile(f"nothing but {head[:4]!r}", ".ttf", head)
        yield Hostile(f"{head[:4]!r} and zeros", ".ttf", head + bytes(5000))
    yield of(
        "as many glyphs as can be said", {b"maxp": plain[b"maxp"][:4] + b"\xff\xff" + plain[b"maxp"][6:]}
    )
    yield of("loca beyond glyf", {b"loca": b"\x7f\xff\xff\xff" * (len(plain[b"loca"]) // 4)})
    yield of("loca backwards", {b"loca": plain[b"loca"][::-1]})
    yield of("hmtx of two bytes", {b"hmtx": b"\2\0"})
    yield of("hhea says all have widths", {b"hhea": plain[b"hhea"][:34] + b"\xff\xff", b"hmtx": bytes(8)})
    yield of("an em of one unit", {b"head": plain[b"head"][:18] + b"\0\1" + plain[b"head"][20:]})
    yield of("an em of none", {b"head": plain[b"head"][:18] + b"\0\0" + plain[b"head"][20:]})
    for kind in (12, 13):
        for last in (0x10FFFF, 0xFFFFFFFF):
            yield of(f"cmap {kind} up to {last:X}", {b"cmap": _cmap(kind, [(0, last, 1)])})
    groups = [(start, start + 1, 1) for start in range(0x20, 0x10FF00, 90)]
    yield of("cmap with groups that end nowhere", {b"cmap": _cmap(12, groups, claim=0xFFFFFFF)})
    yield of("cmap with groups over one another", {b"cmap": _cmap(12, [(0x20, 0x10FFFF, 1)] * 5000)})

    yield Hostile("lookups that call themselves", ".ttf", _recursive_lookups(arabic))
    yield Hostile("lookups that double a glyph forty times", ".ttf", _doubling_lookups(arabic))
    yield of("GSUB of itself", {b"GSUB": b"\0\1\0\0\0\0\0\0\0\0" * 500}, joining)

    empty = {b"%04d" % n: b"" for n in range(4000)}
    yield of("four thousand tables", empty)
    yield Hostile("65,535 tables that are not there", ".ttf", assembled(plain, claim=0xFFFF))
    yield Hostile("every table is the whole file", ".ttf", _overlapping(sans))

    yield Hostile("WOFF that says it is huge", ".woff", _woff(bytes(2000), 0xFFFFFFF0))
    yield Hostile("WOFF bomb", ".woff", _woff(_zlib_of_zeros(6 << 30), 100 << 20))
    yield Hostile("WOFF2 that says it is huge", ".woff2", _woff2(brotli.compress(bytes(2000)), 0xFFFFFFF0))
    bomb = brotli.compress(bytes(200 * _MIB), quality=1)
    yield Hostile("WOFF2 bomb", ".woff2", _woff2(bomb, 200 * _MIB, says=5000))
    web = packed(sans, "woff2")
    yield Hostile("WOFF2 with its length in doubt", ".woff2", web[:16] + b"\x07\xff\xff\xff" + web[20:])

    glyphs = {
        "glyphs within themselves": [_composite([number]) for number in (1, 1, 3, 2)],
        "glyphs within glyphs, a thousand deep": [*(_composite([n + 1]) for n in range(1000)), _SQUARE],
        "a billion laughs": [*(_composite([n + 1] * 60) for n in range(12)), _SQUARE],
        "a million points a glyph": [_SQUARE, _composite([2] * 5000), _SQUARE],
        "4,000 glyphs of 19,000 points": [*[_composite([4000])] * 4000, _composite([4001] * 4750), _SQUARE],
        "contours of no points": [
            _contours(ends, points)
            for ends, points in (([0], 1), ([3, 3, 3], 4), ([3, 3, 7], 8), ([0, 0], 1), ([3, 2], 4))
        ],
        "as many contours as points": [_SQUARE, _contours(list(range(9000)), 9000)],
    }
    for name, drawn in glyphs.items():
        yield Hostile(name, ".ttf", outlined(plain, drawn, 250))
    mono = small(folder / "mono.otf")
    yield Hostile("a subroutine that calls itself", ".otf", _subroutines(mono, [bytes([32, 29])]))
    # Ten levels, as deep as the format allows, of ninety calls each.
    calls = [bytes([33 + level, 29]) * 90 + b"\x0b" for level in range(8)] + [b"\x0b"]
    yield Hostile("subroutines by the billion", ".otf", _subroutines(mono, calls))

    variable = _opened(small(folder / "variable.ttf"))
    axis = variable["fvar"].axes[0]
    for number in range(700):
        instance = NamedInstance()
        instance.subfamilyNameID = instance.postscriptNameID = 2
        middle = axis.minValue + (axis.maxValue - axis.minValue) * number / 700
        instance.coordinates = {each.axisTag: each.defaultValue for each in variable["fvar"].axes} | {
            axis.axisTag: middle
        }
        variable["fvar"].instances.append(instance)
    yield Hostile("seven hundred instances", ".ttf", _saved(variable))

    for number, name in enumerate(
        ("\x1b[2J\x00\x07\u202e[/red]{{7*7}}<script>", "N" * 30_000, "\ud7ff\U0010ffff\n\r")
    ):
        named = _opened(sans)
        for identifier in (1, 2, 4, 6, 13, 16, 17):
            named["name"].setName(name, identifier, 3, 1, 0x409)
        yield Hostile(f"a name to beware of, {number}", ".ttf", _saved(named))
    lone = struct.pack(">HHH", 0, 4, 6 + 12 * 4) + b"".join(
        struct.pack(">HHHHHH", 3, 1, 0x409, identifier, 8, 0) for identifier in (1, 2, 4, 6)
    )
    yield of("a name of half characters", {b"name": lone + b"\xd8\x00\xdc\x00\xd8\x00\xd8\x00"})
    records = struct.pack(">HHHHHH", 3, 1, 0x409, 5, 0xFFFF, 0) * 60_000
    yield of("60,000 names of 64 KiB", {b"name": struct.pack(">HHH", 0, 60_000, 6) + records})
    called = _opened(sans)
    odd = {"k": "\x1b[2J[/k]", "A": "A\x00B", "B": "\xff" * 60}
    called.setGlyphOrder([odd.get(name, name) for name in called.getGlyphOrder()])
    called["post"].formatType, called["post"].extraNames, called["post"].mapping = 2.0, [], {}
    yield Hostile("glyphs with names to beware of", ".ttf", _saved(called))
    type1 = (folder / "didone.pfb").read_bytes()
    yield Hostile("a Type 1 family with a name of megabytes", ".pfb", _named_type1(type1, b"N" * (2 * _MIB)))


def full(folder: Path, characters: int = 65_534) -> bytes:
    """A sound font with as many characters as glyphs can be mapped, all alike."""
    return outlined(tables_of(small(folder / "sans.ttf")), [_SQUARE] * (characters + 1))


def many_faces(folder: Path, count: int) -> bytes:
    """A collection whose members are one and the same font of one character."""
    return _many_faces(outlined(tables_of(small(folder / "sans.ttf")), [_SQUARE] * 2), count)


def _cmap(kind: int, groups: list[tuple[int, int, int]], claim: int | None = None) -> bytes:
    body = b"".join(struct.pack(">III", *group) for group in groups)
    head = struct.pack(">HHIII", kind, 0, 16 + len(body), 0, len(groups) if claim is None else claim)
    return struct.pack(">HHHHI", 0, 1, 3, 10, 12) + head + body


def _composite(parts: list[int]) -> bytes:
    """A glyph of glyphs; each part is moved a little to the right of the last."""
    out = [struct.pack(">hhhhh", -1, 0, 0, 1000, 1000)]
    for number, part in enumerate(parts):
        more = 0x20 if number + 1 < len(parts) else 0
        out.append(struct.pack(">HHhh", 0x03 | more, part, number % 90, 0))
    return b"".join(out)


def _contours(ends: list[int], points: int) -> bytes:
    body = struct.pack(">hhhhh", len(ends), 0, 0, 900, 900)
    body += b"".join(struct.pack(">H", end) for end in ends) + b"\0\0"
    body += b"\x01" * points
    return body + b"".join(struct.pack(">h", (37 * n) % 200 - 90) for n in range(2 * points))


_SQUARE = struct.pack(">hhhhhHH", 1, 0, 0, 500, 500, 3, 0) + b"\x01\x01\x01\x01" + struct.pack(
    ">8h", 0, 500, 0, -500, 0, 0, 500, 0
)  # fmt: skip


def outlined(tables: Tables, glyphs: list[bytes], most: int = 65_534) -> bytes:
    """A font of these glyphs; all but the first, or so many, are mapped from the exclamation mark onwards."""
    glyf, loca = bytearray(), [0]
    for glyph in glyphs:
        glyf += glyph + bytes(-len(glyph) % 4)
        loca.append(len(glyf))
    count = len(glyphs)
    mapped = min(count - 1, most)
    below = min(mapped, 0xD800 - 0x21)  # the surrogates
    groups = [(0x21, 0x20 + below, 1)]
    if mapped > below:
        groups.append((0xE000, 0xE000 + mapped - below - 1, below + 1))
    changes: Tables = {
        b"glyf": bytes(glyf),
        b"loca": b"".join(struct.pack(">I", place) for place in loca),
        b"maxp": tables[b"maxp"][:4] + struct.pack(">H", count) + tables[b"maxp"][6:],
        b"head": tables[b"head"][:50] + b"\0\1" + tables[b"head"][52:],
        b"hhea": tables[b"hhea"][:34] + b"\0\1",
        b"hmtx": struct.pack(">Hh", 600, 0) + bytes(2 * (count - 1)),
        b"cmap": _cmap(12, groups),
        b"post": struct.pack(">IIhhIIIII", 0x30000, 0, 0, 0, 0, 0, 0, 0, 0),
    }  # fmt: skip
    kept = {tag: tables[tag] for tag in (b"head", b"hhea", b"maxp", b"OS/2", b"name")}
    return assembled(kept | changes)


def _overlapping(sfnt: bytes) -> bytes:
    broken = bytearray(sfnt)
    for number in range(struct.unpack_from(">H", sfnt, 4)[0]):
        struct.pack_into(">II", broken, 12 + 16 * number + 8, 0, len(sfnt))
    return bytes(broken)


def _many_faces(sfnt: bytes, count: int) -> bytes:
    """A collection whose members are one and the same."""
    start = 12 + 4 * count
    moved = bytearray(sfnt)
    for number in range(struct.unpack_from(">H", sfnt, 4)[0]):
        offset = struct.unpack_from(">I", sfnt, 12 + 16 * number + 8)[0]
        struct.pack_into(">I", moved, 12 + 16 * number + 8, offset + start)
    head = struct.pack(">4sII", b"ttcf", 0x10000, count) + struct.pack(">I", start) * count
    return head + bytes(moved) + bytes(64 * count)  # FreeType finds so many in a smaller file unlikely


def _zlib_of_zeros(size: int) -> bytes:
    """A stream of so many zeros, made without making them: one block is repeated."""
    packer = zlib.compressobj(9)
    first = packer.compress(bytes(_MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(_MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    end = b"\3\0" + struct.pack(">HH", size % 65521, 1)  # an empty block and Adler's checksum of zeros
    return first + block * (size // _MIB - 1) + end


def _woff(data: bytes, length: int) -> bytes:
    """A WOFF of one table, packed as it is given, which says it unpacks to `length`."""
    total = 44 + 20 + len(data)
    head = struct.pack(">4s4sIHHIHHIIIII", b"wOFF", b"\0\1\0\0", total, 1, 0, length, 1, 0, 0, 0, 0, 0, 0)
    return head + struct.pack(">4sIIII", b"glyf", 64, len(data), length, 0) + data


def _woff2(data: bytes, length: int, says: int | None = None) -> bytes:
    """A WOFF2 of one table; says: what the font would come to, by its head."""
    digits = [length & 0x7F]
    while length := length >> 7:
        digits.insert(0, length & 0x7F | 0x80)
    directory = bytes([0]) + bytes(digits)  # the first of the known tags, cmap, not transformed
    total = 48 + len(directory) + len(data)
    unpacked = min(says if says is not None else 0xFFFFFFF0, 0xFFFFFFFF)
    head = struct.pack(
        ">4s4sIHHIIHHIIIII", b"wOF2", b"\0\1\0\0", total, 1, 0, unpacked, len(data), 1, 0, 0, 0, 0, 0, 0
    )
    return head + directory + data


def _recursive_lookups(data: bytes) -> bytes:
    font = _opened(data)
    glyph = min(font.getBestCmap().items(), key=lambda pair: abs(pair[0] - 0x639))[1]
    features = f"""
        lookup inner {{ sub {glyph} by {glyph} {glyph}; }} inner;
        lookup outer {{ sub {glyph}' lookup inner {glyph}' lookup inner {glyph}' lookup inner; }} outer;
        feature init {{ lookup outer; }} init; feature medi {{ lookup outer; }} medi;
        feature ccmp {{ lookup outer; sub {glyph}' lookup outer; }} ccmp;
    """
    addOpenTypeFeaturesFromString(font, features)
    for number, lookup in enumerate(font["GSUB"].table.LookupList.Lookup):
        for subtable in lookup.SubTable:
            for call in getattr(subtable, "SubstLookupRecord", None) or ():
                call.LookupListIndex = number
    return _saved(font)


def _doubling_lookups(data: bytes) -> bytes:
    font = _opened(data)
    glyph = min(font.getBestCmap().items(), key=lambda pair: abs(pair[0] - 0x639))[1]
    lookups = [f"lookup L{n} {{ sub {glyph} by {glyph} {glyph}; }} L{n};" for n in range(40)]
    called = " ".join(f"lookup L{n};" for n in range(40))
    addOpenTypeFeaturesFromString(font, "\n".join([*lookups, f"feature ccmp {{ {called} }} ccmp;"]))
    return _saved(font)


def _subroutines(data: bytes, codes: list[bytes]) -> bytes:
    """A CFF font whose glyphs all do nothing but call the first of these."""
    font = TTFont(io.BytesIO(data), recalcBBoxes=False, recalcTimestamp=False)
    cff = font["CFF "].cff
    top = cff.topDictIndex[0]
    cff.GlobalSubrs.items = [T2CharString(bytecode=code) for code in codes]
    for name in list(top.CharStrings.keys()):
        top.CharStrings[name].setBytecode(bytes([32, 29, 14]))
    return _saved(font)


def _named_type1(data: bytes, name: bytes) -> bytes:
    """The first segment, which is text, gets another family name."""
    length = struct.unpack_from("<I", data, 2)[0]
    text, rest = data[6 : 6 + length], data[6 + length :]
    start = text.index(b"/FamilyName")
    stop = text.index(b"\n", start)
    text = text[:start] + b"/FamilyName (" + name + b") readonly def" + text[stop:]
    return b"\x80\x01" + struct.pack("<I", len(text)) + text + rest
