from __future__ import annotations

import io
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from fontTools.ttLib import TTFont

from benchmarks.fonts import looks
from benchmarks.fonts.drawings import Drawing
from benchmarks.fonts.editing import EditableFont
from benchmarks.fonts.faults import SHARE, FaultedFont, faulted
from benchmarks.fonts.kinds import KINDS, Proposal
from benchmarks.fonts.parts import marks, parts
from benchmarks.fonts.subject import Entry, Subject, entries, open_face
from benchmarks.glyphs.labels import AskedLabels
from glyphs.errors import BadFont
from glyphs.fonts import Face
from glyphs.labels import Form, Label

ASKED = frozenset(AskedLabels.read().labels)
TRUETYPE, CFF = "sans.ttf", "serif.otf"
ARABIC_TRUETYPE, ARABIC_CFF = "arabic.ttf", "kufi.otf"
E_ACUTE, BEH = Label(0xE9), Label(0x628, Form.INIT)

Open = Callable[[str], Subject]


@pytest.fixture
def opened(font_dir: Path) -> Open:
    return lambda file: Subject((font_dir / file).read_bytes(), ASKED)


def propose(subject: Subject, kind: str, name: str) -> Proposal:
    """The fault of a kind in a glyph, by the first lot that makes one."""
    lots = (KINDS[kind].make(subject, name, np.random.default_rng(seed)) for seed in range(20))
    return next(proposal for proposal in lots if proposal is not None)


def outlines(face: Face, count: int) -> list[bytes | None]:
    found = (face.glyph(index) for index in range(count))
    return [glyph.outline.to_bytes() if glyph else None for glyph in found]


def written(subject: Subject, name: str, drawing: Drawing) -> Face:
    font = EditableFont(subject.data)
    for composite in font.composites_of([name]):
        font.dissolve(composite)
    font.write(name, drawing)
    return open_face(font.save())


# --- drawing and editing ------------------------------------------------------------------------


@pytest.mark.parametrize("file", [TRUETYPE, CFF, ARABIC_TRUETYPE, ARABIC_CFF])
def test_a_drawing_looks_as_freetype_draws_it(opened: Open, file: str) -> None:
    subject = opened(file)
    for name in subject.targets:
        assert looks.overlap(subject.ink(name), subject.ink_of(subject.drawing(name))) > 0.97


@pytest.mark.parametrize("file", [TRUETYPE, CFF])
def test_a_glyph_written_as_it_was_read_stays_the_same(opened: Open, file: str) -> None:
    subject = opened(file)
    for name in ("a", "R", "eacute"):
        before = subject.face.glyph(subject.font.index(name))
        after = written(subject, name, subject.drawing(name)).glyph(subject.font.index(name))
        assert before
        assert after
        assert looks.overlap(looks.ink(before.outline), looks.ink(after.outline)) > 0.97
        assert after.metrics == before.metrics


@pytest.mark.parametrize("file", [TRUETYPE, CFF])
def test_writing_a_glyph_leaves_the_look_of_all_others(opened: Open, file: str) -> None:
    subject = opened(file)
    count, touched = subject.font.glyphs, subject.font.index("A")
    before, after = outlines(subject.face, count), outlines(
        written(subject, "A", subject.drawing("g")), count
    )  # fmt: skip
    assert before[touched] != after[touched]
    assert before[:touched] + before[touched + 1 :] == after[:touched] + after[touched + 1 :]


def test_composites_of_a_glyph_are_found_however_deep(opened: Open) -> None:
    font = opened(TRUETYPE).font
    assert {"Aring", "Alpha"} <= set(font.composites_of(["A"]))
    assert "A" not in font.composites_of(["A"])


def test_a_variable_font_cannot_be_edited(font_dir: Path) -> None:
    with pytest.raises(BadFont, match="static"):
        EditableFont((font_dir / "variable.ttf").read_bytes())


def test_what_is_no_font_cannot_be_edited() -> None:
    with pytest.raises(BadFont):
        EditableFont(b"no font at all")


# --- pieces and looks ---------------------------------------------------------------------------


@pytest.mark.parametrize("file", [TRUETYPE, CFF])
@pytest.mark.parametrize(
    ("name", "pieces", "found"),
    [("eacute", 2, 1), ("odieresis", 3, 2), ("i", 2, 1), ("B", 1, 0), ("colon", 2, 0), ("oslash", 1, 0)],
)
def test_dots_and_accents_are_told_from_the_body(
    opened: Open, file: str, name: str, pieces: int, found: int
) -> None:
    subject = opened(file)
    seen = parts(subject.drawing(name))
    assert len(seen) == pieces
    assert len(marks(subject.targets[name].label, seen)) == found


def test_a_counter_belongs_to_the_ink_around_it(opened: Open) -> None:
    (piece,) = parts(opened(TRUETYPE).drawing("B"))
    assert len(piece.contours) == 3


@pytest.mark.parametrize("file", [ARABIC_TRUETYPE, ARABIC_CFF])
@pytest.mark.parametrize("form", [Form.ISOL, Form.INIT, Form.MEDI, Form.FINA])
def test_every_form_of_beh_has_its_dot(opened: Open, file: str, form: Form) -> None:
    subject = opened(file)
    name = subject.glyph_of[Label(0x628, form)]
    assert len(marks(Label(0x628, form), parts(subject.drawing(name)))) == 1


def test_a_letter_without_dots_has_none(opened: Open) -> None:
    subject = opened(ARABIC_CFF)
    kaf = subject.glyph_of[Label(0x643, Form.ISOL)]
    assert marks(Label(0x643, Form.ISOL), parts(subject.drawing(kaf))) == []


def test_thin_strokes_that_run_close_are_alike_though_they_hardly_overlap() -> None:
    first, second = (np.zeros((128, 128), np.bool_) for _ in range(2))
    first[:, 60:62] = second[:, 62:64] = True
    assert looks.overlap(first, second) == 0
    assert looks.alike(first, second)


# --- each kind of fault -------------------------------------------------------------------------


@pytest.mark.parametrize("file", [TRUETYPE, CFF])
def test_swapped_glyphs_have_each_other_s_outlines_and_advances(opened: Open, file: str) -> None:
    subject = opened(file)
    proposal = propose(subject, "swapped", "k")
    first, second = proposal.drawings
    assert first == "k"
    assert proposal.drawings == {first: subject.drawing(second), second: subject.drawing(first)}
    assert not subject.alike(first, second)


@pytest.mark.parametrize("file", [TRUETYPE, CFF])
def test_a_wrong_glyph_is_another_of_the_same_script(opened: Open, file: str) -> None:
    subject = opened(file)
    (drawing,) = propose(subject, "wrong", "k").drawings.values()
    donors = [name for name in subject.kin_of("k") if subject.drawing(name) == drawing]
    assert donors
    assert "k" not in donors


@pytest.mark.parametrize("file", [TRUETYPE, CFF])
def test_e_acute_without_its_mark_looks_like_e(opened: Open, file: str) -> None:
    subject = opened(file)
    (drawing,) = propose(subject, "missing-mark", "eacute").drawings.values()
    assert looks.overlap(subject.ink_of(drawing), subject.ink("e")) > 0.97


@pytest.mark.parametrize("file", [ARABIC_TRUETYPE, ARABIC_CFF])
def test_beh_loses_its_dot_in_every_form(opened: Open, file: str) -> None:
    subject = opened(file)
    for form in (Form.ISOL, Form.INIT, Form.MEDI, Form.FINA):
        name = subject.glyph_of[Label(0x628, form)]
        (drawing,) = propose(subject, "missing-mark", name).drawings.values()
        assert len(parts(drawing)) == len(parts(subject.drawing(name))) - 1


@pytest.mark.parametrize("file", [ARABIC_TRUETYPE, ARABIC_CFF])
def test_the_dot_of_beh_moves_above_it(opened: Open, file: str) -> None:
    subject = opened(file)
    name = subject.glyph_of[BEH]
    proposal = propose(subject, "moved-mark", name)
    body, dot = parts(proposal.drawings[name])
    assert dot.box[1] > body.box[3]
    assert proposal.details == "1 dots or marks moved above"


@pytest.mark.parametrize("file", [TRUETYPE, CFF])
def test_an_accent_moves_below_or_beside_and_the_body_stays(opened: Open, file: str) -> None:
    subject = opened(file)
    before = parts(subject.drawing("eacute"))[0]
    below = parts(propose(subject, "moved-mark", "eacute").drawings["eacute"])
    beside = parts(propose(subject, "mark-beside", "eacute").drawings["eacute"])
    assert below[0].box == beside[0].box == before.box
    assert below[1].box[3] < before.box[1]
    assert beside[1].box[0] > before.box[2] or beside[1].box[2] < before.box[0]


@pytest.mark.parametrize("file", [ARABIC_TRUETYPE, ARABIC_CFF])
def test_a_wrong_form_is_another_form_s_outline(opened: Open, file: str) -> None:
    subject = opened(file)
    ain = Label(0x639, Form.MEDI)
    name = subject.glyph_of[ain]
    proposal = propose(subject, "wrong-form", name)
    others = [subject.glyph_of[Label(0x639, form)] for form in (Form.ISOL, Form.INIT, Form.FINA)]
    assert proposal.drawings[name] in [subject.drawing(other) for other in others]
    assert proposal.details.startswith("medi form drawn as")


def test_letters_that_do_not_join_have_no_wrong_form(opened: Open) -> None:
    assert KINDS["wrong-form"].make(opened(TRUETYPE), "a", np.random.default_rng(0)) is None


def test_an_empty_glyph_has_no_outline_and_its_advance(opened: Open) -> None:
    subject = opened(TRUETYPE)
    assert propose(subject, "empty", "a").drawings == {"a": Drawing((), subject.drawing("a").advance)}


@pytest.mark.parametrize("file", [TRUETYPE, CFF])
def test_a_missing_glyph_s_box_is_notdef(opened: Open, file: str) -> None:
    subject = opened(file)
    if subject.ink(".notdef").any():
        assert propose(subject, "notdef", "a").drawings == {"a": subject.drawing(".notdef")}
    else:
        assert KINDS["notdef"].make(subject, "a", np.random.default_rng(0)) is None


@pytest.mark.parametrize("file", [TRUETYPE, CFF])
def test_a_mirrored_glyph_is_the_reflection_of_its_ink(opened: Open, file: str) -> None:
    subject = opened(file)
    drawing = propose(subject, "mirrored", "R").drawings["R"]
    assert looks.overlap(subject.ink_of(drawing), subject.ink("R")[:, ::-1]) > 0.95
    assert np.allclose(drawing.box or (), subject.drawing("R").box or (), atol=1)


def test_symmetric_glyphs_are_not_mirrored(opened: Open) -> None:
    for name in "AHO":
        assert KINDS["mirrored"].make(opened(TRUETYPE), name, np.random.default_rng(0)) is None


def test_a_slant_alone_is_no_asymmetry(opened: Open) -> None:
    subject = opened(TRUETYPE)
    slanted = subject.drawing("H").transformed((1, 0, 0.2, 1, 0, 0))
    font = EditableFont(subject.data)
    font.write("H", slanted)
    italic = Subject(font.save(), ASKED)
    assert KINDS["mirrored"].make(italic, "H", np.random.default_rng(0)) is None


def test_a_reflection_that_is_another_letter_is_noted(opened: Open) -> None:
    assert "looks like 41" in propose(opened(TRUETYPE), "mirrored", "parenleft").details


# --- faulted copies -----------------------------------------------------------------------------


@pytest.mark.parametrize("file", [TRUETYPE, CFF, ARABIC_TRUETYPE, ARABIC_CFF, "naskh.ttf"])
def test_a_copy_differs_from_its_font_in_the_faulty_glyphs_alone(opened: Open, file: str) -> None:
    subject = opened(file)
    clean = outlines(subject.face, subject.font.glyphs)
    for copy in faulted(subject, 2):
        now = outlines(open_face(copy.data), subject.font.glyphs)
        dissolved = {
            index for index, (before, after) in enumerate(zip(clean, now, strict=True)) if before != after
        }
        faulty = {index for fault in copy.faults for index in fault.indices}
        assert faulty <= dissolved
        assert all(_unchanged(subject, copy, index) for index in dissolved - faulty)
        assert 3 <= len(faulty) <= max(3, SHARE * len(subject.targets))


def _unchanged(subject: Subject, copy: FaultedFont, index: int) -> bool:
    before, after = subject.face.glyph(index), open_face(copy.data).glyph(index)
    assert before
    assert after
    return looks.overlap(looks.ink(before.outline), looks.ink(after.outline)) > 0.98


@pytest.mark.parametrize("file", [TRUETYPE, ARABIC_CFF])
def test_no_two_faults_touch_one_glyph_and_no_fault_comes_twice(opened: Open, file: str) -> None:
    copies = list(faulted(opened(file), 3))
    for copy in copies:
        glyphs = [set(fault.glyphs) for fault in copy.faults]
        assert not any(a & b for a, b in combinations(glyphs, 2))
    every = [(fault.kind, name) for copy in copies for fault in copy.faults for name in fault.glyphs]
    assert len(every) == len(set(every))


def test_the_same_font_gets_the_same_faults(opened: Open) -> None:
    first, again = (list(faulted(opened(ARABIC_TRUETYPE), 2)) for _ in range(2))
    assert first == again
    assert first[0].digest == again[0].digest


@pytest.mark.parametrize("file", [TRUETYPE, ARABIC_TRUETYPE, "naskh.ttf"])
def test_truth_lists_every_character_that_a_faulty_glyph_is_reached_by(opened: Open, file: str) -> None:
    subject = opened(file)
    drawn = entries(subject.face)
    for copy in faulted(subject, 2):
        for fault in copy.faults:
            reached = {
                entry
                for entry, components in drawn.items()
                if {component.glyph_index for component in components} & set(fault.indices)
            }
            assert set(fault.entries) == reached
            assert Label.parse(fault.label) in {entry.label for entry in fault.entries}


def test_a_glyph_of_two_code_points_has_both_as_entries(font_dir: Path) -> None:
    font = TTFont(font_dir / TRUETYPE)
    for table in font["cmap"].tables:
        if table.isUnicode():
            table.cmap[0x212A] = "K"  # the kelvin sign
    saved = io.BytesIO()
    font.save(saved)
    subject = Subject(saved.getvalue(), ASKED)
    assert subject.by_glyph["K"] == (Entry(0x4B, Label(0x4B)), Entry(0x212A, Label(0x212A)))


def test_a_form_is_drawn_by_the_glyph_that_shaping_gives(opened: Open) -> None:
    subject = opened("naskh.ttf")
    assert Entry(0x628, BEH) in subject.by_glyph[subject.glyph_of[BEH]]


def test_faults_of_a_font_that_joins_are_arabic(opened: Open) -> None:
    assert opened(ARABIC_CFF).arabic
    assert not opened(TRUETYPE).arabic
    assert all(fault.arabic for copy in faulted(opened(ARABIC_CFF), 2) for fault in copy.faults)


def test_a_saved_copy_is_a_font_that_fonttools_reads_whole(opened: Open) -> None:
    for file in (TRUETYPE, CFF):
        (copy,) = faulted(opened(file), 1)
        font = TTFont(io.BytesIO(copy.data))
        for tag in list(font.keys()):
            assert font[tag] is not None
