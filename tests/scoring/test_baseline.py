"""Accepted findings: reading, writing, and what they are about."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from glyphs.errors import BadInput
from glyphs.labels import Form
from scoring.baseline import Baseline, Entry, NewBaseline
from scoring.verdicts import FontScore, Status
from tests.scoring.records import AIN, face, font, found, scores, small_font, verdict


def read(tmp_path: Path, *rows: dict[str, Any]) -> Baseline:
    file = tmp_path / "baseline.json"
    file.write_text(json.dumps({"glyphery-baseline": 1, "findings": rows}), encoding="utf-8")
    return Baseline.read(file)


def test_what_a_baseline_knows_passes(tmp_path: Path) -> None:
    baseline = read(
        tmp_path,
        {
            "font": "Test.ttf",
            "face": "Test Regular",
            "codepoint": "U+0042",
            "check": "identity",
            "why": "art",
        },
        {"font": "*", "codepoint": "U+0639", "form": "init", "check": "unknown"},
    )
    score = baseline.apply(small_font())
    assert score.status == Status.PASS
    assert [finding.accepted for glyph in score.faces[0].glyphs for finding in glyph.findings] == [True, True]
    assert baseline.unused() == []


@pytest.mark.parametrize(
    "other",
    [
        {"font": "Other.ttf"},
        {"face": "Test Bold"},
        {"codepoint": "U+0043"},
        {"check": "dots"},
        {"form": "init"},
    ],
)
def test_an_entry_about_something_else_accepts_nothing(tmp_path: Path, other: dict[str, str]) -> None:
    row = {"font": "Test.ttf", "face": "Test Regular", "codepoint": "U+0042", "check": "identity"}
    baseline = read(tmp_path, row | other)
    assert baseline.apply(small_font()) == small_font()
    assert baseline.unused() == [entry for entry in baseline.entries if entry.font == "Test.ttf"]


def test_entries_are_unused_only_of_fonts_that_were_judged(tmp_path: Path) -> None:
    row = {"codepoint": "U+0043", "check": "dots"}
    fonts = ("Test.ttf", "Unread.ttf", "Unasked.ttf", "*")
    baseline = read(tmp_path, *({"font": name} | row for name in fonts))
    baseline.apply(small_font())
    baseline.apply(font(name="Unread.ttf", findings=(found("readable"),)))
    assert [entry.font for entry in baseline.unused()] == ["Test.ttf"]


def test_findings_of_faces_and_files_are_accepted_too_but_never_an_error(tmp_path: Path) -> None:
    score = font(
        face(findings=(found("decorative"),)),
        findings=(found("readable"), replace(found("readable"), status=Status.FAIL)),
    )
    baseline = read(
        tmp_path,
        {"font": "Test.ttf", "check": "readable"},
        {"font": "Test.ttf", "face": "Test Regular", "check": "decorative"},
    )
    applied = baseline.apply(score)
    assert [finding.accepted for finding in applied.findings] == [False, True]
    assert applied.faces[0].findings[0].accepted
    assert applied.status == Status.ERROR


@given(scores())
def test_a_baseline_of_scores_accepts_all_but_their_errors(score: FontScore) -> None:
    baseline = Baseline.of([score])
    assert baseline.apply(score).status in (Status.SKIP, Status.PASS, Status.ERROR)
    assert baseline.unused() == []
    assert Baseline.of([baseline.apply(score)]).entries == baseline.entries


def test_what_is_written_is_read_again_and_is_the_same_file_in_any_order(tmp_path: Path) -> None:
    fonts = [replace(small_font(), font=name) for name in ("b.ttf", "a.ttf", "dir/ß|\u202e.ttf")]
    files = tmp_path / "one.json", tmp_path / "two.json"
    Baseline.of(fonts).write(files[0])
    with NewBaseline(files[1]) as new:
        for score in reversed(fonts):
            new.add(score)
    assert files[0].read_bytes() == files[1].read_bytes()
    assert Baseline.read(files[0]).entries == Baseline.of(fonts).entries
    assert sorted(file.name for file in tmp_path.iterdir()) == ["one.json", "two.json"]


def test_an_empty_baseline_is_one(tmp_path: Path) -> None:
    Baseline().write(tmp_path / "none.json")
    assert Baseline.read(tmp_path / "none.json").entries == []


def test_reasons_stay_when_a_baseline_is_written_anew() -> None:
    old = Baseline(
        [
            Entry(font="*", codepoint=AIN, form=Form.INIT, check="unknown", why="our own design"),
            Entry(font="Gone.ttf", codepoint=0x41, check="dots", why="mended since"),
        ]
    )
    new = Baseline.of([small_font()], keep=old)
    assert [(entry.font, entry.check, entry.why) for entry in new.entries] == [
        ("*", "unknown", "our own design"),
        ("Test.ttf", "identity", ""),
    ]


def test_a_baseline_that_is_given_up_leaves_the_old_one(tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    Baseline.of([small_font()]).write(file)
    before = file.read_bytes()
    with suppress(KeyboardInterrupt), NewBaseline(file) as new:
        new.add(font(face(verdict("X", found("dots")))))
        raise KeyboardInterrupt
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "no JSON"),
        ("\udcff", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[]", "no baseline"),
        ('{"findings": []}', "no baseline"),
        ('{"glyphery-baseline": 2, "findings": []}', "version 2"),
        ('{"glyphery-baseline": 1}', "list of findings"),
        ('{"glyphery-baseline": 1, "findings": [], "more": 1}', "list of findings"),
        ('{"glyphery-baseline": 1, "findings": [7]}', "finding 1 is no object"),
        ('{"glyphery-baseline": 1, "findings": [{"font": 7}]}', "finding 1 is no object"),
    ],
)
def test_what_is_no_baseline_is_refused(tmp_path: Path, content: str, says: str) -> None:
    file = tmp_path / "baseline.json"
    file.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(BadInput, match=says):
        Baseline.read(file)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"check": "dots"}, "names no font"),
        ({"font": "*"}, "names no check"),
        ({"font": "*", "check": "dot"}, "names no check"),
        ({"font": "*", "check": "dots", "codepoint": "0639"}, "no code point"),
        ({"font": "*", "check": "dots", "codepoint": "U+110000"}, "no code point"),
        ({"font": "*", "check": "dots", "codepoint": "U+0639", "form": "initial"}, "no form"),
        ({"font": "*", "check": "dots", "form": "init"}, "no code point"),
        ({"font": "*", "check": "dots", "reason": "typo"}, "'reason'"),
    ],
)
def test_an_entry_that_says_nothing_is_refused_with_its_number(
    tmp_path: Path, row: dict[str, str], says: str
) -> None:
    with pytest.raises(BadInput, match=f"finding 2.*{says}"):
        read(tmp_path, {"font": "*", "check": "dots"}, row)


def test_a_baseline_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        Baseline.read(tmp_path / "none.json")
