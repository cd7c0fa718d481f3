"""`glyphery identify`: fonts whose character maps say nothing, or the wrong thing."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fontTools import subset
from fontTools.ttLib import TTFont
from pypdf import PdfReader, PdfWriter
from pypdf.generic import (
    ArrayObject,
    DecodedStreamObject,
    DictionaryObject,
    NameObject,
    NumberObject,
    TextStringObject,
)

from scoring.reports.identified import to_unicode
from tests.glyphery.conftest import Ask

TEXT = "Sphinx of black quartz judge my vow"


@pytest.fixture
def embedded(font_dir: Path, tmp_path: Path) -> tuple[Path, dict[str, int]]:
    """What a document embeds for a text: the glyphs it needs, no names and no character map; and the index of
    each character's glyph.
    """
    font = TTFont(font_dir / "sans.ttf")
    wanted = subset.Subsetter(subset.Options(layout_features=[], notdef_outline=True))
    wanted.populate(text=TEXT)
    wanted.subset(font)
    indices = {chr(code): font.getGlyphID(name) for code, name in font.getBestCmap().items()}
    del font["cmap"]
    font["post"].formatType = 3.0
    path = tmp_path / "embedded.ttf"
    font.save(path)
    return path, indices


def _lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_an_embedded_font_is_read(ask: Ask, embedded: tuple[Path, dict[str, int]]) -> None:
    path, indices = embedded
    done = ask("identify", path, "--json")
    assert done.returncode == 0, done.stderr
    lines = {line["glyph"]: line for line in _lines(done.stdout)}
    assert {line["font"] for line in lines.values()} == {str(path)}
    assert not any(line["mapped"] for line in lines.values())
    for character, index in indices.items():
        if character == " ":
            assert lines[index]["reason"] == "It has no ink."
        else:
            assert lines[index]["predictions"][0]["character"] == character
            assert lines[index]["known"]
            assert len(lines[index]["predictions"]) == 3


def test_people_are_shown_a_table(ask: Ask, font_dir: Path) -> None:
    done = ask("identify", font_dir / "kufi.otf")
    assert done.returncode == 0, done.stderr
    assert "158 of 159 glyphs have something to see" in done.stdout
    assert "ARABIC LETTER BEH, initial" in done.stdout


def test_files_are_written_with_what_is_told(ask: Ask, font_dir: Path, tmp_path: Path) -> None:
    table, lines = tmp_path / "out.csv", tmp_path / "out.jsonl"
    done = ask(
        "identify", font_dir / "mono.otf", font_dir / "kufi.otf", "--out", table, "--out", lines, "--json"
    )
    assert done.returncode == 0, done.stderr
    assert _lines(lines.read_text("utf-8")) == _lines(done.stdout)
    with table.open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert len(rows) == len(_lines(done.stdout))
    [beh] = [row for row in rows if row["name"] == "uniFE91"]
    assert (beh["label"], beh["codepoint"], beh["form"], beh["known"]) == (
        "1576_init",
        "U+0628",
        "init",
        "True",
    )
    assert beh["top"].startswith("1576_init:0.")


def test_a_pdf_says_its_text_again(ask: Ask, embedded: tuple[Path, dict[str, int]], tmp_path: Path) -> None:
    path, indices = embedded
    assert PdfReader(_pdf(path, indices)).pages[0].extract_text().strip() != TEXT
    made = tmp_path / "map.cmap"
    done = ask("identify", path, "--out", made, "--json")
    assert done.returncode == 0, done.stderr
    said = PdfReader(_pdf(path, indices, made.read_bytes())).pages[0].extract_text()
    assert said.strip() == TEXT


def test_the_program_of_the_documentation_repairs_a_pdf(
    embedded: tuple[Path, dict[str, int]], tmp_path: Path
) -> None:
    told = Path(__file__).parents[2] / "docs" / "IDENTIFY.md"
    [program] = re.findall(r"^```python\n(.*?)^```", told.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    (tmp_path / "silent.pdf").write_bytes(_pdf(*embedded).getvalue())
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, env=os.environ | {"PATH": path})
    assert PdfReader(tmp_path / "speaking.pdf").pages[0].extract_text().strip() == TEXT


def test_characters_beyond_the_basic_plane_are_pairs_of_surrogates(
    ask: Ask, font_dir: Path, tmp_path: Path
) -> None:
    made = tmp_path / "map.cmap"
    done = ask(
        "identify", font_dir / "sans.ttf", "--charset", "\U0001d54f\U0001d7d9", "--out", made, "--json"
    )
    assert done.returncode in (0, 2)  # the shipped model may know neither
    if done.returncode == 0:
        assert "> <D835DD4F>" in made.read_text() or "> <D835DFD9>" in made.read_text()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--prior", "none"], "There is no prior 'none'"),
        (["--out", "map.txt"], "map.txt says nothing of how to write it"),
        (["--out", "nowhere/down/", "--out", "a.csv"], "says nothing of how to write it"),
        (["--charset", "\N{CJK UNIFIED IDEOGRAPH-4E00}"], "None of the"),
        (["--max-glyphs", "20"], "more glyphs"),
        (["--out", "FONT"], "says nothing of how to write it"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line_and_nothing_is_left(
    ask: Ask, font_dir: Path, tmp_path: Path, options: list[str], said: str
) -> None:
    font = tmp_path / "font.ttf"
    shutil.copy(font_dir / "sans.ttf", font)
    told = [str(font) if option == "FONT" else option for option in options]
    done = ask("identify", font, *told, "--out", tmp_path / "other.csv", cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["font.ttf"]


def test_a_font_is_not_written_over(ask: Ask, font_dir: Path, tmp_path: Path) -> None:
    font = tmp_path / "font.csv"
    shutil.copy(font_dir / "sans.ttf", font)
    done = ask("identify", font, "--out", font)
    assert (done.returncode, "would take the place of" in done.stderr) == (2, True)
    assert font.read_bytes() == (font_dir / "sans.ttf").read_bytes()


def test_one_map_is_of_one_font(ask: Ask, font_dir: Path, tmp_path: Path, web_fonts: dict[str, Path]) -> None:
    for fonts in ([font_dir / "sans.ttf", font_dir / "mono.otf"], [web_fonts["ttc"]]):
        done = ask("identify", *fonts, "--out", tmp_path / "map.cmap")
        assert done.returncode == 2
        assert "is the map of one font" in done.stderr
        assert not list(tmp_path.iterdir())


def test_of_fonts_one_that_is_bad_costs_nothing_but_itself(ask: Ask, font_dir: Path, tmp_path: Path) -> None:
    shutil.copy(font_dir / "kufi.otf", tmp_path / "a.otf")
    shutil.copy(font_dir / "mono.otf", tmp_path / "z.otf")
    bad = tmp_path / "b.ttf"
    bad.write_bytes(b"no font")
    done = ask("identify", tmp_path, "--json", "--out", tmp_path / "out.jsonl")
    assert done.returncode == 2
    assert done.stderr.startswith(f"glyphery: {bad}: ")
    lines = _lines(done.stdout)
    assert {line["font"] for line in lines} == {str(tmp_path / "a.otf"), str(tmp_path / "z.otf")}
    assert _lines((tmp_path / "out.jsonl").read_text("utf-8")) == lines


def test_where_no_font_can_be_read_nothing_is_written(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "b.ttf").write_bytes(b"no font")
    done = ask("identify", tmp_path / "b.ttf", "--out", tmp_path / "out.jsonl")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["b.ttf"]


def test_a_ligature_is_its_letters_in_a_map() -> None:
    glyph = {"glyph": 5, "known": True, "reason": "", "predictions": [{"character": "\ufb03"}]}
    arabic = {"glyph": 7, "known": True, "reason": "", "predictions": [{"character": "\ufefb"}]}
    made = to_unicode({"glyphs": [glyph, arabic]})
    assert "2 beginbfchar\n<0005> <006600660069>\n<0007> <06440627>\nendbfchar" in made


def _pdf(font: Path, indices: dict[str, int], to_unicode: bytes | None = None) -> io.BytesIO:
    """A document of one line, set in glyph indices of the font that it embeds."""
    writer = PdfWriter()
    page = writer.add_blank_page(400, 100)

    def stream(data: bytes) -> Any:
        made = DecodedStreamObject()
        made.set_data(data)
        return writer._add_object(made)

    name, number = NameObject, NumberObject
    descriptor = writer._add_object(
        DictionaryObject(
            {
                name("/Type"): name("/FontDescriptor"), name("/FontName"): name("/ABCDEF+Test"),
                name("/Flags"): number(4), name("/FontFile2"): stream(font.read_bytes()),
            }
        )
    )  # fmt: skip
    descendant = writer._add_object(
        DictionaryObject(
            {
                name("/Type"): name("/Font"), name("/Subtype"): name("/CIDFontType2"),
                name("/BaseFont"): name("/ABCDEF+Test"), name("/FontDescriptor"): descriptor,
                name("/CIDToGIDMap"): name("/Identity"), name("/DW"): number(600),
                name("/CIDSystemInfo"): DictionaryObject(
                    {
                        name("/Registry"): TextStringObject("Adobe"), name("/Supplement"): number(0),
                        name("/Ordering"): TextStringObject("Identity"),
                    }
                ),
            }
        )
    )  # fmt: skip
    of = DictionaryObject(
        {
            name("/Type"): name("/Font"), name("/Subtype"): name("/Type0"),
            name("/BaseFont"): name("/ABCDEF+Test"), name("/Encoding"): name("/Identity-H"),
            name("/DescendantFonts"): ArrayObject([descendant]),
        }
    )  # fmt: skip
    if to_unicode is not None:
        of[name("/ToUnicode")] = stream(to_unicode)
    fonts = DictionaryObject({name("/F1"): writer._add_object(of)})
    page[name("/Resources")] = DictionaryObject({name("/Font"): fonts})
    codes = "".join(f"{indices[character]:04X}" for character in TEXT)
    page[name("/Contents")] = stream(f"BT /F1 12 Tf 10 50 Td <{codes}> Tj ET".encode())
    written = io.BytesIO()
    writer.write(written)
    return written
