"""The shipped bundles: whole, of the size promised, and right on families they never saw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bundles import SHIPPED, default_bundle, is_shipped, shipped_or
from glyphs.fonts import FontFile
from glyphs.labels import Form, Label
from glyphs.raster import draw
from glyphs.shaping import labelled_glyphs
from glyphs.splits import Split, frozen_splits
from index.search import ReferenceIndex
from recognition.bundle import Bundle
from recognition.candidates import Candidates
from recognition.recogniser import Recogniser

# Test font -> the family it is a subset of, and the least that is read right. Neither family was trained on;
# the second is a display face, whose letters even people take for others.
UNSEEN = {
    "arabic.ttf": ("Lateef", {"levit_128s": 0.9, "unified_mlp": 0.9}),
    "kufi.otf": ("Lemonada", {"levit_128s": 0.7, "unified_mlp": 0.65}),
}


@pytest.fixture(scope="module", params=SHIPPED)
def recogniser(request: pytest.FixtureRequest) -> Recogniser:
    return Recogniser(Bundle.load(Path(request.param)))


def test_shipped_bundles_are_found_by_name_unless_a_folder_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first = Path(SHIPPED[0])
    assert shipped_or(first) == default_bundle()
    assert is_shipped(shipped_or(first))
    assert shipped_or(Path("no-such-bundle")) == Path("no-such-bundle")
    first.mkdir()
    assert shipped_or(first) == first
    assert not is_shipped(first)


def test_it_knows_the_labels_promised_among_them_arabic_forms(recogniser: Recogniser) -> None:
    labels = recogniser.bundle.labels
    assert len(labels) >= 2500
    assert sum(label.positional for label in labels) >= 600
    assert {Label(0x639, form) for form in (Form.ISOL, Form.INIT, Form.MEDI, Form.FINA)} <= set(labels)


def test_every_label_has_a_reference_and_references_are_of_training_families(recogniser: Recogniser) -> None:
    references = ReferenceIndex.load(recogniser.bundle.path).references
    assert set(references.labels) == set(recogniser.bundle.labels)
    held_out = {family for family, split in frozen_splits().items() if split is not Split.TRAIN}
    assert not held_out & set(references.families)


def test_its_manifest_says_how_good_it_is(recogniser: Recogniser) -> None:
    quality = recogniser.bundle.manifest.quality
    assert quality["split"] == "test"
    assert 0 < quality["with_metrics"]["fonts"]["top1"] <= quality["ceiling"]["with_metrics"] < 1


@pytest.mark.parametrize("file", sorted(UNSEEN))
def test_glyphs_of_unseen_families_are_recognised(recogniser: Recogniser, font_dir: Path, file: str) -> None:
    family, least = UNSEEN[file]
    assert frozen_splits()[family] is not Split.TRAIN
    face = next(FontFile.read(font_dir / file).faces())
    known = set(recogniser.bundle.labels)
    glyphs = {
        label: glyph
        for label, components in labelled_glyphs(face).items()
        if label in known and (glyph := face.glyph(components))
    }
    assert len(glyphs) > 50
    rasters = np.stack([draw(glyph.outline, recogniser.bundle.manifest.raster) for glyph in glyphs.values()])
    metrics = np.array(
        [(g.metrics.width, g.metrics.height, g.metrics.bottom, g.metrics.advance) for g in glyphs.values()],
        np.float32,
    )
    found = Candidates(recogniser.bundle).recognise(recogniser.answer(rasters, metrics), 5)
    same = recogniser.bundle.equivalence.same
    right = [same(label, f.predictions[0].label) for label, f in zip(glyphs, found, strict=True)]
    listed = [label in {p.label for p in f.predictions} for label, f in zip(glyphs, found, strict=True)]
    assert np.mean(right) > least[recogniser.bundle.manifest.name]
    assert np.mean(listed) > 0.85


@pytest.mark.parametrize("name", SHIPPED)
def test_in_int8_it_answers_as_in_float32(name: str, font_dir: Path) -> None:
    whole, small = Bundle.load(Path(name)), Bundle.load(Path(f"{name}@int8"))
    assert small.model.stat().st_size < 0.6 * whole.model.stat().st_size  # whose weights are kept as float16
    assert small.manifest.quality["same_top1"] >= 0.99
    face = next(FontFile.read(font_dir / "arabic.ttf").faces())
    glyphs = filter(None, map(face.glyph, labelled_glyphs(face).values()))
    rasters = np.stack([draw(glyph.outline, whole.manifest.raster) for glyph in glyphs])
    assert len(rasters) > 50
    ours, theirs = (Recogniser(bundle).answer(rasters) for bundle in (small, whole))
    same = (ours.logits + small.log_prior).argmax(1) == (theirs.logits + whole.log_prior).argmax(1)
    assert same.mean() >= 0.95
    assert (ours.embeddings * theirs.embeddings).sum(1).mean() > 0.99
