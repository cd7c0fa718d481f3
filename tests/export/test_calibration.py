from __future__ import annotations

import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

from export.calibration import Calibration, _likeliest, calibrate
from glyphs.dataset.store import Dataset
from glyphs.errors import BadInput
from recognition.bundle import MODEL, Bundle, Variant, model_file, seal

FAMILIES = np.log(np.geomspace(2, 900, 40)).astype(np.float32)


def _glyphs(temperature: float, weight: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and labels that come as often as the two say."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, (20_000, len(FAMILIES))).astype(np.float32)
    shares = softmax((logits + weight * FAMILIES) / temperature, axis=1)
    truth = (shares.cumsum(axis=1) > rng.random((len(logits), 1))).argmax(axis=1)
    return logits, truth


@pytest.mark.parametrize(("temperature", "weight"), [(1.0, 1.0), (0.7, 0.4), (2.0, 1.8), (1.2, 0.0)])
def test_what_made_the_labels_is_found(temperature: float, weight: float) -> None:
    logits, truth = _glyphs(temperature, weight, seed=3)
    found = _likeliest((logits, logits), FAMILIES, truth, None)
    assert found == pytest.approx((temperature, weight), abs=0.06)


def test_a_weight_that_is_given_is_kept() -> None:
    logits, truth = _glyphs(1.5, 1.0, seed=4)
    temperature, weight = _likeliest((logits,), FAMILIES, truth, 1.0)
    assert weight == 1.0
    assert temperature == pytest.approx(1.5, abs=0.06)


def test_labels_that_all_families_have_leave_the_weight_alone() -> None:
    logits, truth = _glyphs(1.3, 0.0, seed=5)
    temperature, weight = _likeliest((logits,), np.zeros_like(FAMILIES), truth, None)
    assert weight == 1.0
    assert temperature == pytest.approx(1.3, abs=0.06)


@pytest.fixture
def halved(tiny_bundle: Bundle, tmp_path: Path) -> Path:
    """A bundle that has its model as fp16, too, and values that nobody would choose."""
    path = Path(shutil.copytree(tiny_bundle.path, tmp_path / "bundle"))
    shutil.copy(path / MODEL, path / model_file("fp16"))  # the bits do not matter here
    worst = Calibration(temperature=9.0, prior_weight=3.0, known_threshold=-1.0)
    half = Variant(**asdict(worst), quality={"top1": 0.9})
    seal(path, replace(tiny_bundle.manifest, variants={"fp16": half}, **asdict(worst)))
    return path


def test_a_bundle_is_calibrated_in_all_its_precisions_and_its_models_stay(
    halved: Path, tiny_bundle: Bundle, small_dataset: Dataset, tmp_path: Path
) -> None:
    before = Bundle.load(halved)
    found = calibrate(halved, small_dataset.path, tmp_path / "calibrated")
    assert list(found) == ["fp32", "fp16"]
    after = Bundle.load(tmp_path / "calibrated")
    assert after.manifest.files == before.manifest.files
    assert after.manifest.variants["fp16"].quality == {"top1": 0.9}
    for precision in ("", "@fp16"):
        manifest = Bundle.load(tmp_path / f"calibrated{precision}").manifest
        expected = tiny_bundle.manifest  # as it was calibrated when it was exported
        assert manifest.temperature == pytest.approx(expected.temperature, rel=1e-3)
        assert manifest.prior_weight == pytest.approx(expected.prior_weight, rel=1e-3)
        assert manifest.known_threshold == pytest.approx(expected.known_threshold, rel=1e-3)


def test_in_its_own_place_a_bundle_keeps_everything_else(halved: Path, small_dataset: Dataset) -> None:
    files = {path.name for path in halved.iterdir()}
    calibrate(halved, small_dataset.path, halved)
    assert {path.name for path in halved.iterdir()} == files
    assert Bundle.load(halved).manifest.temperature != 9.0


def test_one_precision_alone_is_not_calibrated(halved: Path, small_dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="fp16 only"):
        calibrate(halved.with_name("bundle@fp16"), small_dataset.path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
