from __future__ import annotations

from pathlib import Path

import pytest

from glyphs.folders import is_free, replacing


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "report"
    for content in ("first", "second"):
        with replacing(folder) as work:
            (work / f"{content}.txt").write_text(content)
    assert [file.name for file in folder.iterdir()] == ["second.txt"]
    assert [file.name for file in folder.parent.iterdir()] == ["report"]


def test_what_fails_half_way_leaves_what_was_there(tmp_path: Path) -> None:
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / "old.txt").write_text("old")
    with pytest.raises(FileNotFoundError), replacing(folder) as work:
        (work / "new.txt").write_text((work / "nothing").read_text())
    assert [file.name for file in folder.iterdir()] == ["old.txt"]
    assert [file.name for file in tmp_path.iterdir()] == ["report"]


def test_only_nothing_or_its_like_may_be_replaced(tmp_path: Path) -> None:
    assert is_free(tmp_path / "nothing", "mark.json")
    (tmp_path / "empty").mkdir()
    assert is_free(tmp_path / "empty", "mark.json")
    (tmp_path / "empty" / "holiday.jpg").touch()
    assert not is_free(tmp_path / "empty", "mark.json")
    (tmp_path / "empty" / "mark.json").touch()
    assert is_free(tmp_path / "empty", "mark.json")
    (tmp_path / "file").touch()
    assert not is_free(tmp_path / "file", "mark.json")
