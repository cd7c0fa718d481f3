from __future__ import annotations

from dataclasses import replace

import pytest

from glyphery.outcomes import Outcome, outcomes
from glyphs.labels import Form, Label
from scoring.verdicts import CHECKS, FaceScore, Finding, FontScore, Status, Verdict

FAILED = Finding("identity", Status.FAIL, "It shows another.")
WARNED = Finding("identity", Status.WARN, "It may show another.")


def _verdict(codepoint: int, form: Form = Form.NONE, *findings: Finding, skipped: bool = False) -> Verdict:
    return Verdict(
        codepoint=codepoint,
        label=Label(codepoint, form),
        glyph="g",
        index=1,
        findings=findings,
        skipped=skipped,
    )


def _font(*faces: tuple[Verdict, ...], findings: tuple[Finding, ...] = ()) -> FontScore:
    made = tuple(
        FaceScore(
            face=number,
            instance=0,
            family="A",
            style=f"S{number}",
            units_per_em=1000,
            findings=findings,
            glyphs=glyphs,
        )
        for number, glyphs in enumerate(faces)
    )
    return FontScore(font="A.ttf", sha256="0", faces=made)


def test_a_check_without_findings_passes_and_says_of_how_many_glyphs() -> None:
    score = _font((_verdict(0x41, Form.NONE, FAILED), _verdict(0x42), _verdict(0xE000, skipped=True)))
    assert outcomes(score, "dots") == [Outcome(Status.PASS, "Nothing found in 2 glyphs.")]


def test_findings_are_told_by_status_worst_first_with_the_glyphs_they_are_of() -> None:
    score = _font((_verdict(0x41, Form.NONE, WARNED), _verdict(0x639, Form.INIT, FAILED)))
    assert outcomes(score, "identity") == [
        Outcome(
            Status.FAIL,
            "The glyph shows another character: 1 found.",
            ("U+0639 ARABIC LETTER AIN init (glyph g): It shows another.",),
        ),
        Outcome(
            Status.WARN,
            "The glyph shows another character: 1 found.",
            ("U+0041 LATIN CAPITAL LETTER A (glyph g): It may show another.",),
        ),
    ]


def test_faces_are_named_where_there_are_several_and_can_be_asked_for() -> None:
    score = _font((_verdict(0x41),), (_verdict(0x41, Form.NONE, FAILED),))
    [both] = outcomes(score, "identity")
    assert both.items == ("A S1, U+0041 LATIN CAPITAL LETTER A (glyph g): It shows another.",)
    assert [outcome.status for outcome in outcomes(score, "identity", face=0)] == [Status.PASS]
    [second] = outcomes(score, "identity", face=1)
    assert second.items == ("U+0041 LATIN CAPITAL LETTER A (glyph g): It shows another.",)


def test_what_is_found_of_a_face_is_told_too() -> None:
    score = _font((_verdict(0x41),), findings=(Finding("decorative", Status.WARN, "Beyond judgement."),))
    [outcome] = outcomes(score, "decorative")
    assert outcome.items == ("the face: Beyond judgement.",)


def test_what_was_accepted_passes() -> None:
    score = _font((_verdict(0x41, Form.NONE, replace(FAILED, accepted=True)),))
    assert [outcome.status for outcome in outcomes(score, "identity")] == [Status.PASS]


def test_a_font_of_unknown_characters_is_skipped() -> None:
    score = _font((_verdict(0xE000, skipped=True),))
    assert [outcome.status for outcome in outcomes(score, "identity")] == [Status.SKIP]


@pytest.mark.parametrize("check", CHECKS)
def test_a_file_that_cannot_be_read_is_an_error_of_one_check_and_skipped_by_the_others(check: str) -> None:
    score = FontScore(font="A.ttf", sha256="", findings=(Finding("readable", Status.ERROR, "No font."),))
    [outcome] = outcomes(score, check)
    assert outcome.status is (Status.ERROR if check == "readable" else Status.SKIP)
