from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from glyphs.labels import Label
from glyphs.raster import RasterSettings
from glyphs.splits import Split
from training.data.pictures import PictureSource
from training.data.source import Vocabulary

LABELS = [Label(65), Label(66)]


@pytest.fixture
def source() -> PictureSource:
    """Six pictures of a bar, the last of which is not used."""
    gallery = np.zeros((6, 20, 30), np.uint8)
    gallery[:, 5:15, 10:15] = 255
    return PictureSource(
        path=Path("pictures"),
        digest="",
        all_labels=LABELS,
        label=np.array([0, 1, 0, 1, 0, 1]),
        split=np.array(["train", "train", "validation", "train", "test", ""]),
        gallery=gallery,
        family=np.array([0, 0, 1, 2, 3, 3]),
    )


def test_a_table_holds_the_pictures_of_its_split_without_metrics(source: PictureSource) -> None:
    table = source.table(Split.TRAIN)
    assert table.shape.tolist() == [0, 1, 3]
    assert table.label.tolist() == [0, 1, 1]
    assert table.family.tolist() == [0, 0, 2]
    assert np.isnan(table.metrics).all()
    assert sum(len(source.table(split)) for split in Split) == 5


def test_pictures_of_unknown_makers_are_families_of_their_own(source: PictureSource) -> None:
    alone = PictureSource(Path(), "", LABELS, source.label, source.split, source.gallery)
    assert alone.table(Split.TRAIN).family.tolist() == [0, 1, 3]


def test_labels_find_their_places_among_others(source: PictureSource) -> None:
    assert source.places([Label(66), Label(67)]).tolist() == [-1, 0]
    vocabulary = Vocabulary.choose(source, source.table(Split.TRAIN), 1, 1)
    assert vocabulary.labels == tuple(LABELS)
    assert vocabulary.families == (1, 2)


def test_ink_is_fitted_and_colours_fill_the_raster(source: PictureSource) -> None:
    settings = RasterSettings(32, 28)
    ink = source.shapes([0]).draw(0, settings)
    rows = np.flatnonzero(ink.max(axis=1) > 128)
    assert ink.shape == (32, 32)
    assert len(rows) == 28
    colours = PictureSource(
        Path(), "", LABELS, source.label, source.split, np.zeros((6, 20, 30, 3), np.uint8)
    )
    assert colours.shapes([0]).draw(0, settings).shape == (3, 32, 32)
