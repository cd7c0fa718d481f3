from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from glyphs.dataset.folder import family_and_label, import_rasters, read_chars
from glyphs.dataset.store import Dataset
from glyphs.errors import BadDataset
from glyphs.labels import Form, Label

AIN = Label(0x639, Form.INIT)


def _draw(path: Path, width: int = 8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.new("L", (64, 64), 255)
    ImageDraw.Draw(picture).line((32, 6, 32, 58), fill=0, width=width)
    picture.save(path)


def _chars(folder: Path, rows: str = "65,65\n65227_init,1593\nomega,U+03A9\n") -> Path:
    path = folder / "chars.csv"
    path.write_text("label,base_unicode\n" + rows, encoding="utf-8")
    return path


@pytest.mark.parametrize("base", ["1593", "U+0639", "0x639", "ع", "65227"])
def test_a_base_letter_may_be_written_in_every_usual_way(tmp_path: Path, base: str) -> None:
    assert read_chars(_chars(tmp_path, f"65227_init,{base}\n")) == {"65227_init": AIN}


def test_a_label_may_be_listed_twice_where_it_is_the_same(tmp_path: Path) -> None:
    assert read_chars(_chars(tmp_path, "A,65\nA,U+0041\n")) == {"A": Label(65)}


@pytest.mark.parametrize("digit", ["5", "٣"])
def test_a_single_digit_is_that_character(tmp_path: Path, digit: str) -> None:
    assert read_chars(_chars(tmp_path, f"digit,{digit}\n")) == {"digit": Label(ord(digit))}


def test_rasters_are_found_by_their_names_and_by_their_folders(tmp_path: Path) -> None:
    rasters = tmp_path / "rasters"
    for name in ("Amiri_65227_init.png", "Amiri_65.png", "omega/Lato.png", "omega/Karla.png", "65/Lato.jpg"):
        _draw(rasters / name)
    out = tmp_path / "glyphs.db"
    steps = list(import_rasters(rasters, _chars(tmp_path), out))
    assert steps[-1].glyphs == 5
    with Dataset.open(out) as dataset:
        assert {name for _, name, _, _ in dataset.families()} == {"Amiri", "Lato", "Karla"}
        assert set(dataset.labels().values()) == {Label(65), AIN, Label(0x3A9)}


@pytest.mark.parametrize(
    ("file", "family", "label"),
    [
        ("65/img_100.png", "img_100", "65"),
        ("65/100.png", "100", "65"),
        ("1593/Amiri_1593_init.png", "Amiri", "1593_init"),
        ("1593/Amiri.png", "Amiri", "1593"),
        ("1593_init/Amiri_1593.png", "Amiri_1593", "1593_init"),
        ("rasters/Amiri_1593_init.png", "Amiri", "1593_init"),
        ("rasters/65-100.png", "65", "100"),
    ],
)
def test_a_folder_that_is_a_label_decides(file: str, family: str, label: str) -> None:
    assert family_and_label(Path(file), {"65", "100", "1593", "1593_init"}) == (family, label)


def test_unusable_rasters_are_named_and_the_others_kept(tmp_path: Path) -> None:
    rasters = tmp_path / "rasters"
    _draw(rasters / "Lato_65.png")
    _draw(rasters / "Lato_nolabel.png")
    Image.new("L", (64, 64), 255).save(rasters / "blank_65.png")
    (rasters / "broken_65.png").write_bytes(b"\x89PNG broken")
    out = tmp_path / "glyphs.db"
    reasons = {step.file: step.reason for step in import_rasters(rasters, _chars(tmp_path), out)}
    assert reasons.pop("Lato_65.png") is None
    assert all(reasons.values())
    with Dataset.open(out) as dataset:
        assert [Path(file).name for file, _ in dataset.rejects()] == [
            "Lato_nolabel.png", "blank_65.png", "broken_65.png"
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("65,sixty-five\n", "line 2: 'sixty-five' is no code point. Write 1593"),
        ("65,U+\n", "line 2: 'U.' is no code point"),
        ("alef,0627\n", "line 2: 0627 may be hexadecimal or decimal. Write U.0627 or 627."),
        ("a,65\nb,66\na,66\n", "line 4: 'a' was another label above"),
        ("65,65\n66,1114112\n", "line 3"),
        ("65\n", "line 2"),
        ("65,65\n,66\n", "line 3"),
        ("", "at least one row"),
    ],
)
def test_a_mistake_in_chars_csv_is_named_with_its_line(tmp_path: Path, rows: str, said: str) -> None:
    with pytest.raises(BadDataset, match=said):
        read_chars(_chars(tmp_path, rows))


def test_a_second_raster_of_one_family_and_label_is_named_and_not_lost_in_silence(tmp_path: Path) -> None:
    rasters = tmp_path / "rasters"
    _draw(rasters / "Lato_65.png", width=4)
    _draw(rasters / "more" / "Lato_65.png", width=12)
    steps = list(import_rasters(rasters, _chars(tmp_path), tmp_path / "glyphs.db"))
    assert [step.reason is None for step in steps] == [True, False]
    assert steps[-1].glyphs == 1


def test_the_same_picture_may_be_of_several_families_and_labels(tmp_path: Path) -> None:
    rasters = tmp_path / "rasters"
    for name in ("65/first.png", "65/second.png", "omega/third.png"):
        _draw(rasters / name)
    steps = list(import_rasters(rasters, _chars(tmp_path), tmp_path / "glyphs.db"))
    assert not [step.reason for step in steps if step.reason]
    with Dataset.open(tmp_path / "glyphs.db") as dataset:
        summary = dataset.summary()
    assert [summary[rows] for rows in ("glyphs", "fonts", "labels", "shapes")] == [3, 3, 2, 1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["chars.csv", "glyphs.db", "rasters"]


def test_nothing_is_written_where_nothing_can_be_used(tmp_path: Path) -> None:
    rasters = tmp_path / "rasters"
    _draw(rasters / "unlabelled.png")
    with pytest.raises(BadDataset, match="None of the 1"):
        list(import_rasters(rasters, _chars(tmp_path), tmp_path / "glyphs.db"))
    assert not (tmp_path / "glyphs.db").exists()


def test_an_existing_dataset_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "glyphs.db").write_text("precious")
    _draw(tmp_path / "rasters" / "Lato_65.png")
    with pytest.raises(BadDataset, match="exists"):
        list(import_rasters(tmp_path / "rasters", _chars(tmp_path), tmp_path / "glyphs.db"))
    assert (tmp_path / "glyphs.db").read_text() == "precious"
