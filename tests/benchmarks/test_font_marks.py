from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.fonts.marks import Letters, found_in_faults
from benchmarks.glyphs.labels import AskedLabels
from glyphs.fonts import FontFile
from glyphs.labels import Label
from scoring.reader import read_faces

ASKED = frozenset(AskedLabels.read().labels)


@pytest.mark.parametrize("name", ["sans.ttf", "naskh.ttf"])
def test_outlines_alone_find_most_faults_with_marks(font_dir: Path, name: str) -> None:
    results = list(found_in_faults((font_dir / name).read_bytes(), 2, ASKED))
    assert {kind for kind, _ in results} <= {"missing-mark", "moved-mark", "mark-beside"}
    assert len(results) >= 2
    assert sum(found for _, found in results) > len(results) / 2


def test_a_published_font_has_its_marks(font_dir: Path) -> None:
    data = (font_dir / "sans.ttf").read_bytes()
    letters = Letters.of(next(read_faces(FontFile(Path(), data, ""), 100_000)))
    assert Label(ord("é")) in {label for _, label, _ in letters.glyphs}
    assert not any(letters.said(label, pieces) for _, label, pieces in letters.glyphs)
