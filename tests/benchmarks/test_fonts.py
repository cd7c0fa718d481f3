from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from benchmarks.fonts import report, rules, sheets
from benchmarks.fonts.choice import ARABIC, OTHER, ChosenFont, find, read_choice, read_rows, write_choice
from benchmarks.fonts.faults import faulted
from benchmarks.fonts.freeze import LEFT_OUT
from benchmarks.fonts.judgements import Judged, Judgement
from benchmarks.fonts.kinds import KINDS
from benchmarks.fonts.lists import write_all
from benchmarks.fonts.measure import figures, parse_defects
from benchmarks.fonts.outcomes import FontOutcome, measured
from benchmarks.fonts.run import DEFECTS
from benchmarks.fonts.statistics import clustered, wilson
from benchmarks.fonts.subject import Entry, Subject, entries, open_face
from benchmarks.glyphs.labels import AskedLabels
from glyphs.errors import BadInput
from glyphs.labels import Form, Label
from glyphs.splits import Split
from scoring.verdicts import FaceScore, Finding, FontScore, Status, Verdict

ASKED = frozenset(AskedLabels.read().labels)
TRUETYPE = "sans.ttf"
BEH = Label(0x628, Form.INIT)


@pytest.fixture
def subject(font_dir: Path) -> Subject:
    return Subject((font_dir / TRUETYPE).read_bytes(), ASKED)


# --- what is said of them -----------------------------------------------------------------------


def said(data: bytes, failed: dict[Entry, str]) -> Judged:
    """Judgements of all of a font's entries, FAIL where it is told so."""
    return Judged(
        tuple(
            Judgement(
                entry.codepoint, str(entry.label), "glyph", components[0].glyph_index,
                Status.FAIL if entry in failed else Status.PASS, failed.get(entry), None, 0.5, 1, -2.0, 0.9,
                ((str(entry.label), 0.5),),
            )
            for entry, components in entries(open_face(data)).items()
        ),
        (),
    )  # fmt: skip


def outcome_of(font_dir: Path, failed: Callable[[str, bytes], dict[Entry, str]]) -> FontOutcome:
    font = ChosenFont(TRUETYPE, "Sans", "Regular", Split.VALIDATION, OTHER, "0" * 64)
    return measured(
        font, font_dir / TRUETYPE, ASKED, 2, lambda name, data: said(data, failed(name, data))
    )  # fmt: skip


@pytest.fixture
def perfect(font_dir: Path, subject: Subject) -> FontOutcome:
    """What a scorer gets that knows the truth."""
    truth = {
        copy.data: {entry: min(KINDS[fault.kind].right) for fault in copy.faults for entry in fault.entries}
        for copy in faulted(subject, 2)
    }
    return outcome_of(font_dir, lambda name, data: truth.get(data, {}))


def test_a_scorer_that_knows_the_truth_finds_all_of_it(perfect: FontOutcome) -> None:
    run = figures([perfect], set())
    recall = run["recall"]["all"]
    assert recall["hits"] == recall["of"] == len(perfect.faults) > 0
    assert run["clean"]["all"]["false_fails"] == run["beside"] == 0
    assert all(of["right"]["share"] in (None, 1.0) for of in run["kinds"].values())


def test_a_fault_counts_as_found_by_any_of_its_characters(font_dir: Path, subject: Subject) -> None:
    copies = list(faulted(subject, 2))
    one_each = {copy.data: {fault.entries[-1]: "identity" for fault in copy.faults} for copy in copies}
    outcome = outcome_of(font_dir, lambda name, data: one_each.get(data, {}))
    assert all(fault.found for fault in outcome.faults)


def test_a_scorer_that_fails_nothing_finds_nothing(font_dir: Path, tmp_path: Path) -> None:
    outcome = outcome_of(font_dir, lambda name, data: {})
    run = figures([outcome], set())
    assert run["recall"]["all"]["hits"] == 0
    assert run["clean"]["all"]["per_thousand"] == 0
    assert len(sheets.missed([outcome])) == len(outcome.faults)


def test_a_fail_in_a_clean_font_is_false_unless_it_is_listed(font_dir: Path) -> None:
    wrong = Entry(0x61, Label(0x61))
    outcome = outcome_of(font_dir, lambda name, data: {wrong: "identity"})
    listed = parse_defects([["0" * 64, "U+0061", "", "identity", "drawn as b"]])
    counted, forgiven = (figures([outcome], defects)["clean"]["all"] for defects in (set(), listed))
    assert (counted["false_fails"], counted["true_defects"]) == (1, 0)
    assert (forgiven["false_fails"], forgiven["true_defects"]) == (0, 1)
    assert len(sheets.false_fails([outcome], set())) == 1
    assert sheets.false_fails([outcome], listed) == []


def test_a_bad_line_of_real_defects_is_refused() -> None:
    with pytest.raises(BadInput):
        parse_defects([["0" * 64, "sixty-one", "", "identity", "drawn as b"]])


def test_lists_tables_and_sheets_are_written(perfect: FontOutcome, tmp_path: Path) -> None:
    run = {"split": "validation", "bundle": "b", "scoring": "s", **figures([perfect], set())}
    assert "swapped pair" in report.markdown(run)
    write_all([perfect], set(), tmp_path)
    evidence = (tmp_path / "evidence.csv").read_text().splitlines()
    faulty = sum(len(fault.fault.entries) for fault in perfect.faults)
    assert len(evidence) == 1 + len(perfect.clean.glyphs) + faulty
    assert len((tmp_path / "faults.jsonl").read_text().splitlines()) == len(perfect.faults)
    sheets.write(sheets.missed([perfect]), tmp_path / "missed.png")
    assert (tmp_path / "missed.png").stat().st_size > 0


def test_judgements_come_back_from_json_as_they_were(perfect: FontOutcome) -> None:
    assert Judged.from_figures(perfect.clean.to_figures()) == perfect.clean


def test_faults_of_a_face_taken_for_decorative_are_counted_apart(font_dir: Path) -> None:
    finding = "decorative WARN: beyond what can be judged"
    font = ChosenFont(TRUETYPE, "Sans", "Regular", Split.VALIDATION, OTHER, "0" * 64)

    def judge(name: str, data: bytes) -> Judged:
        return Judged(said(data, {}).glyphs, (finding,) if name == "copy-0" else ())

    outcome = measured(font, font_dir / TRUETYPE, ASKED, 2, judge)
    run = figures([outcome], set())
    assert run["fonts"]["decorative_copies"] == 1
    assert 0 < run["recall"]["not_decorative"]["of"] < run["recall"]["all"]["of"]


def test_a_judgement_keeps_the_principal_finding_of_a_verdict() -> None:
    finding = Finding("dots", Status.FAIL, "It shows another.")
    verdict = Verdict(codepoint=0x628, label=BEH, glyph="beh.init", index=7, findings=(finding,))
    face = FaceScore(face=0, instance=0, family="F", style="S", units_per_em=1000, glyphs=(verdict,))
    (kept,) = Judged.of(FontScore(font="f", sha256="", faces=(face,))).glyphs
    assert (kept.entry, kept.status, kept.check) == (Entry(0x628, BEH), Status.FAIL, "dots")


# --- baseline, statistics, choice ---------------------------------------------------------------


def test_outline_rules_find_what_is_empty_copied_or_the_box(subject: Subject) -> None:
    clean = rules.flagged(subject.data)
    for copy in faulted(subject, 3):
        found = rules.flagged(copy.data)
        for fault in copy.faults:
            if fault.kind in ("empty", "notdef"):
                assert not found.isdisjoint(fault.entries)
            if fault.kind == "mirrored":
                assert found.isdisjoint(set(fault.entries) - clean)


def test_intervals_hold_the_share_and_shrink_with_cases() -> None:
    low, high = wilson(90, 100)
    assert low < 0.9 < high
    assert wilson(900, 1000)[1] - wilson(900, 1000)[0] < high - low
    assert wilson(0, 0) == (0.0, 1.0)
    low, high = clustered([9, 5, 10], [10, 10, 10])
    assert 0.5 <= low < 24 / 30 < high <= 1


def test_the_frozen_fonts_are_of_held_out_families_and_enough() -> None:
    test = read_choice(Split.TEST)
    assert len(test) >= 40
    assert sum(font.kind == ARABIC for font in test) >= 11
    assert not {font.family for font in test} & {font.family for font in read_choice(Split.VALIDATION)}


def test_reviewed_lists_can_be_read() -> None:
    assert all(len(row) == 2 for row in read_rows(LEFT_OUT))
    parse_defects(read_rows(DEFECTS))


def test_fonts_are_found_by_name_and_hash(font_dir: Path, tmp_path: Path) -> None:
    digest = sha256((font_dir / TRUETYPE).read_bytes()).hexdigest()
    font = ChosenFont(TRUETYPE, "Sans", "Regular", Split.TEST, OTHER, digest)
    write_choice([font], tmp_path / "fonts.tsv")
    assert read_choice(Split.TEST, tmp_path / "fonts.tsv") == [font]
    assert find([font], font_dir) == {font: font_dir / TRUETYPE}
    other = ChosenFont(TRUETYPE, "Sans", "Regular", Split.TEST, OTHER, "0" * 64)
    with pytest.raises(BadInput, match="another version"):
        find([other], font_dir)
