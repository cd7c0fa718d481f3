from __future__ import annotations

from pathlib import Path

import pytest

from glyphs.errors import BadInput
from glyphs.folders import is_free, put, replacing


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
    def is_ours(folder: Path) -> bool:
        return (folder / "mark.json").exists()

    assert is_free(tmp_path / "nothing", is_ours)
    (tmp_path / "empty").mkdir()
    assert is_free(tmp_path / "empty", is_ours)
    (tmp_path / "empty" / "holiday.jpg").touch()
    assert not is_free(tmp_path / "empty", is_ours)
    (tmp_path / "empty" / "mark.json").touch()
    assert is_free(tmp_path / "empty", is_ours)
    (tmp_path / "file").touch()
    assert not is_free(tmp_path / "file", is_ours)


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path, there: bool) -> None:
    target, link = tmp_path / "store" / "bundle-1", tmp_path / "current"
    target.parent.mkdir()
    if there:
        target.mkdir()
        (target / "old.txt").touch()
    link.symlink_to(target)
    with replacing(link) as work:
        (work / "new.txt").touch()
    assert link.is_symlink()
    assert [file.name for file in target.iterdir()] == ["new.txt"]
    assert [file.name for file in target.parent.iterdir()] == ["bundle-1"]


@pytest.mark.parametrize("folder", [".", "..", "/"])
def test_where_somebody_works_nothing_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    inside = tmp_path / "outer" / "inner"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    with pytest.raises(BadInput, match="where you work"), replacing(Path(folder)):
        pytest.fail("it was begun")
    assert list(tmp_path.rglob("*")) == [inside.parent, inside]


def test_a_place_that_cannot_be_written_is_bad_input_and_an_error_within_stays_what_it_is(
    tmp_path: Path,
) -> None:
    (tmp_path / "x.db").touch()
    with pytest.raises(BadInput, match=r"x\.db/y cannot be written: "), replacing(tmp_path / "x.db" / "y"):
        pytest.fail("it was begun")
    with pytest.raises(OSError, match="mine"), replacing(tmp_path / "new"):
        raise OSError("mine")
    assert [path.name for path in tmp_path.iterdir()] == ["x.db"]


def test_of_a_link_to_a_file_what_it_leads_to_is_written(tmp_path: Path) -> None:
    target, link = tmp_path / "store" / "a.pdf", tmp_path / "a.pdf"
    target.parent.mkdir()
    link.symlink_to(target)
    for content in (b"new", b"newer"):
        put(content, link)
        assert link.is_symlink()
        assert target.read_bytes() == content
    assert [file.name for file in target.parent.iterdir()] == ["a.pdf"]
