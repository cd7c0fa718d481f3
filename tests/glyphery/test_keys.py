"""Keys are made, listed and revoked; the file keeps their hashes alone."""

from __future__ import annotations

import stat
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from glyphery.keys import add, app
from glyphs.errors import BadInput
from service.errors import BadSettings
from service.keys import find_key, read_keys


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.txt"


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


def _add(file: Path, name: str, *options: str) -> str:
    done = _run("add", name, "--file", file, *options)
    assert done.exit_code == 0, done.exception
    return done.stdout.strip()


def test_a_new_key_is_printed_once_and_kept_as_its_hash(file: Path) -> None:
    token = _add(file, "press")
    assert len(token) == 43  # 32 bytes in base64
    assert token not in file.read_text()
    key = find_key(read_keys(file), token)
    assert key is not None
    assert (key.name, key.admin) == ("press", False)


def test_the_file_is_for_its_owner_alone_unless_its_mode_is_changed(file: Path) -> None:
    _add(file, "press")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.chmod(0o640)
    _add(file, "editor")
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert list(file.parent.iterdir()) == [file]


def test_an_admin_key_is_marked(file: Path) -> None:
    token = _add(file, "operator", "--admin")
    key = find_key(read_keys(file), token)
    assert key is not None
    assert key.admin
    assert file.read_text().endswith(":admin\n")


def test_keys_are_listed_without_their_secrets(file: Path) -> None:
    tokens = _add(file, "press"), _add(file, "operator", "--admin")
    shown = _run("list", "--file", file).stdout
    assert "press" in shown
    assert "operator" in shown
    assert not any(token in shown for token in tokens)
    assert not any(key.digest in shown for key in read_keys(file))


def test_removing_a_key_leaves_the_others_and_the_comments(file: Path) -> None:
    file.write_text("# the press room\n")
    gone, stays = _add(file, "press"), _add(file, "press-2")
    assert _run("remove", "press", "--file", file).exit_code == 0
    assert file.read_text().startswith("# the press room\n")
    keys = read_keys(file)
    assert find_key(keys, gone) is None
    assert find_key(keys, stays) == keys[0]


def test_a_link_stays_and_the_file_that_it_leads_to_is_changed(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link" / "keys.txt"
    link.parent.mkdir()
    link.symlink_to(file)
    gone, stays = _add(link, "press"), _add(link, "press-2")
    assert find_key(read_keys(file), gone) is not None
    assert _run("remove", "press", "--file", link).exit_code == 0
    assert link.is_symlink()
    keys = read_keys(file)
    assert find_key(keys, gone) is None
    assert find_key(keys, stays) == keys[0]


def test_keys_that_are_added_at_once_are_all_there(file: Path) -> None:
    names = {f"press-{number}" for number in range(8)}
    adding = [threading.Thread(target=add, args=(name, file)) for name in names]
    for thread in adding:
        thread.start()
    for thread in adding:
        thread.join()
    assert {key.name for key in read_keys(file)} == names
    assert list(file.parent.iterdir()) == [file]


def test_nothing_is_left_of_a_file_for_which_there_is_no_place(small_disk: Path) -> None:
    file = small_disk / "keys.txt"
    _add(file, "press")
    before = file.read_text()
    with suppress(OSError):
        (small_disk / "filler").write_bytes(bytes(2**23))
    assert isinstance(_run("add", "editor", "--file", file).exception, OSError)
    assert file.read_text() == before
    assert {path.name for path in small_disk.iterdir()} == {"keys.txt", "filler"}


def test_the_environment_says_which_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLYPHERY_KEYS", str(file))
    assert _run("add", "press").exit_code == 0
    assert [key.name for key in read_keys(file)] == ["press"]


@pytest.mark.parametrize("name", ["", "a:b", "a b", "#a", "é", "a" * 65])
def test_a_name_that_would_break_the_file_is_refused(file: Path, name: str) -> None:
    assert isinstance(_run("add", name, "--file", file).exception, BadSettings)
    assert not file.exists()


def test_what_cannot_be_done_is_refused_and_changes_nothing(file: Path, tmp_path: Path) -> None:
    _add(file, "press")
    before = file.read_text()
    assert isinstance(_run("add", "press", "--file", file).exception, BadInput)
    assert isinstance(_run("remove", "nobody", "--file", file).exception, BadInput)
    assert file.read_text() == before
    assert isinstance(_run("list", "--file", tmp_path / "none").exception, BadSettings)
    assert isinstance(_run("add", "press", "--file", tmp_path / "no" / "keys.txt").exception, BadInput)


def test_a_broken_file_is_never_written_over(file: Path) -> None:
    file.write_text("not a key\n")
    assert isinstance(_run("add", "press", "--file", file).exception, BadSettings)
    assert file.read_text() == "not a key\n"
