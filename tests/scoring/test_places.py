from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from glyphs.dataset.build import find_fonts
from glyphs.errors import BadFont, BadInput
from scoring import places


@pytest.fixture
def folder(font_dir: Path, tmp_path: Path) -> Path:
    """Fonts with names that are special in addresses, and what is no font."""
    for name in ("b.otf", "a c/50%.TTF", "a c/x#y?.ttf", "a/z.woff", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(font_dir / "sans.ttf", tmp_path / name)
    return tmp_path


def test_a_text_is_an_address_only_where_it_begins_as_one() -> None:
    assert places.place("fonts/A.ttf") == Path("fonts/A.ttf")
    assert places.place("s3://bucket/My fonts/") == "s3://bucket/My%20fonts/"


def test_a_name_tells_no_secret() -> None:
    address = "s3://key:secret@bucket/a%20b/c.ttf?region=eu-west-1"
    assert places.name(address) == "s3://bucket/a b/c.ttf"
    assert places.name(Path("fonts/A.ttf")) == "fonts/A.ttf"


def test_paths_are_found_as_everywhere(folder: Path) -> None:
    assert places.find([folder]) == find_fonts([folder])


def test_an_address_finds_what_its_folder_does_in_the_same_order(folder: Path) -> None:
    pytest.importorskip("pyarrow")
    for address in (f"file://{folder}", f"file://{folder}/"):
        found = places.find([address])
        assert [places.name(font) for font in found] == [f"file://{path}" for path in find_fonts([folder])]
        assert {places.read(font) for font in found} == {(folder / "b.otf").read_bytes()}
    assert places.find([found[0]]) == [found[0]]


def test_what_only_fsspec_knows_is_found_too(folder: Path) -> None:
    pytest.importorskip("pyarrow")
    system = pytest.importorskip("fsspec").filesystem("memory")
    system.put(str(folder / "a c"), "/of-test/fonts/a c", recursive=True)
    found = places.find(["memory://of-test/fonts"])
    assert found == ["memory://of-test/fonts/a%20c/50%25.TTF", "memory://of-test/fonts/a%20c/x%23y%3F.ttf"]
    assert places.read(found[0]) == (folder / "b.otf").read_bytes()


def test_a_place_that_cannot_be_used_is_an_error_that_names_it(folder: Path) -> None:
    pytest.importorskip("pyarrow")
    (folder / "empty").mkdir()
    with pytest.raises(BadInput, match=r"There is no file:///nowhere/x\."):
        places.find(["file:///nowhere/x"])
    with pytest.raises(BadInput, match="No fonts were found"):
        places.find([f"file://{folder}/empty"])
    with pytest.raises(BadInput, match="gopher://a/b cannot be read"):
        places.find(["gopher://a/b"])
    with pytest.raises(BadFont, match="It cannot be read"):
        places.read("file:///nowhere/x.ttf")
