"""Pictures of references: packed, read again, and served as PNGs that any decoder reads alike."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from glyphs.errors import BadIndex
from index.pictures import FILE, PICTURE, Pictures, small_picture

LEVELS = arrays.arrays(np.uint8, (PICTURE, PICTURE), elements=st.integers(0, 15)).map(lambda of: 17 * of)


@given(st.lists(LEVELS, max_size=4))
def test_what_is_packed_is_what_comes_back(pictures: list[np.ndarray]) -> None:
    packed = Pictures.of(pictures)
    assert len(packed) == len(pictures)
    for before, after in zip(pictures, packed, strict=True):
        np.testing.assert_array_equal(after, before)


@given(LEVELS)
def test_its_png_is_dark_on_white(picture: np.ndarray) -> None:
    with Image.open(io.BytesIO(Pictures.of([picture]).png(0))) as image:
        image.load()  # checks the checksums, too
        assert image.size == (PICTURE, PICTURE)
        np.testing.assert_array_equal(np.asarray(image.convert("L")), 255 - picture)


@pytest.fixture
def three() -> Pictures:
    rng = np.random.default_rng(0)
    rasters = rng.integers(0, 256, (3, 64, 64), np.uint8)
    rasters[0] = 0
    return Pictures.of(map(small_picture, rasters))


def test_some_are_taken_in_the_order_asked_for_and_joined(three: Pictures) -> None:
    both = three.take([2, 0]) + three
    assert [bytes(picture) for picture in both] == [bytes(three[number]) for number in (2, 0, 0, 1, 2)]


@pytest.mark.parametrize("count", [0, 3])
def test_they_are_saved_and_loaded_again(three: Pictures, tmp_path: Path, count: int) -> None:
    saved = three.take(range(count))
    saved.save(tmp_path)
    loaded = Pictures.load(tmp_path, saved.lengths)
    assert [loaded.png(number) for number in range(count)] == [three.png(number) for number in range(count)]


@pytest.mark.parametrize("lengths", [[1, 2, 3], [], [-1, 1]])
def test_lengths_that_are_not_those_of_the_file_are_refused(
    three: Pictures, tmp_path: Path, lengths: list[int]
) -> None:
    three.save(tmp_path)
    assert (tmp_path / FILE).stat().st_size == three.lengths.sum()
    with pytest.raises(BadIndex):
        Pictures.load(tmp_path, np.array(lengths, np.int64))


def test_there_is_none_beyond_the_last(three: Pictures) -> None:
    with pytest.raises(IndexError):
        three[3]
