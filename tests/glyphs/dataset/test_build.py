"""Fonts become a dataset."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from glyphs.dataset.build import PLACEHOLDER_LABELS, Progress, build, find_fonts
from glyphs.dataset.store import Dataset
from glyphs.errors import BadDataset
from glyphs.labels import Form, Label
from glyphs.splits import Split

FEW = ("didone.otf", "didone.pfb", "kufi.otf", "mono.otf", "naskh.ttf")


def build_whole(paths: list[Path], out: Path, workers: int = 1) -> list[Progress]:
    return list(build(paths, out, workers=workers))


def square(side: int, left: int = 0) -> list[list[tuple[int, int]]]:
    return [[(left, 0), (left, side), (left + side, side), (left + side, 0)]]


@pytest.fixture(scope="module")
def few(font_dir: Path) -> list[Path]:
    """A few of the test fonts."""
    return [font_dir / name for name in FEW]


@pytest.fixture(scope="module")
def few_digest(few: list[Path], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The digest of a dataset of the few fonts, built in one go."""
    out = tmp_path_factory.mktemp("few") / "glyphs.db"
    build_whole(few, out)
    with Dataset.open(out) as dataset:
        return dataset.digest


def test_the_test_fonts_become_the_dataset_they_should(
    small_dataset: Dataset, font_files: list[Path]
) -> None:
    summary = small_dataset.summary()
    assert summary["families"] == 10
    assert summary["fonts"] == len(font_files) + 2  # three named instances of one file
    assert summary["excluded"] == summary["rejected"] == 0
    assert summary["glyphs"] == 2171
    assert summary["positional"] == 144
    assert summary["splits"] == {"test": 2, "train": 7, "validation": 1}
    assert {row["script"] for row in summary["scripts"]} >= {"Latn", "Grek", "Cyrl", "Arab", "Phag", "Zyyy"}
    assert sum(row["glyphs"] for row in summary["classes"]) == summary["glyphs"]


def test_families_fall_into_the_splits_their_names_say(small_dataset: Dataset) -> None:
    splits = {name.removeprefix("Glyphery Test "): split for _, name, split, _ in small_dataset.families()}
    assert {name for name, split in splits.items() if split == Split.TEST} == {"Didone", "Maghribi"}
    assert {name for name, split in splits.items() if split == Split.VALIDATION} == {"Mono"}


def test_every_family_with_a_form_has_its_label(small_dataset: Dataset) -> None:
    table, ids = small_dataset.table(), small_dataset.label_ids()
    arabic = 4
    for form in (Form.ISOL, Form.INIT, Form.MEDI, Form.FINA):
        assert len(set(table.family[table.label == ids[Label(0x639, form)]].tolist())) == arabic


def test_controls_and_separators_are_left_out(small_dataset: Dataset) -> None:
    assert not {Label(0x20), Label(0x200D), Label(0xA0)} & set(small_dataset.label_ids())


def test_fonts_keep_their_licence_and_style(small_dataset: Dataset) -> None:
    assert ("Glyphery Test Variable", "Black") in small_dataset.fonts().values()
    with closing(sqlite3.connect(small_dataset.path)) as file:
        licences = dict(file.execute("SELECT file, licence FROM fonts"))
    assert "SIL Open Font License" in licences["sans.ttf"]
    assert all(licences[name] for name in licences.keys() - {"didone.pfb"})


@pytest.mark.parametrize("workers", [1, 2])
def test_building_again_gives_the_same_content(
    few: list[Path], few_digest: str, tmp_path: Path, workers: int
) -> None:
    build_whole(few, tmp_path / "glyphs.db", workers)
    with Dataset.open(tmp_path / "glyphs.db") as dataset:
        assert dataset.digest == dataset.content_digest() == few_digest


def test_an_interrupted_build_is_unfinished_and_goes_on_where_it_stopped(
    few: list[Path], few_digest: str, tmp_path: Path
) -> None:
    out = tmp_path / "glyphs.db"
    steps = build(few, out, workers=1)
    first = [next(steps), next(steps)]
    steps.close()
    with pytest.raises(BadDataset, match="unfinished"):
        Dataset.open(out)
    rest = build_whole(few, out)
    assert [step.done for step in rest] == [1, 2, 3, 4, 5]
    assert rest[0].glyphs == rest[1].glyphs == first[1].glyphs  # read before, not read again
    with Dataset.open(out) as dataset:
        assert dataset.digest == few_digest


def test_fonts_added_later_give_the_content_of_one_build(
    few: list[Path], few_digest: str, tmp_path: Path
) -> None:
    out = tmp_path / "glyphs.db"
    build_whole(few[3:], out)
    build_whole(few[:3], out)
    with Dataset.open(out) as dataset:
        assert dataset.digest == few_digest


def test_a_finished_dataset_stays_so_until_a_font_is_added(few: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "glyphs.db"
    build_whole(few[:1], out)
    steps = build(few[:2], out, workers=1)
    next(steps)  # read before
    Dataset.open(out).close()
    next(steps)
    with pytest.raises(BadDataset, match="unfinished"):
        Dataset.open(out)
    steps.close()


def test_fonts_are_added_to_a_part_of_a_dataset(
    small_dataset: Dataset, make_font: Callable[..., Path], tmp_path: Path
) -> None:
    out = tmp_path / "glyphs.db"
    table = small_dataset.table()
    some = table.take(np.arange(0, len(table), 7))  # numbers of labels and shapes have gaps
    small_dataset.copy(out, some)
    fonts = len(set(some.font.tolist()))
    font = make_font("added.ttf", "Added", {0x1401: square(500), 0x1402: square(300)})
    assert build_whole([font], out)[-1].glyphs == len(some) + 2
    with Dataset.open(out) as dataset:
        assert dataset.count("fonts") == fonts + 1
        assert {Label(0x1401), Label(0x1402)} <= set(dataset.label_ids())


FIND = """
from pathlib import Path
from glyphs.dataset.build import find_fonts
from glyphs.errors import BadDataset
try:
    print(find_fonts([Path("fonts")]))
except BadDataset as error:
    print(error.message)
"""


def test_a_folder_that_cannot_be_looked_into_is_not_passed_over(
    font_dir: Path, tmp_path: Path, unprivileged: list[str]
) -> None:
    for name in ("open", "locked"):
        (tmp_path / "fonts" / name).mkdir(parents=True)
        shutil.copy(font_dir / "sans.ttf", tmp_path / "fonts" / name)
    (tmp_path / "fonts" / "locked").chmod(0)
    command = [*unprivileged, sys.executable, "-c", FIND]
    said = subprocess.check_output(command, cwd=tmp_path, text=True)
    (tmp_path / "fonts" / "locked").chmod(0o700)
    assert said == "fonts/locked cannot be looked at: Permission denied.\n"
    with pytest.raises(BadDataset, match="too long"):
        find_fonts([Path("a" * 300)])


def test_a_build_whose_process_dies_ends_and_can_be_gone_on_with(tmp_path: Path) -> None:
    fonts = tmp_path / "fonts"
    fonts.mkdir()
    for number in range(50):
        (fonts / f"{number}.ttf").write_text(f"{number}, no font")
    steps = build([fonts], tmp_path / "glyphs.db", workers=1)
    next(steps)
    for process in multiprocessing.active_children():
        process.kill()
    with pytest.raises(BadDataset, match="died"):
        list(steps)
    steps = build([fonts], tmp_path / "glyphs.db", workers=1)
    assert [next(steps).done for _ in range(50)] == list(range(1, 51))


BUILD = """
import signal
import sys
from pathlib import Path
from glyphs.dataset.build import build
signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever the tests run under
try:
    for step in build([Path("fonts")], Path("glyphs.db"), workers=1):
        print(step.done, flush=True)
except KeyboardInterrupt:
    sys.exit("Aborted.")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_build_that_is_ended_ends_its_process_in_silence(
    font_dir: Path, tmp_path: Path, number: signal.Signals
) -> None:
    (tmp_path / "fonts").mkdir()
    for copy in range(100):
        shutil.copy(font_dir / "sans.ttf", tmp_path / "fonts" / f"{copy}.ttf")
    run = subprocess.Popen(
        [sys.executable, "-c", BUILD], cwd=tmp_path, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert run.stdout is not None
    run.stdout.readline()  # its process is at work
    if number == signal.SIGINT:
        os.killpg(run.pid, number)  # as a terminal does
    else:
        run.kill()
    _, said = run.communicate(timeout=300)  # which waits for all that could still say something
    assert "Traceback" not in said
    assert ("Aborted." in said) == (number == signal.SIGINT)


def test_a_copy_of_a_font_adds_nothing(few: list[Path], few_digest: str, tmp_path: Path) -> None:
    shutil.copy(few[0], tmp_path / "copy.otf")
    build_whole([*few, tmp_path], tmp_path / "glyphs.db")
    with Dataset.open(tmp_path / "glyphs.db") as dataset:
        assert dataset.digest == few_digest


def test_broken_files_are_each_named_with_a_reason_and_the_good_are_stored(
    few: list[Path], few_digest: str, tmp_path: Path
) -> None:
    fonts = tmp_path / "fonts"
    fonts.mkdir()
    for font in few:
        shutil.copy(font, fonts)
    whole = few[4].read_bytes()
    noise = random.Random(1).randbytes
    broken = {
        "empty.ttf": b"",
        "empty too.ttf": b"",
        "truncated.ttf": whole[:300],
        "text.otf": b"This is no font.",
        "noise.ttf": noise(2000),
        "noise.woff2": b"wOF2" + noise(2000),
        "noise.pfb": b"%!PS-AdobeFont-1.0" + noise(2000),
    }
    for name, data in broken.items():
        (fonts / name).write_bytes(data)
    (fonts / "folder.ttf").mkdir()
    out = tmp_path / "glyphs.db"
    for _ in ("first", "again"):
        steps = build_whole([fonts], out)
        assert {Path(step.file).name for step in steps if step.reason} == set(broken)
        assert steps[-1].total == len(few) + len(broken)
        with Dataset.open(out) as dataset:
            rejects = dict(dataset.rejects())
            assert {Path(file).name for file in rejects} == set(broken)
            assert all(reason.endswith(".") for reason in rejects.values())
            assert dataset.digest == few_digest


def test_a_file_that_was_mended_is_no_longer_among_the_rejected(few: list[Path], tmp_path: Path) -> None:
    out, font = tmp_path / "glyphs.db", tmp_path / "font.otf"
    font.write_text("no font")
    build_whole([few[0], font], out)
    shutil.copy(few[1], font)
    build_whole([font], out)
    with Dataset.open(out) as dataset:
        assert dataset.rejects() == []
        assert dataset.count("fonts") == 2


def test_a_link_to_nowhere_is_no_font(tmp_path: Path) -> None:
    (tmp_path / "dangling.ttf").symlink_to(tmp_path / "nowhere.ttf")
    (tmp_path / "empty.ttf").touch()
    assert find_fonts([tmp_path]) == [tmp_path / "empty.ttf"]


def test_files_without_one_usable_font_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.ttf").write_text("no font")
    with pytest.raises(BadDataset, match="Not one"):
        build_whole([tmp_path / "text.ttf"], tmp_path / "glyphs.db")
    with pytest.raises(BadDataset, match="unfinished"):
        Dataset.open(tmp_path / "glyphs.db")


def test_building_into_something_else_is_refused(few: list[Path], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("Notes, dear to somebody. " * 50)
    with pytest.raises(BadDataset):
        build_whole(few, tmp_path / "notes.txt")
    assert (tmp_path / "notes.txt").read_text().startswith("Notes")


def test_fonts_are_found_below_folders_sorted_and_once(font_dir: Path, font_files: list[Path]) -> None:
    assert find_fonts([font_dir]) == font_files
    below = [font_dir.parent / "embedded.ttf", *font_files]
    assert find_fonts([font_dir.parent, font_dir, font_files[3]]) == below


def test_a_file_named_outright_need_not_look_like_a_font(few: list[Path], tmp_path: Path) -> None:
    shutil.copy(few[0], tmp_path / "upload.bin")
    assert find_fonts([tmp_path / "upload.bin"]) == [tmp_path / "upload.bin"]
    with pytest.raises(BadDataset, match="No fonts"):
        find_fonts([tmp_path])


def test_a_path_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadDataset, match="There is no"):
        find_fonts([tmp_path / "missing"])


@pytest.mark.parametrize(("uses", "kept"), [(PLACEHOLDER_LABELS, True), (PLACEHOLDER_LABELS + 1, False)])
def test_one_shape_for_too_many_labels_stands_for_no_glyph(
    make_font: Callable[..., Path], tmp_path: Path, uses: int, kept: bool
) -> None:
    boxes = {ord("A") + number: square(500) for number in range(uses)}
    font = make_font("boxes.ttf", "Boxes", boxes | {ord("z"): square(100), ord("y"): square(100)})
    build_whole([font], tmp_path / "glyphs.db")
    with Dataset.open(tmp_path / "glyphs.db") as dataset:
        labels = set(dataset.label_ids())
    assert {Label(ord("z")), Label(ord("y"))} <= labels
    assert len(labels) == 2 + uses * kept


def test_scripts_can_be_left_out(font_dir: Path, tmp_path: Path) -> None:
    steps = build(
        [font_dir / "sans.ttf"], tmp_path / "glyphs.db", workers=1, skipped_scripts=frozenset({"Grek"})
    )
    assert len(list(steps)) == 1
    with Dataset.open(tmp_path / "glyphs.db") as dataset:
        scripts = {label.character.script for label in dataset.label_ids()}
    assert {"Latn", "Cyrl"} <= scripts
    assert "Grek" not in scripts
