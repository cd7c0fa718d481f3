"""summary.json."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from scoring.reports.summary import Summary
from scoring.verdicts import FontScore, Status
from tests.scoring.records import face, font, found, scores, small_font, verdict


def summary(*fonts: FontScore) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "summary.json"
        with Summary(file, {"model": "tiny", "thresholds": {"margin": 3.0}}) as report:
            for score in fonts:
                report.add(score)
        told: dict[str, Any] = json.loads(file.read_bytes())
        return told


def test_a_font_is_told_in_short() -> None:
    told = summary(small_font())
    assert told["made_with"] == {"model": "tiny", "thresholds": {"margin": 3.0}}
    (one,) = told["fonts"]
    assert (one["font"], one["status"]) == ("fonts/Test.ttf", "FAIL")
    assert one["checks"] == {"identity": 1, "unknown": 1}
    assert one["faces"][0]["glyphs"] == {"SKIP": 1, "PASS": 1, "WARN": 1, "FAIL": 1, "ERROR": 0}
    assert [(worst["codepoint"], worst["check"]) for worst in one["worst"]] == [
        ("U+0042", "identity"), ("U+0639", "unknown"),
    ]  # fmt: skip
    assert one["worst"][0]["looks_like"] == "90"


def test_of_many_suspects_the_worst_are_told() -> None:
    doubtful = [verdict(chr(code), found("duplicate")) for code in range(0x41, 0x5A)]
    score = font(face(*doubtful), face(verdict("z", found("dots")), style="Bold"))
    worst = summary(score)["fonts"][0]["worst"]
    assert len(worst) == 10
    assert worst[0]["codepoint"] == "U+007A"


def test_no_fonts_are_a_summary_too() -> None:
    assert summary()["fonts"] == []
    assert summary()["status"] is None


@given(st.lists(scores(), max_size=3))
def test_totals_are_the_sums_of_the_fonts(fonts: list[FontScore]) -> None:
    told = summary(*fonts)
    totals = told["totals"]
    assert [one["font"] for one in told["fonts"]] == [score.font for score in fonts]
    for status in Status:
        assert totals["glyphs"][status] == sum(one["glyphs"][status] for one in told["fonts"])
        assert totals["fonts"][status] == sum(one["status"] == status for one in told["fonts"])
    assert sum(totals["checks"].values()) == sum(sum(one["checks"].values()) for one in told["fonts"])
    assert totals["accepted"] == sum(one["accepted"] for one in told["fonts"])
