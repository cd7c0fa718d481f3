"""`glyphery dataset`: its options, and what it says where they cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from glyphery.cli import app
from glyphs import repertoires


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["dataset", *map(str, arguments)])


@pytest.mark.parametrize(
    "arguments",
    [("show", "--sheet", "nowhere/sheet.png"), ("freeze", "--out", "nowhere/splits.tsv"),
     ("equivalence", "--out", "nowhere/equivalence.tsv")],
)  # fmt: skip
def test_what_cannot_be_written_is_said_in_one_line(
    dataset_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, str, str]
) -> None:
    monkeypatch.chdir(tmp_path)
    verb, *options = arguments
    done = run(verb, dataset_file, *options)
    assert done.exit_code == 2
    assert done.stderr == f"glyphery: {options[1]} cannot be written: No such file or directory.\n"


def test_a_full_disk_is_said_to_be_full(dataset_file: Path, small_disk: Path) -> None:
    (small_disk / "large").write_bytes(bytes(4 * 2**20))
    done = run("show", dataset_file, "--sheet", small_disk / "sheet.png")
    assert (done.exit_code, done.stderr) == (2, "glyphery: The disk is full. Make room, and run it again.\n")


def test_so_is_a_table_of_texts_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "en.txt").write_text("text")
    done = run("text", tmp_path, "--out", tmp_path / "nowhere" / "text.tsv")
    assert done.exit_code == 2
    assert "cannot be written" in done.stderr


def test_a_sheet_is_a_png_of_all_the_scripts_asked_for(dataset_file: Path, tmp_path: Path) -> None:
    def sheet(scripts: str) -> bytes:
        done = run("show", dataset_file, "--sheet", tmp_path / "sheet.any", "--scripts", scripts, "--json")
        assert done.exit_code == 0, done.stderr
        return (tmp_path / "sheet.any").read_bytes()

    both = sheet("Latn,Arab")
    assert both.startswith(b"\x89PNG")
    assert sheet("latn, Arab") == both != sheet("Latn")


def test_repertoires_are_printed_or_written(
    dataset_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = run("repertoires", dataset_file)
    assert few.exit_code == 2
    assert "have a label in common" in few.stderr
    monkeypatch.setattr(repertoires, "FEWEST_FAMILIES", 2)
    printed = run("repertoires", dataset_file)
    assert printed.stdout.splitlines()[1].startswith("families\t")
    assert run("repertoires", dataset_file, "--out", tmp_path / "out.tsv").exit_code == 0
    assert (tmp_path / "out.tsv").read_text(encoding="utf-8") == printed.stdout
    lost = run("repertoires", dataset_file, "--out", tmp_path / "nowhere" / "out.tsv")
    assert (lost.exit_code, "cannot be written" in lost.stderr) == (2, True)


@pytest.mark.parametrize(("verb", "option"), [("build", "--workers"), ("thin", "--validation")])
def test_a_number_below_nothing_is_refused(verb: str, option: str) -> None:
    done = run(verb, "nowhere", option, -1)
    assert done.exit_code == 2
    assert f"Invalid value for '{option}'" in done.stderr
