from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PosixPath

import pytest

from bundles import default_bundle
from glyphs.errors import BadBundle, BadInput
from scoring.local import Setup, score_all
from scoring.verdicts import Status

FONTS = ("mono.otf", "phagspa.ttf", "arabic.ttf")


@pytest.fixture(scope="module")
def setup() -> Setup:
    return Setup(default_bundle())


def test_several_processes_give_what_one_gives_and_in_order(setup: Setup, font_dir: Path) -> None:
    fonts = [font_dir / name for name in FONTS]
    alone = list(score_all(fonts, setup, 1))
    assert [score.font for score in alone] == list(map(str, fonts))
    shared = list(score_all(fonts, setup, 2))
    assert [score.to_json() for score in shared] == [score.to_json() for score in alone]


def test_a_file_that_is_gone_is_an_error_of_its_own(setup: Setup, font_dir: Path, tmp_path: Path) -> None:
    gone, there = score_all([tmp_path / "gone.ttf", font_dir / "phagspa.ttf"], setup, 1)
    assert gone.status is Status.ERROR
    assert there.status is not Status.ERROR


def test_a_broken_bundle_is_said_before_any_font(font_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(BadBundle):
        next(score_all([font_dir / name for name in FONTS], Setup(tmp_path), 2))


def test_who_has_heard_enough_can_leave(setup: Setup, font_dir: Path) -> None:
    scores = score_all([font_dir / "phagspa.ttf"] * 6, setup, 2)
    assert next(scores).status is not Status.ERROR
    scores.close()  # type: ignore[attr-defined]


class Deadly(PosixPath):
    """A path that ends whatever process of a pool opens it."""

    def __fspath__(self) -> str:
        if multiprocessing.parent_process() is not None:
            os.kill(os.getpid(), signal.SIGKILL)
        return str(self)


def test_a_font_that_ends_processes_is_an_error_of_its_own(font_dir: Path) -> None:
    fonts = [Deadly("deadly.ttf"), *[font_dir / "phagspa.ttf"] * 4]
    deadly, first, *others = score_all(fonts, Setup(Path("unified_mlp")), 2)
    assert (deadly.font, deadly.status) == ("deadly.ttf", Status.ERROR)
    assert first.status is not Status.ERROR
    assert others == [first] * 3


def test_processes_that_die_as_they_start_are_said(setup: Setup, font_dir: Path) -> None:
    with pytest.raises(BadInput, match="as they start"):
        next(score_all([font_dir / "phagspa.ttf"] * 2, replace(setup, bundle=Deadly(setup.bundle)), 2))


def test_nothing_is_left_of_a_run_that_is_killed(font_dir: Path, tmp_path: Path) -> None:
    fonts = []
    for number in range(40):
        fonts.append(tmp_path / f"{number}.ttf")
        shutil.copy(font_dir / "sans.ttf", fonts[-1])
    run = subprocess.Popen(
        [sys.executable, "-m", "glyphery", "score", *map(str, fonts), "--jobs", "2", "--json"],
        stdout=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    assert run.stdout is not None
    run.stdout.readline()  # its processes are at work
    run.kill()
    run.wait()
    run.stdout.close()
    for _ in range(1200):
        if run.pid not in _groups():
            return
        time.sleep(0.1)
    pytest.fail("processes of the run are left")


def _groups() -> set[int]:
    """The process groups that there are."""
    found = set()
    for process in Path("/proc").iterdir():
        with suppress(ValueError, ProcessLookupError):
            found.add(os.getpgid(int(process.name)))
    return found
