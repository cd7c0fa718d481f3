"""`glyphery identify`: fonts whose character maps say nothing, or the wrong thing."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from fontTools import subset
from fontTools.ttLib import TTFont

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
            assert lines[index]["advance"] > 0.1
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
    assert 0 < float(beh["advance"]) < 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--prior", "none"], "There is no prior 'none'"),
        (["--out", "map.txt"], "map.txt says nothing of how to write it"),
        (["--out", "map.cmap", "--out", "a.csv"], "says nothing of how to write it"),
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
