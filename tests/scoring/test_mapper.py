from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from glyphs.fonts import FontFile
from glyphs.labels import Label
from glyphs.raster import draw
from recognition.recogniser import Recogniser
from scoring.mapper import Mapper, doubt, folded


@pytest.fixture(scope="module")
def asked(font_dir: Path, recogniser: Recogniser) -> tuple[np.ndarray, np.ndarray]:
    """Rasters and metrics of A, b and R."""
    [face] = FontFile.read(font_dir / "sans.ttf").faces()
    glyphs = [face.glyph(face.characters()[ord(letter)]) for letter in "AbR"]
    rasters = np.stack([draw(glyph.outline, recogniser.bundle.manifest.raster) for glyph in glyphs if glyph])
    metrics = [(g.metrics.width, g.metrics.height, g.metrics.bottom, g.metrics.advance) for g in glyphs if g]
    return rasters, np.array(metrics, np.float32)


def test_a_true_claim_is_believed_and_a_false_one_doubted(
    recogniser: Recogniser, asked: tuple[np.ndarray, np.ndarray]
) -> None:
    claims = [Label(ord(letter)) for letter in "AbRb"]
    found = Mapper(recogniser).look(*asked, np.array([0, 1, 2, 0]), claims)
    assert [evidence.rank for evidence in found[:3]] == [1, 1, 1]
    assert all(evidence.margin < 0 and evidence.known for evidence in found[:3])
    false = found[3]
    assert false.rank > 1
    assert false.margin > 0 > found[0].margin
    assert false.doubt > found[0].doubt + 10
    assert recogniser.bundle.equivalence.same(false.rival, Label(ord("A")))
    assert false.top == found[0].top  # what it looks like does not depend on what it claims to be


def test_equivalents_speak_for_a_claim(recogniser: Recogniser, asked: tuple[np.ndarray, np.ndarray]) -> None:
    mapper = Mapper(recogniser)
    latin, greek = mapper.look(*asked, np.array([0, 0]), [Label(0x41), Label(0x391)])
    assert greek.rank == latin.rank == 1
    assert greek.rival != Label(0x41)
    assert sum(guess.probability for guess in latin.top) <= 1.00001


def test_a_letter_is_doubted_less_than_its_reflection(
    recogniser: Recogniser, asked: tuple[np.ndarray, np.ndarray]
) -> None:
    rasters, metrics = asked
    mapper, claims = Mapper(recogniser), [Label(ord("R"))]
    [mirrored] = mapper.look(np.ascontiguousarray(rasters[2:, :, ::-1]), metrics[2:], np.array([0]), claims)
    [upright] = mapper.look(rasters[2:], metrics[2:], np.array([0]), claims)
    assert upright.doubt < mirrored.doubt - 6


def test_both_heads_have_to_be_against_a_claim() -> None:
    assert doubt(5, 0.2) > doubt(5, 0.9)
    assert doubt(5, 0.2) > doubt(-5, 0.2)


def test_case_and_formatting_are_folded() -> None:
    assert folded(Label(ord("A"))) == folded(Label(ord("a"))) == folded(Label(ord("ａ")))
    assert folded(Label(ord("a"))) != folded(Label(ord("b")))
