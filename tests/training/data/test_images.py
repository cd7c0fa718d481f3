from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from glyphs.errors import BadDataset
from glyphs.labels import Form, Label
from glyphs.splits import Split
from tests.training.data.conftest import PictureMaker
from training.data.images import class_labels, open_images
from training.data.pictures import PRIVATE_USE, PictureSource


def _counts(source: PictureSource) -> dict[str, int]:
    return {str(split): len(source.table(split)) for split in Split}


@pytest.fixture
def by_class(tmp_path: Path, draw: PictureMaker) -> Path:
    """A folder of 20 pictures in each of two classes."""
    for number in range(20):
        for name in ("fox", "owl"):
            draw(tmp_path / "pictures" / name / f"{number}.png", 2 + number % 5)
    return tmp_path / "pictures"


def test_a_folder_is_a_class_and_a_hash_of_the_path_is_the_split(by_class: Path) -> None:
    source = open_images(by_class)
    assert source.names() == {Label(PRIVATE_USE): "fox", Label(PRIVATE_USE + 1): "owl"}
    counts = _counts(source)
    assert sum(counts.values()) == 40
    assert all(counts.values())
    assert source.gallery[0].shape == (128, 128)


@pytest.mark.parametrize("held_out", [("validation", "test"), ("val", "test"), ("test",), ("val",), ()])
def test_splits_that_folders_name_are_kept_and_the_others_come_from_training(
    tmp_path: Path, draw: PictureMaker, held_out: tuple[str, ...]
) -> None:
    for part in ("train", *held_out):
        for number in range(12 if part == "train" else 3):
            for name in "AB":
                draw(tmp_path / part / name / f"{number}.png")
    source = open_images(tmp_path)
    counts = _counts(source)
    assert sum(counts.values()) == 24 + 6 * len(held_out)
    assert all(counts.values())
    for part in held_out:
        assert counts["validation" if part == "val" else part] == 6


def test_an_index_for_each_class_lists_its_files(tmp_path: Path, draw: PictureMaker) -> None:
    for number in range(12):
        draw(tmp_path / "files" / f"{number}.jpg", 2 + number % 4)
    listed = [f"files/{number}.jpg" for number in range(12)]
    smile = {"good": [*listed[:4], {"file": listed[4]}, {"path": listed[5], "score": 3}], "bad": [listed[6]]}
    (tmp_path / "index_smile.json").write_text(json.dumps(smile))
    (tmp_path / "index_frown.json").write_text(
        json.dumps({"good": [*listed[6:], listed[6], "./" + listed[7]]})
    )
    source = open_images(tmp_path)
    assert list(source.names().values()) == ["frown", "smile"]
    assert np.bincount(source.label).tolist() == [6, 6]
    with pytest.raises(BadDataset, match="1 classes"):
        open_images(tmp_path / "index_smile.json")


def test_files_outside_the_folder_are_refused_by_name(tmp_path: Path, draw: PictureMaker) -> None:
    secret = draw(tmp_path / "secret.png")
    for number in range(3):
        for name in "ab":
            draw(tmp_path / "in" / name / f"{number}.png")
    (tmp_path / "in" / "a" / "link.png").symlink_to(secret)
    (tmp_path / "in" / "a" / "circle.png").symlink_to("circle.png")
    assert {name for name, _ in open_images(tmp_path / "in").rejects()} == {"a/link.png", "a/circle.png"}

    odd = [
        "../secret.png",
        str(secret),
        "a/\0.png",
        "a/\ud800.png",
        "a/" + 300 * "x",
        "a/none.png",
        "a",
        7,
        None,
    ]
    (tmp_path / "in" / "index_a.json").write_text(json.dumps({"good": [*odd, "a/0.png"]}))
    (tmp_path / "in" / "index_b.json").write_text(json.dumps({"good": ["b/0.png"]}))
    source = open_images(tmp_path / "in")
    assert len(source.rejects()) == len(odd)
    assert all(name.encode() for name, _ in source.rejects())
    assert len(source.label) == 2


def test_pictures_that_cannot_be_read_are_named_and_the_others_kept(by_class: Path) -> None:
    whole = (by_class / "fox" / "0.png").read_bytes()
    (by_class / "fox" / "half.png").write_bytes(whole[: len(whole) // 2])
    (by_class / "fox" / "text.jpg").write_text("no picture")
    (by_class / "fox" / "notes.txt").write_text("nobody asked for this")
    Image.new("L", (400, 400), 255).save(by_class / "fox" / "blank.png")
    Image.new("L", (20, 20), 255).save(by_class / "fox" / "small-blank.png")
    (by_class / "fox" / "folder.png").mkdir()
    source = open_images(by_class)
    rejected = dict(source.rejects())
    assert {Path(name).stem for name in rejected} == {"half", "text", "blank", "small-blank", "folder"}
    assert all(rejected.values())
    assert len(source.label) == 40


def test_pictures_are_kept_in_memory_so_a_file_that_goes_away_is_not_missed(
    tmp_path: Path, draw: PictureMaker
) -> None:
    for name in "ab":
        draw(tmp_path / name / "0.png", 20, (300, 300))
    source = open_images(tmp_path)
    (tmp_path / "b" / "0.png").unlink()
    assert source.gallery[1].max() == 255


def test_colours_are_kept_where_they_are_asked_for(by_class: Path) -> None:
    picture = open_images(by_class, colour=True).gallery[0]
    assert picture.shape == (32, 48, 3)
    assert [120, 0, 0] in picture.reshape(-1, 3).tolist()


def test_the_digest_follows_classes_and_bytes(by_class: Path, draw: PictureMaker) -> None:
    before = open_images(by_class).digest
    draw(by_class / "fox" / "0.png", 9)
    changed = open_images(by_class).digest
    os.rename(by_class / "fox" / "1.png", by_class / "owl" / "other.png")
    assert len({before, changed, open_images(by_class).digest}) == 3


def test_classes_that_are_characters_get_their_labels() -> None:
    assert class_labels(["5", "7"]) == {"5": Label(ord("5")), "7": Label(ord("7"))}
    assert class_labels(["A", "66", "U+0043", "é", "65227_init"]) == {
        "A": Label(65),
        "66": Label(66),
        "U+0043": Label(67),
        "é": Label(0xE9),
        "65227_init": Label(1593, Form.INIT),
    }


def test_numbers_are_no_code_points_unless_all_are_visible_characters() -> None:
    labels = class_labels(map(str, range(100)))
    assert len(set(labels.values())) == 100
    assert min(labels.values()).codepoint == PRIVATE_USE


def test_the_labels_of_other_classes_are_in_order_of_their_names() -> None:
    labels = class_labels(["zebra", "A", "ant", "U+0007", "cat"])
    others = sorted(set(labels) - {"A"})
    assert sorted(others, key=labels.__getitem__) == others


@pytest.mark.parametrize("text", ["", "[]", '{"good": 3}', '{"bad": []}', "[" * 100_000, "\xff"])
def test_a_broken_index_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "index_a.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(BadDataset, match=r"index_a\.json") as caught:
        open_images(tmp_path)
    assert caught.value.remedy


def test_one_class_is_too_few(tmp_path: Path, draw: PictureMaker) -> None:
    draw(tmp_path / "only" / "0.png")
    with pytest.raises(BadDataset, match="1 classes"):
        open_images(tmp_path)
