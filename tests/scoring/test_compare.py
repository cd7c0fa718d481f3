"""Two versions of a font."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given

from glyphs.labels import Form
from scoring.compare import Change, Comparison, compare
from scoring.verdicts import FontScore, Status, Verdict
from tests.scoring.records import AIN, face, font, found, scores, verdict

OTHER = "M0 0L400 0L400 -500Z"


def changes(comparison: Comparison) -> list[tuple[Change, str]]:
    return [(one.change, chr(one.verdict.codepoint)) for face in comparison.faces for one in face.changes]


def between(old: list[Verdict], new: list[Verdict]) -> Comparison:
    return compare(font(face(*old)), font(face(*new)))


def test_every_kind_of_change_is_told_the_worst_first() -> None:
    wrong = found("identity")
    doubtful = found("duplicate")
    comparison = between(
        [verdict("A"), verdict("B", wrong), verdict("C", doubtful), verdict("D"), verdict("E"),
         verdict("F", wrong)],
        [verdict("A", doubtful), verdict("B"), verdict("C", wrong), verdict("E", path=OTHER),
         verdict("F", wrong), verdict("G")],
    )  # fmt: skip
    assert changes(comparison) == [
        (Change.BROKEN, "C"), (Change.BROKEN, "A"), (Change.FIXED, "B"), (Change.NEW, "G"),
        (Change.REMOVED, "D"), (Change.REDRAWN, "E"),
    ]  # fmt: skip
    assert comparison.counts() == {
        Change.BROKEN: 2, Change.FIXED: 1, Change.NEW: 1, Change.REMOVED: 1, Change.REDRAWN: 1,
    }  # fmt: skip
    assert comparison.status == Status.FAIL


def test_forms_of_one_letter_are_glyphs_of_their_own() -> None:
    ain = chr(AIN)
    old = [verdict(ain, form=Form.INIT), verdict(ain, form=Form.MEDI)]
    comparison = between(old, [verdict(ain, form=Form.INIT), verdict(ain, found("dots"), form=Form.MEDI)])
    assert [one.verdict.form for one in comparison.faces[0].changes] == [Form.MEDI]


def test_between_a_pass_and_a_skip_nothing_is_broken() -> None:
    skipped = replace(verdict("A"), skipped=True)
    assert changes(between([verdict("A")], [skipped])) == []
    assert changes(between([skipped], [verdict("A")])) == []


def test_what_is_mended_or_accepted_is_fixed_and_a_new_problem_counts_against_the_new_version() -> None:
    wrong = found("identity")
    accepted = verdict("A", found("identity", accepted=True))
    assert changes(between([verdict("A", wrong)], [accepted])) == [(Change.FIXED, "A")]
    assert between([verdict("A", wrong)], [verdict("A", wrong)]).status == Status.PASS
    assert between([], [verdict("A", wrong)]).status == Status.FAIL


def test_another_number_of_units_per_em_is_no_new_drawing() -> None:
    doubled = replace(verdict("A"), path="M0 0L1000 0L1000 -1000L0 -1000Z")
    wider = replace(doubled, metrics=(0.55, 0.5, 0.0, 0.6))
    old = font(face(verdict("A")))
    for glyph, expected in (doubled, []), (wider, [(Change.REDRAWN, "A")]):
        assert changes(compare(old, font(replace(face(glyph), units_per_em=2000)))) == expected


def test_faces_are_matched_by_name_and_then_by_position() -> None:
    regular, bold = face(verdict("A"), style="Regular"), face(verdict("A", found("dots")), style="Bold")
    assert changes(compare(font(regular, bold), font(bold, regular))) == []
    renamed = replace(bold, family="Test Pro")
    assert changes(compare(font(regular, bold), font(regular, renamed))) == []
    assert changes(compare(font(regular, bold), font(regular))) == [(Change.REMOVED, "A")]
    assert changes(compare(font(regular), font(regular, bold))) == [(Change.NEW, "A")]


def test_findings_of_files_and_faces_appear_and_go() -> None:
    unreadable = found("readable", "It is no font.")
    comparison = compare(font(face(verdict("A"))), font(findings=(unreadable,)))
    assert (comparison.appeared, comparison.status) == ((unreadable,), Status.ERROR)
    comparison = compare(font(findings=(unreadable,)), font(findings=(unreadable,)))
    assert (comparison.appeared, comparison.status) == ((unreadable,), Status.ERROR)
    decorative = found("decorative")
    comparison = compare(font(face(findings=(decorative,))), font(face()))
    assert comparison.faces[0].gone == (decorative,)
    assert comparison.status == Status.PASS


@given(scores())
def test_a_font_is_not_changed_against_itself(score: FontScore) -> None:
    comparison = compare(score, score)
    assert changes(comparison) == []
    assert {finding.status for finding in comparison.appeared} <= {Status.ERROR}
    assert comparison.gone == ()


@given(scores(), scores())
def test_a_comparison_is_json_and_counts_what_it_tells(old: FontScore, new: FontScore) -> None:
    comparison = compare(old, new)
    told = json.loads(json.dumps(comparison.to_dict()))
    assert told["counts"] == {str(change): count for change, count in comparison.counts().items()}
    assert sum(told["counts"].values()) == sum(len(one["changes"]) for one in told["faces"])
