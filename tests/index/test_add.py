"""Glyphs of fonts become references of an index; the embeddings are a real model's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from glyphs.errors import BadDataset, BadFont, BadIndex
from glyphs.labels import Form, Label
from glyphs.raster import RasterSettings
from index.add import Added, ReferenceAdder, Selection
from index.build import Embed
from index.pictures import PICTURE, Pictures
from index.references import References
from index.search import ReferenceIndex
from recognition.bundle import Bundle
from recognition.recogniser import Recogniser

ETHIOPIC = 0x1200
SQUARE = [(0, 0), (0, 700), (700, 700), (700, 0)]
SLIVER = [(100, 0), (100, 900), (220, 900), (220, 0)]
HOLLOW = [(0, 0), (0, 700), (0, 700), (0, 0)]  # encloses nothing


@pytest.fixture(scope="module")
def embed(tiny_bundle: Bundle) -> Embed:
    recogniser = Recogniser(tiny_bundle)
    return lambda rasters, metrics: recogniser.answer(rasters, metrics).embeddings


@pytest.fixture(scope="module")
def index(tiny_bundle: Bundle) -> ReferenceIndex:
    return ReferenceIndex.load(tiny_bundle.path)


@pytest.fixture
def adding(tiny_bundle: Bundle, embed: Embed) -> Callable[..., Added]:
    """Add fonts: `adding(paths, into=..., selection=..., replace=...)`."""

    def add(paths: list[Path], **given: object) -> Added:
        adder = ReferenceAdder(paths, settings=tiny_bundle.manifest.raster, **given)  # type: ignore[arg-type]
        steps = list(adder.run(embed))
        assert steps[-1].done == len(adder)
        assert adder.added is not None
        return adder.added

    return add


def same(first: ReferenceIndex, second: ReferenceIndex) -> bool:
    return (
        first.references.keys() == second.references.keys()
        and np.array_equal(first.embeddings, second.embeddings)
        and list(map(bytes, first.references.pictures)) == list(map(bytes, second.references.pictures))
    )


def test_a_character_no_model_learned_is_found_by_its_own_glyph(adding, index, embed, make_font) -> None:
    font = make_font("new.ttf", "New", {ETHIOPIC: [SQUARE], ETHIOPIC + 1: [SLIVER]})
    added = adding([font], into=index)
    assert (added.new, added.replaced, added.kept, added.fonts, added.refused) == (2, 0, 0, 1, ())
    assert added.labels == {Label(ETHIOPIC), Label(ETHIOPIC + 1)}
    direction = added.index.embedding_of(Label(ETHIOPIC))
    assert direction is not None
    nearest = added.index.search(direction, 1)[0][0]
    assert (nearest.reference.label, nearest.reference.family) == (Label(ETHIOPIC), "New")
    assert nearest.similarity == pytest.approx(1, abs=1e-3)


def test_what_was_there_stays_in_its_place(adding, index, font_dir) -> None:
    grown = adding([font_dir / "phagspa.ttf"], into=index, selection=Selection(["Phag"])).index
    before = len(index.references)
    known = set(index.references.keys())
    assert grown.references.keys()[:before] == index.references.keys()
    assert not known.intersection(grown.references.keys()[before:])
    unlike = [
        number for number, label in enumerate(index.references.labels) if label.character.script != "Phag"
    ]
    assert np.array_equal(grown.embeddings[unlike], index.embeddings[unlike])
    assert grown.references.pictures.png(unlike[0]) == index.references.pictures.png(unlike[0])


def test_adding_the_same_font_twice_gives_the_same_index(adding, index, font_dir) -> None:
    first = adding([font_dir / "didone.otf"], into=index)
    again = adding([font_dir / "didone.otf"], into=first.index)
    assert again.new == 0
    assert again.replaced == first.new + first.replaced
    assert same(first.index, again.index)


def test_a_reference_is_replaced_or_kept_as_asked(adding, index, make_font) -> None:
    old = adding([make_font("old/font.ttf", "New", {ETHIOPIC: [SQUARE]})], into=index).index
    redrawn = make_font("new/font.ttf", "New", {ETHIOPIC: [SLIVER], ETHIOPIC + 1: [SLIVER]})
    kept = adding([redrawn], into=old, replace=False)
    assert (kept.new, kept.replaced, kept.kept) == (1, 0, 1)
    assert np.array_equal(kept.index.embeddings[:-1], old.embeddings)
    replaced = adding([redrawn], into=old)
    assert (replaced.new, replaced.replaced, replaced.kept) == (1, 1, 0)
    assert len(replaced.index.references) == len(kept.index.references) == len(old.references) + 1
    assert replaced.index.references.pictures.png(len(old.references) - 1) != old.references.pictures.png(
        len(old.references) - 1
    )


def test_keeping_all_that_is_there_changes_nothing(adding, index, make_font) -> None:
    font = make_font("font.ttf", "New", {ETHIOPIC: [SQUARE]})
    old = adding([font], into=index).index
    again = adding([font], into=old, replace=False)
    assert (again.new, again.kept, again.labels) == (0, 1, frozenset())
    assert same(again.index, old)


def test_one_family_and_style_in_two_files_counts_once(adding, web_fonts, font_dir) -> None:
    once = adding([font_dir / "sans.ttf"])
    twice = adding(
        [font_dir / "sans.ttf", web_fonts["woff"], web_fonts["ttc"]], selection=Selection(["Latn"])
    )
    latin = [label for label in once.labels if label.character.script == "Latn"]
    assert twice.new == len(latin)
    assert twice.kept == 2 * len(latin)


def test_a_bundle_without_an_index_gets_one(adding, font_dir) -> None:
    added = adding([font_dir / "naskh.ttf"])
    assert len(added.index.references) == added.new > 50
    assert Label(0x639, Form.INIT) in added.labels


def test_a_broken_font_is_named_and_the_others_are_used(adding, font_dir, tmp_path) -> None:
    (tmp_path / "broken.ttf").write_bytes(b"\x00\x01\x00\x00 broken")
    (tmp_path / "empty.otf").write_bytes(b"")
    added = adding([tmp_path, font_dir / "mono.otf"])
    assert added.fonts == 1
    assert [Path(file).name for file, _ in added.refused] == ["broken.ttf", "empty.otf"]
    assert all(reason.endswith(".") for _, reason in added.refused)


def test_nothing_usable_is_an_error_with_the_reasons(adding, make_font, tmp_path) -> None:
    (tmp_path / "broken.ttf").write_bytes(b"broken")
    make_font("hollow.ttf", "Hollow", {ETHIOPIC: [HOLLOW]})
    make_font("private.ttf", "Private", {0xE000: [SQUARE]})
    with pytest.raises(BadFont) as caught:
        adding([tmp_path])
    assert all(name in caught.value.message for name in ("broken.ttf", "hollow.ttf", "private.ttf"))


def test_glyphs_without_ink_are_skipped(adding, make_font) -> None:
    font = make_font("font.ttf", "New", {ETHIOPIC: [SQUARE], ETHIOPIC + 1: [HOLLOW], 0x20: [SQUARE]})
    assert adding([font]).labels == {Label(ETHIOPIC)}


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(), {0x41, ETHIOPIC}),
        (Selection(["Hani"]), {0x4E00}),
        (Selection(["ethi", "Latn"]), {0x41, ETHIOPIC}),
        (Selection(charset="A一"), {0x41, 0x4E00}),
        (Selection(["Latn"], "A一"), {0x41}),
    ],
)
def test_scripts_and_characters_are_chosen(adding, make_font, selection, expected) -> None:
    font = make_font("font.ttf", "New", {code: [SQUARE] for code in (0x41, ETHIOPIC, 0x4E00, 0xAC00)})
    assert {label.codepoint for label in adding([font], selection=selection).labels} == expected


def test_a_character_is_chosen_in_all_its_forms(adding, font_dir) -> None:
    added = adding(
        [font_dir / "naskh.ttf"], selection=Selection(charset="\N{ARABIC LETTER AIN INITIAL FORM}")
    )
    assert added.labels == {Label(0x639, form) for form in Form if form}


def test_a_path_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadDataset, match="nowhere"):
        ReferenceAdder([tmp_path / "nowhere"], settings=RasterSettings())


def test_an_index_of_another_width_is_refused(adding, font_dir) -> None:
    row = np.eye(1, 7, dtype=np.float32)
    pictures = np.zeros((1, PICTURE, PICTURE), np.uint8)
    narrow = ReferenceIndex.build(row, References([Label(65)], ["F"], ["R"], Pictures.of(pictures)))
    with pytest.raises(BadIndex, match="7"):
        adding([font_dir / "mono.otf"], into=narrow)
