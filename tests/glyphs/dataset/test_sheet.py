from __future__ import annotations

import numpy as np
import pytest

from glyphs.dataset.sheet import contact_sheet
from glyphs.dataset.store import Dataset
from glyphs.errors import BadDataset


def test_a_sheet_shows_ink_in_every_cell(small_dataset: Dataset) -> None:
    sheet = np.asarray(contact_sheet(small_dataset, columns=6, rows=4))
    for row in range(4):
        for column in range(6):
            assert (sheet[row * 86 : row * 86 + 70, column * 72 : column * 72 + 72] < 128).any()


def test_a_sheet_of_one_script_is_another_picture(small_dataset: Dataset) -> None:
    latin, arabic = (contact_sheet(small_dataset, scripts=frozenset({s})) for s in ("Latn", "Arab"))
    assert latin.tobytes() != arabic.tobytes()


def test_a_script_that_no_font_has_is_refused(small_dataset: Dataset) -> None:
    with pytest.raises(BadDataset, match="Thai"):
        contact_sheet(small_dataset, scripts=frozenset({"Thai"}))
