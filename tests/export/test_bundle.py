from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import export.bundle
from export.bundle import Parity, export_bundle
from glyphs.dataset.store import Dataset
from glyphs.errors import BadBundle, ParityError
from recognition.bundle import Bundle, replacing
from training.checkpoint import load_checkpoint


def test_onnx_answers_as_torch_does_on_every_glyph(tiny_export: tuple[Path, Parity]) -> None:
    _, parity = tiny_export
    assert parity.glyphs > 20
    assert parity.largest_difference < 1e-3
    assert parity.same_top1 == parity.glyphs


def test_the_bundle_says_what_it_is_and_where_it_comes_from(
    tiny_bundle: Bundle, small_dataset: Dataset
) -> None:
    provenance = tiny_bundle.manifest.provenance
    assert provenance["dataset"] == small_dataset.digest
    assert provenance["samples"] in (128, 256)  # the best of the two epochs
    assert tiny_bundle.manifest.name == "levit_128s"
    assert 0 < tiny_bundle.manifest.known_threshold < 1


def test_a_disagreeing_export_is_refused_and_leaves_the_old_bundle(
    tiny_run: Path, small_dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "bundle"
    out.mkdir()
    (out / "manifest.json").write_text("old")
    trained = load_checkpoint(tiny_run)

    def skewed(model: object, path: Path, *, size: int) -> None:
        trained.model.classifier.weight.data += 0.1  # what torch answers no longer is what was exported

    real = export.bundle.to_onnx
    monkeypatch.setattr(export.bundle, "to_onnx", lambda *a, **k: (real(*a, **k), skewed(*a, **k)))
    with pytest.raises(ParityError):
        export_bundle(trained, small_dataset.path, out)
    assert [file.name for file in tmp_path.iterdir()] == ["bundle"]
    assert (out / "manifest.json").read_text() == "old"


def test_a_folder_of_something_else_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    with pytest.raises(BadBundle, match="no bundle"), replacing(tmp_path):
        pass
    assert (tmp_path / "precious").read_text() == "precious"


def test_parity_is_about_both_the_numbers_and_the_answers() -> None:
    Parity(10, 1e-4, 10).check()
    for bad in (Parity(10, 1e-2, 10), Parity(10, 1e-4, 9), Parity(10, float(np.float32(1e-3)) * 2, 10)):
        with pytest.raises(ParityError):
            bad.check()
