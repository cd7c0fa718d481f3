from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from glyphs.errors import BadFont, BadInput
from scoring.judge import Thresholds
from scoring.kept import KeptScores
from scoring.sandbox import Limits
from scoring.score import unreadable
from scoring.verdicts import FontScore

SCORE = FontScore(font="f.ttf", sha256="00")


def _never() -> FontScore:
    raise AssertionError("it was kept already")


def _kept(folder: Path, model: str = "m", thresholds: Thresholds = Thresholds()) -> KeptScores:
    return KeptScores(folder, model, thresholds, Limits())


def test_a_score_is_made_once(tmp_path: Path) -> None:
    assert _kept(tmp_path / "new").get("f.ttf", b"data", lambda: SCORE) == SCORE
    assert _kept(tmp_path / "new").get("f.ttf", b"data", _never) == SCORE


@pytest.mark.parametrize(
    ("font", "data", "changes"),
    [
        ("g.ttf", b"data", {}),
        ("f.ttf", b"other", {}),
        ("f.ttf", b"data", {"model": "n"}),
        ("f.ttf", b"data", {"thresholds": Thresholds(fail=Thresholds().fail + 1)}),
    ],
)
def test_nothing_is_taken_for_another(
    tmp_path: Path, font: str, data: bytes, changes: dict[str, Any]
) -> None:
    _kept(tmp_path).get("f.ttf", b"data", lambda: SCORE)
    other = FontScore(font=font, sha256="11")
    assert _kept(tmp_path, **changes).get(font, data, lambda: other) == other


def test_what_is_not_whole_is_made_anew(tmp_path: Path) -> None:
    _kept(tmp_path).get("f.ttf", b"data", lambda: SCORE)
    [file] = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-9])
    assert _kept(tmp_path).get("f.ttf", b"data", lambda: SCORE) == SCORE
    assert _kept(tmp_path).get("f.ttf", b"data", _never) == SCORE


def test_what_is_damaged_anywhere_is_made_anew(tmp_path: Path) -> None:
    _kept(tmp_path).get("f.ttf", b"data", lambda: SCORE)
    [file] = tmp_path.iterdir()
    whole = file.read_bytes()
    for bit in range(8 * len(whole)):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        file.write_bytes(damaged)
        assert _kept(tmp_path).get("f.ttf", b"data", lambda: SCORE) == SCORE


def test_what_cannot_be_put_in_its_place_leaves_nothing_beside_it(tmp_path: Path) -> None:
    _kept(tmp_path).get("f.ttf", b"data", lambda: SCORE)
    [file] = tmp_path.iterdir()
    file.unlink()
    file.mkdir()
    with pytest.raises(BadInput, match=tmp_path.name):
        _kept(tmp_path).get("f.ttf", b"data", lambda: SCORE)
    assert list(tmp_path.iterdir()) == [file]


def test_an_error_is_not_kept(tmp_path: Path) -> None:
    failed = FontScore(font="f.ttf", sha256="00", findings=(unreadable(BadFont("It was killed.")),))
    assert _kept(tmp_path).get("f.ttf", b"data", lambda: failed) == failed
    assert _kept(tmp_path).get("f.ttf", b"data", lambda: SCORE) == SCORE


def test_a_place_that_cannot_be_written_to_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="file"):
        _kept(tmp_path / "file").get("f.ttf", b"data", lambda: SCORE)
