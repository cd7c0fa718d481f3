from __future__ import annotations

import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from export.calibration import Calibration, calibrate, calibrated
from glyphs.dataset.store import Dataset
from glyphs.errors import BadInput
from glyphs.splits import Split
from recognition.bundle import MODEL, Bundle, Variant, model_file, seal
from recognition.familiarity import posterior
from recognition.recogniser import Recogniser
from training.data import open_source
from training.evaluation import Examined


def test_no_other_temperature_is_likelier(tiny_bundle: Bundle, small_dataset: Dataset) -> None:
    recogniser = Recogniser(tiny_bundle)
    with open_source(small_dataset.path) as source:
        examined = Examined.of(source, Split.VALIDATION, tiny_bundle.labels)
        found = calibrated(recogniser, examined)
        rasters = examined.drawn(examined.table.shape, tiny_bundle.manifest.raster)
    logits, rows = recogniser.answer(rasters, examined.table.metrics).logits, np.arange(len(rasters))

    def likelihood(temperature: float) -> float:
        shares = posterior(logits, tiny_bundle.log_prior, temperature)
        return float(np.log(shares[rows, examined.truth]).mean())

    best = likelihood(found.temperature)
    for times in (0.8, 0.95, 1.05, 1.25):
        assert likelihood(times * found.temperature) < best


@pytest.fixture
def halved(tiny_bundle: Bundle, tmp_path: Path) -> Path:
    """A bundle that has its model as fp16, too, and values that nobody would choose."""
    path = Path(shutil.copytree(tiny_bundle.path, tmp_path / "bundle"))
    shutil.copy(path / MODEL, path / model_file("fp16"))  # the bits do not matter here
    worst = asdict(Calibration(temperature=9.0, known_threshold=-1.0))
    half = Variant(**worst, quality={"top1": 0.9})
    seal(path, replace(tiny_bundle.manifest, variants={"fp16": half}, **worst))
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
