"""`glyphery repair`: documents whose text cannot be copied."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pikepdf
import pytest

from tests.documents.printing import sign, silent_pdf
from tests.documents.test_repair import copied
from tests.glyphery.conftest import Ask

TEXT = "Sphinx of black quartz, judge my vow."


@pytest.fixture
def silent(font_dir: Path, tmp_path: Path) -> Path:
    return silent_pdf(tmp_path / "silent.pdf", "TrueType by glyph indices", font_dir / "sans.ttf", [TEXT])


def test_a_document_is_repaired(ask: Ask, silent: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "speaking.pdf"
    done = ask("repair", silent, "--out", out)
    assert done.returncode == 0, done.stderr
    assert copied(out) == TEXT
    assert "ABCDEF+Test" in done.stdout
    assert f"{out} is written: 28 codes say what they show." in done.stderr
    again = ask("repair", out, "--out", tmp_path / "again.pdf")
    assert "nothing was to be repaired" in again.stderr
    assert (tmp_path / "again.pdf").read_bytes() == out.read_bytes()


def test_a_name_may_be_as_long_as_files_have(ask: Ask, silent: Path, tmp_path: Path) -> None:
    out = tmp_path / f"{'n' * 251}.pdf"
    assert ask("repair", silent, "--out", out).returncode == 0
    assert copied(out) == TEXT
    assert sorted(path.name for path in tmp_path.iterdir()) == [out.name, silent.name]


def test_without_a_place_it_only_looks(ask: Ask, silent: Path, tmp_path: Path) -> None:
    done = ask("repair", silent, "--json")
    assert done.returncode == 0, done.stderr
    [line] = done.stdout.splitlines()
    font = json.loads(line)
    assert (font["repaired"], font["unknown"], font["contradicted"]) == (28, 0, 0)
    assert {code["text"] for code in font["codes"]} == set(TEXT)
    assert [path.name for path in tmp_path.iterdir()] == ["silent.pdf"]
    assert "--out writes the document" in ask("repair", silent).stderr


def test_whoever_voids_a_signature_is_told(ask: Ask, silent: Path, tmp_path: Path) -> None:
    said = "silent.pdf is signed; no signature vouches for what is repaired."
    assert said not in ask("repair", silent, "--out", tmp_path / "out.pdf").stderr
    with pikepdf.open(silent, allow_overwriting_input=True) as document:
        sign(document)
        document.save()
    assert said not in ask("repair", silent).stderr  # nothing is written
    for form in ([], ["--json"]):
        assert said in ask("repair", silent, "--out", tmp_path / "out.pdf", *form).stderr
    assert said not in ask("repair", tmp_path / "out.pdf", "--out", tmp_path / "copy.pdf").stderr


def test_a_damaged_document_is_told(ask: Ask, silent: Path) -> None:
    said = "silent.pdf is damaged: more may have been in it than was found."
    assert said not in ask("repair", silent).stderr
    data = silent.read_bytes()
    silent.write_bytes(data[: data.rindex(b"startxref")])
    done = ask("repair", silent)
    assert (done.returncode, said in done.stderr) == (0, True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["nowhere.pdf"], "nowhere.pdf is no file"),
        (["."], ". is no file"),
        (["silent.pdf", "--out", "silent.pdf"], "would take the place of"),
        (["silent.pdf", "--out", "folder"], "is a folder"),
        (["silent.pdf", "--out", "pipe"], "pipe is no file"),
        (["silent.pdf", "--scripts", "Xyzz"], "None of the"),
        (["broken.pdf", "--out", "out.pdf"], "broken.pdf: It is no PDF that can be read"),
        (["silent.pdf", "--bundle", "nowhere", "--out", "out.pdf"], "nowhere"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line_and_nothing_is_left(
    ask: Ask, silent: Path, tmp_path: Path, options: list[str], said: str
) -> None:
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7 and no more")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    before = silent.read_bytes()
    done = ask("repair", *options, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "broken.pdf", "folder", "pipe", "silent.pdf",
    ]  # fmt: skip
    assert silent.read_bytes() == before
