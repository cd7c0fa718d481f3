"""Records: statuses, counting, and JSON there and back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given

from glyphs.errors import BadInput
from scoring.verdicts import FontScore, Status, file_record, record, worst
from tests.scoring.records import face, font, found, scores, small_font, verdict


@given(scores())
def test_a_score_comes_back_from_json_as_it_went(score: FontScore) -> None:
    text = score.to_json()
    assert "\n" not in text
    assert FontScore.from_json(text) == score
    assert FontScore.from_json(text).to_json() == text


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "null", '{"font": "a", "sha256": "", "findings": [], "faces": [1]}', '{"faces": {}}'],
)
def test_what_is_no_score_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="Not a font's score"):
        FontScore.from_json(text)


def test_an_accepted_finding_counts_as_a_pass() -> None:
    glyph = verdict("A", found("identity", accepted=True))
    assert (glyph.status, glyph.principal) == (Status.PASS, None)
    assert font(face(glyph), findings=(found("readable", accepted=True),)).status == Status.PASS


def test_a_font_is_as_bad_as_its_worst_glyph() -> None:
    score = small_font()
    assert score.status == score.faces[0].status == Status.FAIL
    assert score.counts() == {
        Status.SKIP: 1, Status.PASS: 1, Status.WARN: 1, Status.FAIL: 1, Status.ERROR: 0,
    }  # fmt: skip


def test_the_worst_of_several_findings_is_the_principal_one() -> None:
    glyph = verdict("A", found("duplicate"), found("dots"), found("identity"))
    assert glyph.principal == found("dots")
    assert worst([]) == Status.PASS


@given(scores())
def test_lines_of_glyphs_and_of_files_have_the_same_keys(score: FontScore) -> None:
    lines = [record(score, one, glyph) for one in score.faces for glyph in one.glyphs]
    lines += [file_record(score, finding) for finding in score.findings]
    assert len({tuple(sorted(line)) for line in lines}) <= 1
    assert all(json.loads(json.dumps(line)) == line for line in lines)
