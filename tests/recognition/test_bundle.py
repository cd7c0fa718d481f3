from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bundles import SHIPPED, default_bundle
from glyphs.errors import BadBundle, BadInput
from glyphs.folders import is_full
from recognition.bundle import (
    FAST,
    LABELS,
    MANIFEST,
    MODEL,
    Bundle,
    Manifest,
    Variant,
    bundle_at,
    model_at,
    model_file,
    replacing,
    seal,
)


@pytest.fixture
def copy(tiny_bundle: Bundle, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle.path, tmp_path / "bundle"))


def test_a_copy_has_the_same_digest(tiny_bundle: Bundle, copy: Path) -> None:
    assert Bundle.load(copy).digest == tiny_bundle.digest


@pytest.mark.parametrize(
    "name", [MODEL, LABELS, "equivalence.json", "index.faiss", "references.npz", "pictures.bin"]
)
def test_one_changed_byte_in_any_file_is_noticed(copy: Path, name: str) -> None:
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(data)
    with pytest.raises(BadBundle, match=name):
        Bundle.load(copy)


@pytest.mark.parametrize("name", [MODEL, LABELS, MANIFEST])
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(BadBundle):
        Bundle.load(copy)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 99}', '{"format": 1}', "\x00\xff"])
def test_a_manifest_that_is_none_is_refused(copy: Path, text: str) -> None:
    (copy / MANIFEST).write_text(text)
    with pytest.raises(BadBundle):
        Bundle.load(copy)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("known_threshold", "0.5"), ("known_threshold", None), ("known_threshold", math.nan),
        ("index", None), ("quality", []), ("provenance", "x"), ("files", []), ("name", 5), ("version", None),
    ],
)  # fmt: skip
def test_a_manifest_with_a_value_of_another_kind_is_refused(copy: Path, name: str, value: object) -> None:
    manifest = json.loads((copy / MANIFEST).read_text())
    (copy / MANIFEST).write_text(json.dumps(manifest | {name: value}))
    with pytest.raises(BadBundle, match=r"Export the bundle anew"):
        Bundle.load(copy)


def test_a_bundle_knows_whether_it_is_still_what_was_loaded(copy: Path) -> None:
    bundle = Bundle.load(copy)
    bundle.check_in_place()
    seal(copy, replace(bundle.manifest, version="another"))
    with pytest.raises(BadBundle, match="replaced"):
        bundle.check_in_place()
    Bundle.load(copy).check_in_place()
    shutil.rmtree(copy)
    with pytest.raises(BadBundle, match="replaced"):
        bundle.check_in_place()


def test_a_manifest_without_end_is_refused(copy: Path) -> None:
    (copy / MANIFEST).write_text("[" * 200_000)
    with pytest.raises(BadBundle, match="cannot be read"):
        Bundle.load(copy)


@pytest.mark.parametrize(("sure", "temperature"), [("high", 1.0), (-1.0, 1.0), (0.5, 0.0), (0.5, None)])
def test_a_pair_that_cannot_be_asked_is_refused(copy: Path, sure: object, temperature: object) -> None:
    shutil.copy(copy / MODEL, copy / FAST)
    manifest = json.loads(seal(copy, Bundle.load(copy).manifest).to_json())
    manifest["cascade"] = {"sure": sure, "temperature": temperature, "fast": {}}
    (copy / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(BadBundle):
        Bundle.load(copy)


def test_what_a_killed_process_left_is_no_part_of_a_bundle(copy: Path) -> None:
    (copy / f"{MANIFEST}.tmp").write_text("{")
    sealed = seal(copy, Bundle.load(copy).manifest)
    assert f"{MANIFEST}.tmp" not in sealed.files
    assert not (copy / f"{MANIFEST}.tmp").exists()
    Bundle.load(copy)


def test_a_bundle_that_was_changed_meanwhile_is_not_replaced(copy: Path, tmp_path: Path) -> None:
    before = Bundle.load(copy)

    def slowly() -> None:
        with replacing(copy) as work:
            before.copy(work)
            seal(work, replace(before.manifest, version="mine"))
            seal(copy, replace(before.manifest, version="another's"))

    with pytest.raises(BadBundle, match="was changed meanwhile"):
        slowly()
    assert Bundle.load(copy).manifest.version == "another's"
    with pytest.raises(BadBundle, match="replaced"):
        before.copy(tmp_path)


def test_a_disk_that_is_full_is_told_by_a_bundle_that_is_copied(small_disk: Path) -> None:
    with pytest.raises(OSError, match="No space") as failed:
        Bundle.load(default_bundle()).copy(small_disk)
    assert is_full(failed.value)


def test_a_manifest_cannot_point_outside_its_folder(copy: Path) -> None:
    manifest = json.loads((copy / MANIFEST).read_text())
    manifest["files"]["../secret"] = manifest["files"].pop("index.faiss")
    (copy / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(BadBundle, match="secret"):
        Bundle.load(copy)


def test_labels_that_contradict_the_manifest_are_refused_even_with_a_right_hash(copy: Path) -> None:
    rows = json.loads((copy / LABELS).read_text())["labels"]
    (copy / LABELS).write_text(json.dumps({"labels": rows[:-1]}))
    seal(copy, Manifest.from_json((copy / MANIFEST).read_text()))
    with pytest.raises(BadBundle, match="labels"):
        Bundle.load(copy)


def test_a_target_is_a_bundle_by_its_folder_or_its_shipped_name(copy: Path, tmp_path: Path) -> None:
    assert bundle_at(copy) == copy
    assert bundle_at(Path(SHIPPED[0])) == default_bundle()
    assert bundle_at(tmp_path) is None
    assert bundle_at(tmp_path / "nowhere") is None


@pytest.fixture
def halved(copy: Path, tiny_bundle: Bundle) -> Path:
    """A bundle that has its model as fp16, too; the bits do not matter here."""
    shutil.copy(copy / MODEL, copy / model_file("fp16"))
    half = Variant(temperature=2.0, known_threshold=0.5, quality={"top1": 0.9})
    seal(copy, replace(tiny_bundle.manifest, variants={"fp16": half}))
    return copy


def test_a_precision_is_named_after_the_folder(halved: Path) -> None:
    whole, half = Bundle.load(halved), Bundle.load(halved.with_name("bundle@fp16"))
    assert half.model == halved / "model.fp16.onnx"
    assert (half.path, half.labels) == (whole.path, whole.labels)
    of = half.manifest
    assert (of.precision, of.temperature, of.known_threshold) == ("fp16", 2.0, 0.5)
    assert of.quality == {"top1": 0.9}
    assert (whole.manifest.precision, whole.model) == ("fp32", halved / MODEL)
    assert half.digest != whole.digest
    assert [Bundle.load(one.address).digest for one in (half, whole)] == [half.digest, whole.digest]
    assert bundle_at(half.address) == half.address
    assert [model_at(one.address) for one in (half, whole)] == [half.model, whole.model]


def test_a_precision_that_is_not_there_is_told_with_those_that_are(halved: Path, copy: Path) -> None:
    with pytest.raises(BadBundle, match="no model in int8") as refused:
        Bundle.load(halved.with_name("bundle@int8"))
    assert "fp16" in refused.value.remedy
    with pytest.raises(BadBundle, match="no bundle at"):
        Bundle.load(halved.with_name("elsewhere@fp16"))


def test_a_folder_may_have_such_a_name_itself(copy: Path) -> None:
    moved = copy.rename(copy.with_name("mine@home"))
    assert Bundle.load(moved).manifest.precision == "fp32"


def test_one_precision_alone_is_not_written_anew(halved: Path) -> None:
    with pytest.raises(BadInput, match="fp16 only"):
        Bundle.load_whole(halved.with_name("bundle@fp16"))


def test_a_model_in_fewer_bits_that_is_missing_is_noticed(halved: Path) -> None:
    (halved / "model.fp16.onnx").unlink()
    with pytest.raises(BadBundle):
        Bundle.load(halved)
