"""Files that are whole or not there."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from glyphs.errors import BadInput
from scoring.baseline import NewBaseline
from scoring.reports.html import Page
from scoring.reports.lines import Csv, JsonLines
from scoring.reports.markdown import Markdown
from scoring.reports.pages import Pages
from scoring.reports.report import Report, write
from scoring.reports.summary import Summary
from tests.scoring.records import font, small_font

REPORTS: dict[str, Callable[[Path], Report]] = {
    "lines": JsonLines,
    "csv": Csv,
    "summary": lambda path: Summary(path, {}),
    "markdown": Markdown,
    "pages": Pages,
    "page": Page,
}


@pytest.mark.parametrize("kind", REPORTS)
def test_a_report_is_there_when_it_is_closed_and_not_before(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "new folder" / "report"
    with REPORTS[kind](place) as report:
        report.add(small_font())
        assert not place.exists()
    assert place.exists()
    assert [path.name for path in place.parent.iterdir()] == ["report"]


@pytest.mark.parametrize("kind", REPORTS)
@pytest.mark.parametrize("letter", ["x", "é", "字"])
def test_a_report_may_be_called_as_long_as_names_can_be_and_longer_is_told_at_once(
    tmp_path: Path, kind: str, letter: str
) -> None:
    longest = letter * (255 // len(letter.encode()))
    with REPORTS[kind](tmp_path / longest) as report:
        report.add(small_font())
    assert [path.name for path in tmp_path.iterdir()] == [longest]
    with pytest.raises((BadInput, OSError), match="name too long"):  # a line to people, both
        REPORTS[kind](tmp_path / f"{longest}{letter}")


@pytest.mark.parametrize("kind", REPORTS)
def test_a_report_that_is_interrupted_leaves_the_one_before_it_and_nothing_else(
    tmp_path: Path, kind: str
) -> None:
    place = tmp_path / "report"
    with REPORTS[kind](place) as report:
        report.add(font())
    before = _content(place)
    with suppress(KeyboardInterrupt), REPORTS[kind](place) as report:
        report.add(small_font())
        raise KeyboardInterrupt
    assert _content(place) == before
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


@pytest.mark.parametrize("kind", REPORTS)
def test_a_report_takes_the_place_of_the_one_before_it(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "report"
    contents = []
    for score in (font(), small_font(), small_font()):
        with REPORTS[kind](place) as report:
            report.add(score)
        contents.append(_content(place))
    assert contents[0] != contents[1] == contents[2]


@pytest.mark.parametrize("kind", REPORTS)
def test_a_report_that_is_forgotten_leaves_nothing(tmp_path: Path, kind: str) -> None:
    report = REPORTS[kind](tmp_path / "report")
    report.add(small_font())
    del report
    gc.collect()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", [kind for kind in REPORTS if kind != "pages"] + ["baseline"])
def test_a_place_that_cannot_be_written_is_said_at_once(tmp_path: Path, kind: str) -> None:
    report = REPORTS.get(kind, NewBaseline)
    (tmp_path / "folder").mkdir()
    with pytest.raises(BadInput, match="is a folder"):
        report(tmp_path / "folder")
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match=r"file/x cannot be written: "):
        report(tmp_path / "file" / "x")


def test_a_place_that_cannot_be_written_any_more_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="report cannot be written: "), JsonLines(tmp_path / "report"):
        (tmp_path / "report").mkdir()
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_a_page_is_of_one_font(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="one font"):
        Page(tmp_path / "page.html", fonts=2)
    report = Page(tmp_path / "page.html")
    report.add(small_font())
    with pytest.raises(BadInput, match="one font"):
        report.add(small_font())


@pytest.mark.parametrize(("file", "text"), [("letter.txt", "dear"), ("index.html", "<title>Home</title>")])
def test_a_folder_of_something_else_is_never_replaced(tmp_path: Path, file: str, text: str) -> None:
    (tmp_path / file).write_text(text)
    with pytest.raises(BadInput, match="holds no pages"):
        Pages(tmp_path)
    assert (tmp_path / file).read_text() == text


def test_a_folder_whose_index_is_the_page_of_one_font_is_never_replaced(tmp_path: Path) -> None:
    with Page(tmp_path / "index.html") as page:
        page.add(small_font())
    with pytest.raises(BadInput, match="holds no pages"):
        Pages(tmp_path)


def test_a_text_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(BadInput, match="is a folder"):
        write(tmp_path / "folder", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_file_is_readable_by_whom_files_usually_are(tmp_path: Path) -> None:
    write(tmp_path / "ours", "text")
    (tmp_path / "usual").touch()
    assert os.stat(tmp_path / "ours").st_mode == os.stat(tmp_path / "usual").st_mode


def _content(place: Path) -> dict[str, bytes]:
    files = place.iterdir() if place.is_dir() else [place]
    return {file.name: file.read_bytes() for file in files}


def test_what_is_no_file_is_not_replaced_and_a_link_stays(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    pipe, file = tmp_path / "pipe", tmp_path / "file"
    for link, target in (("to a pipe", pipe), ("to a file", file)):
        (tmp_path / link).symlink_to(target)
    for place in (pipe, tmp_path / "to a pipe"):  # such as /dev/stdout
        with pytest.raises(BadInput, match="is no file"):
            write(place, "text")
    assert pipe.is_fifo()
    write(tmp_path / "to a file", "text")
    assert (tmp_path / "to a file").is_symlink()
    assert file.read_text() == "text"
    assert len(list(tmp_path.iterdir())) == 4
