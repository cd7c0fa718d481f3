from __future__ import annotations

from pathlib import Path

import pytest

from bundles import default_bundle
from glyphs.errors import BadBundle
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
