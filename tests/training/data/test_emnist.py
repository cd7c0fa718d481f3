from __future__ import annotations

import gzip
import shutil
import struct
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glyphs.equivalence import Equivalence
from glyphs.errors import BadDataset
from glyphs.labels import Label
from glyphs.raster import RasterSettings
from glyphs.splits import Split
from tests.training.data.conftest import EmnistMaker, idx
from training.data.emnist import open_emnist

CAPITALS = "".join(f"{place} {65 + place}\n" for place in range(2))


def test_images_stand_upright(make_emnist: EmnistMaker) -> None:
    source = open_emnist(make_emnist("byclass", CAPITALS))
    image = source.gallery[0]
    assert image[:, 8:11].sum() > image[:, 16:19].sum(), "an L has its stem at the left"
    assert image[20:].sum() > image[:8].sum(), "an L has its foot at the bottom"
    assert source.shapes([0]).draw(0, RasterSettings(32, 28)).shape == (32, 32)


def test_plain_mnist_is_upright_as_it_is_stored_and_need_not_be_packed(tmp_path: Path) -> None:
    images = np.zeros((32, 28, 28), np.uint8)
    images[:, 2:5] = 255
    for part in ("train", "t10k"):
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(idx(images))
        labels = np.arange(32, dtype=np.uint8) % 10
        (tmp_path / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    source = open_emnist(tmp_path)
    assert "".join(chr(label.codepoint) for label in source.all_labels) == "0123456789"
    assert np.array_equal(source.gallery[5], images[5])


def test_letters_count_from_one_and_are_capitals(make_emnist: EmnistMaker) -> None:
    source = open_emnist(make_emnist("letters", "1 65 97\n2 66 98\n", first=1))
    assert source.all_labels == [Label(ord("A")), Label(ord("B"))]
    table = source.table(Split.TEST)
    assert [source.labels()[int(label)] for label in table.label[:2]] == source.all_labels


def test_a_sixteenth_of_the_training_file_validates_and_the_test_file_tests(make_emnist: EmnistMaker) -> None:
    source = open_emnist(make_emnist("byclass", CAPITALS))
    train, validation, test = (set(source.table(split).shape.tolist()) for split in Split)
    assert train | validation == set(range(64))
    assert not train & validation
    assert 1 <= len(validation) <= 8
    assert test == set(range(64, 80))


def test_letters_that_bymerge_joins_are_equivalent_where_they_are_apart(make_emnist: EmnistMaker) -> None:
    digits_and_letters = [*range(48, 58), *range(65, 91), *range(97, 123)]
    mapping = "".join(f"{number} {code}\n" for number, code in enumerate(digits_and_letters))
    source = open_emnist(make_emnist("byclass", mapping))
    alike = Equivalence.from_json(source.equivalence().to_json())
    assert alike.evidence == source.alike.evidence
    assert len(source.all_labels) == 62
    folded = {min([label, *alike.equivalents(label)]) for label in source.all_labels}
    assert len(folded) == 47
    assert alike.same(Label(ord("C")), Label(ord("c")))
    assert not alike.same(Label(ord("A")), Label(ord("a")))


def test_images_without_ink_are_set_aside_and_named(make_emnist: EmnistMaker) -> None:
    folder = make_emnist("byclass", CAPITALS)
    file = folder / "emnist-byclass-test-images-idx3-ubyte.gz"
    data = bytearray(gzip.decompress(file.read_bytes()))
    data[16 + 3 * 784 : 16 + 4 * 784] = bytes(784)
    file.write_bytes(gzip.compress(bytes(data)))
    source = open_emnist(folder)
    assert [name for name, _ in source.rejects()] == ["emnist-byclass-test, image 3"]
    assert 64 + 3 not in source.table(Split.TEST).shape


def test_among_several_splits_one_is_to_be_named(make_emnist: EmnistMaker) -> None:
    make_emnist("letters", "1 65 97\n2 66 98\n", first=1)
    folder = make_emnist("digits", "0 48\n1 49\n")
    with pytest.raises(BadDataset, match="digits, letters"):
        open_emnist(folder)
    with pytest.raises(BadDataset, match="digits, letters"):
        open_emnist(folder, "byclass")
    assert open_emnist(folder, "digits").all_labels == [Label(48), Label(49)]


def test_the_digest_follows_the_content(make_emnist: EmnistMaker, tmp_path: Path) -> None:
    folder = make_emnist("byclass", CAPITALS)
    shutil.copytree(folder, tmp_path / "copy")
    assert open_emnist(tmp_path / "copy").digest == open_emnist(folder).digest
    (folder / "emnist-byclass-mapping.txt").write_text("0 65\n1 67\n")
    assert open_emnist(tmp_path / "copy").digest != open_emnist(folder).digest


IMAGES, LABELS = "emnist-byclass-train-images-idx3-ubyte.gz", "emnist-byclass-train-labels-idx1-ubyte.gz"
_FOUR_BILLION = struct.pack(">4I", 0x803, 2**32 - 1, 28, 28)


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        (IMAGES, b"", "breaks off"),
        (IMAGES, gzip.compress(bytes(800)), "not IDX"),
        (IMAGES, gzip.compress(_FOUR_BILLION + bytes(784)), "cannot"),
        (IMAGES, _FOUR_BILLION + bytes(784), "cannot"),
        (IMAGES, gzip.compress(idx(np.ones((64, 28, 28), np.uint8)) + b"x"), "more"),
        (IMAGES, gzip.compress(idx(np.ones((64, 28, 28), np.uint8)))[:-9], "less"),
        (IMAGES, gzip.compress(idx(np.ones((63, 28, 28), np.uint8))), "63 images"),
        (IMAGES, gzip.compress(idx(np.ones((64, 20, 28), np.uint8))), "size"),
        (LABELS, gzip.compress(idx(np.full(64, 7, np.uint8))), "label 7"),
        ("emnist-byclass-mapping.txt", b"0 65\n1 Omega\n", "line 2"),
        ("emnist-byclass-mapping.txt", b"0 65\n900 66\n", "line 2"),
    ],
)
def test_a_broken_file_is_named_in_one_line(
    make_emnist: EmnistMaker, file: str, content: bytes, said: str
) -> None:
    folder = make_emnist("byclass", CAPITALS)
    (folder / file).write_bytes(content)
    with pytest.raises(BadDataset, match=said) as caught:
        open_emnist(folder)
    assert file.partition("-images")[0].partition("-labels")[0] in str(caught.value)
    assert caught.value.remedy
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(make_emnist: EmnistMaker) -> None:
    folder = make_emnist("byclass", CAPITALS)
    (folder / LABELS).unlink()
    with pytest.raises(BadDataset, match=LABELS):
        open_emnist(folder)


_FILES = st.sampled_from([IMAGES, LABELS, "emnist-byclass-mapping.txt"])


@given(file=_FILES, data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_bytes_are_there_is_a_source_or_a_bad_dataset(
    make_emnist: EmnistMaker, file: str, data: st.DataObject
) -> None:
    folder = make_emnist("byclass", CAPITALS)
    whole = (folder / file).read_bytes()
    packed = file.endswith(".gz")
    if packed and data.draw(st.booleans(), "changed before it is packed"):
        whole = gzip.decompress(whole)
    start = data.draw(st.integers(0, min(len(whole), 64)))
    end = data.draw(st.integers(start, len(whole)))
    changed = whole[:start] + data.draw(st.binary(max_size=40)) + whole[end:]
    if packed and data.draw(st.booleans(), "packed again"):
        changed = gzip.compress(changed, 1)
    (folder / file).write_bytes(changed)
    with suppress(BadDataset):
        source = open_emnist(folder)
        assert len(source.label) == len(source.split) == 80
