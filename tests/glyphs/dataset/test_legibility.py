"""Picture fonts are kept out."""

from __future__ import annotations

import random
import shutil
import string
from collections.abc import Callable
from pathlib import Path

import pytest

from glyphs.dataset.build import build, finish
from glyphs.dataset.legibility import (
    LEAST_CORRELATION,
    LEAST_LETTERS,
    illegible_families,
    legibility,
    listed_families,
)
from glyphs.dataset.store import Dataset


def stars(characters: str) -> dict[int, list[list[tuple[int, int]]]]:
    """Splinters in the corners, others for each character: a picture font's letters."""
    drawings = {}
    for character in characters:
        rng, splinters = random.Random(character), []
        for x, y in [(0, 0), (900, 0), (0, 900), (900, 900)] * 3:
            x, y = x + rng.randrange(60), y + rng.randrange(60)
            splinters.append([(x, y), (x + 60, y + 60), (x + 60, y)])
        drawings[ord(character)] = splinters
    return drawings


@pytest.fixture(scope="module")
def with_room_for_more(
    dataset_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Dataset]:
    """Copies the small dataset, adds fonts to the copy, and opens it."""

    def add(*fonts: Path) -> Dataset:
        out = tmp_path_factory.mktemp("more") / "glyphs.db"
        shutil.copy(dataset_file, out)
        for _ in build(fonts, out, workers=1):
            pass
        return Dataset.open(out)

    return add


def test_families_that_write_letters_are_kept(small_dataset: Dataset) -> None:
    scores = legibility(small_dataset)
    latin = {f"Glyphery Test {name}" for name in ("Sans", "Serif", "Variable", "Mono", "Didone")}
    assert latin <= scores.keys()
    assert all(letters == 62 for _, letters in scores.values())
    assert all(score > 2 * LEAST_CORRELATION for score, _ in scores.values())
    assert not illegible_families(small_dataset).keys() & latin


def test_a_family_without_latin_letters_is_not_judged(small_dataset: Dataset) -> None:
    assert "Glyphery Test Naskh" not in legibility(small_dataset)


def test_a_font_that_draws_pictures_on_letters_is_set_aside_with_the_reason(
    make_font: Callable[..., Path], with_room_for_more: Callable[..., Dataset]
) -> None:
    font = make_font("stars.ttf", "Stars", stars(string.ascii_letters))
    with with_room_for_more(font) as dataset:
        score, letters = legibility(dataset)["Stars"]
        assert letters == 52
        assert score < LEAST_CORRELATION
        excluded = {name: why for _, name, _, why in dataset.families() if why}
        assert excluded.keys() == {"Stars"}
        assert "look like no letters" in excluded["Stars"]
        stars_id = next(identifier for identifier, name, _, _ in dataset.families() if name == "Stars")
        assert stars_id not in dataset.table().family
        assert stars_id in dataset.table(excluded=True).family


def test_too_few_letters_are_not_enough_to_judge(
    make_font: Callable[..., Path], with_room_for_more: Callable[..., Dataset]
) -> None:
    font = make_font("few.ttf", "A Few Stars", stars(string.ascii_letters[: LEAST_LETTERS - 1]))
    with with_room_for_more(font) as dataset:
        assert dataset.summary()["excluded"] == 0
        assert legibility(dataset)["A Few Stars"][1] == LEAST_LETTERS - 1


def test_a_listed_family_is_set_aside_by_name(
    make_font: Callable[..., Path], with_room_for_more: Callable[..., Dataset]
) -> None:
    family, reason = next(iter(listed_families().items()))
    font = make_font("listed.ttf", family, stars("AB"))
    with with_room_for_more(font) as dataset:
        assert {name: why for _, name, _, why in dataset.families() if why} == {family: reason}


def test_every_listed_family_has_its_reason() -> None:
    assert all(family and reason for family, reason in listed_families().items())


def test_a_dataset_without_letters_is_judged_without_trouble(tmp_path: Path) -> None:
    with Dataset.create(tmp_path / "glyphs.db") as dataset:
        finish(dataset)
        assert legibility(dataset) == {}
