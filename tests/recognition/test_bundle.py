from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from bundles import SHIPPED, default_bundle
from glyphs.errors import BadBundle
from recognition.bundle import LABELS, MANIFEST, MODEL, Bundle, Manifest, bundle_at, seal


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
