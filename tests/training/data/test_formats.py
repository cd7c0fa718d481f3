from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from glyphs.errors import BadDataset
from glyphs.labels import Label
from tests.training.data.conftest import EmnistMaker, PictureMaker
from training.data.formats import open_source
from training.data.pictures import PictureSource

MAPPING = "0 65\n1 66\n"


def test_emnist_is_opened_by_its_folder_or_by_folder_and_split(make_emnist: EmnistMaker) -> None:
    folder = make_emnist("byclass", MAPPING)
    with open_source(folder) as whole, open_source(folder / "byclass") as named:
        assert whole.digest == named.digest
        assert named.path == folder / "byclass"


def test_a_dataset_file_beside_emnist_is_a_dataset(make_emnist: EmnistMaker, dataset_file: Path) -> None:
    folder = make_emnist("byclass", MAPPING)
    (folder / "glyphs.db").symlink_to(dataset_file)
    with open_source(folder / "glyphs.db") as source:
        assert len(source.labels()) > 2


def test_rasters_are_opened_with_chars_csv_among_or_beside_them(tmp_path: Path, draw: PictureMaker) -> None:
    (tmp_path / "chars.csv").write_text("label,base_unicode\nalpha,913\nbeta,914\n")
    for label in ("alpha", "beta"):
        for family in "xyz":
            draw(tmp_path / "rasters" / f"{family}_{label}.png")
    with open_source(tmp_path) as among, open_source(tmp_path / "rasters") as beside:
        assert set(among.labels().values()) == set(beside.labels().values()) == {Label(913), Label(914)}


def test_images_are_opened_by_folder_and_in_colour_if_asked_for(tmp_path: Path, draw: PictureMaker) -> None:
    for name in ("ant", "bee"):
        draw(tmp_path / name / "0.png")
    for colour, dimensions in ((False, 2), (True, 3)):
        with open_source(tmp_path, colour=colour) as source:
            assert list(source.names().values()) == ["ant", "bee"]
            assert source.shapes([0]).get(0).ndim == dimensions  # type: ignore[union-attr]


def test_ink_has_no_colours_to_give(make_emnist: EmnistMaker, dataset_file: Path) -> None:
    for path in (make_emnist("byclass", MAPPING), dataset_file):
        with pytest.raises(BadDataset, match="channels=1"):
            open_source(path, colour=True)


def test_what_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no dataset")
    for path in (tmp_path / "none.db", tmp_path / "no" / "folder", tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(BadDataset):
            open_source(path)


def test_another_process_splits_alike(make_emnist: EmnistMaker, tmp_path: Path, draw: PictureMaker) -> None:
    for number in range(20):
        for name in "ab":
            draw(tmp_path / "images" / name / f"{number}.png")
    paths = [make_emnist("byclass", MAPPING), tmp_path / "images"]
    script = """
import sys
from pathlib import Path
from training.data import open_source
for path in sys.argv[1:]:
    source = open_source(Path(path))
    print(source.digest, *source.split)
"""
    said = subprocess.run(
        [sys.executable, "-c", script, *map(str, paths)], capture_output=True, text=True, check=True
    ).stdout
    for path, line in zip(paths, said.splitlines(), strict=True):
        source = open_source(path)
        assert isinstance(source, PictureSource)
        assert line.split() == [source.digest, *source.split]
