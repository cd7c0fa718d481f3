from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from glyphs.dataset.folder import import_rasters
from glyphs.errors import BadDataset
from glyphs.labels import Form, Label
from glyphs.splits import Split
from tests.training.data.conftest import PictureMaker
from training.data.glyphs import GlyphSource
from training.data.rasters import open_rasters


@pytest.fixture
def rasters(tmp_path: Path, draw: PictureMaker) -> Path:
    """Twelve families with two labels each, and chars.csv beside them."""
    (tmp_path / "chars.csv").write_text("label,base_unicode\n65,65\n65227_init,1593\n")
    for number in range(12):
        for label in ("65", "65227_init"):
            draw(tmp_path / "rasters" / f"Family{number}_{label}.png", 2 + number % 4)
    return tmp_path / "rasters"


def test_labels_come_from_chars_csv(rasters: Path) -> None:
    source = open_rasters(rasters, rasters.parent / "chars.csv")
    assert source.all_labels == [Label(65), Label(1593, Form.INIT)]
    assert np.bincount(source.label).tolist() == [12, 12]


def test_bare_letters_look_like_their_isolated_forms(rasters: Path, draw: PictureMaker) -> None:
    (rasters.parent / "chars.csv").write_text("label,base_unicode\n1593,1593\n1593_isol,1593\n")
    for label in ("1593", "1593_isol"):
        draw(rasters / f"Lato_{label}.png")
    chars, out = rasters.parent / "chars.csv", rasters.parent / "glyphs.db"
    for _ in import_rasters(rasters, chars, out):
        pass
    with GlyphSource.open(out) as imported:
        tables = [open_rasters(rasters, chars).equivalence(), imported.equivalence()]
    assert all(table.same(Label(1593), Label(1593, Form.ISOL)) for table in tables)


def test_no_family_is_in_two_splits(rasters: Path) -> None:
    source = open_rasters(rasters, rasters.parent / "chars.csv")
    families = [set(source.table(split).family.tolist()) for split in Split]
    assert all(families)
    assert sum(map(len, families)) == len(set.union(*families)) == 12


def test_rasters_without_a_label_are_named(rasters: Path, draw: PictureMaker) -> None:
    draw(rasters / "Family_nolabel.png")
    source = open_rasters(rasters, rasters.parent / "chars.csv")
    assert [name for name, _ in source.rejects()] == ["Family_nolabel.png"]


def test_labels_that_no_raster_has_make_no_source(tmp_path: Path, rasters: Path) -> None:
    (tmp_path / "chars.csv").write_text("label,base_unicode\n66,66\n")
    with pytest.raises(BadDataset, match="24 that cannot"):
        open_rasters(rasters, tmp_path / "chars.csv")
