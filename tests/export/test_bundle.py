from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image, ImageDraw

import export.bundle
from export.broad import broaden
from export.bundle import Parity, export_bundle
from export.calibration import calibrate
from export.cascade import join
from export.precision import compact, lower
from export.to_onnx import to_onnx
from glyphs.dataset.store import Dataset
from glyphs.errors import BadBundle, BadInput, ParityError
from glyphs.picture import read_picture
from glyphs.raster import RasterSettings, fit
from recognition.bundle import Bundle, replacing
from recognition.candidates import Candidates
from recognition.recogniser import Recogniser
from training.checkpoint import load_checkpoint
from training.config import Losses
from training.fit import train
from training.models import create
from training.presets import TINY


def test_onnx_answers_as_torch_does_on_every_glyph(tiny_export: tuple[Path, Parity]) -> None:
    _, parity = tiny_export
    assert parity.glyphs > 20
    assert parity.largest_difference < 1e-3
    assert parity.same_top1 == parity.glyphs


def test_the_model_does_not_tell_where_its_source_lay(tiny_export: tuple[Path, Parity]) -> None:
    """The exporter notes files and lines of this machine on every node."""
    assert str(Path(__file__).parents[2]).encode() not in (tiny_export[0] / "model.onnx").read_bytes()


def test_the_bundle_says_what_it_is_and_where_it_comes_from(
    tiny_bundle: Bundle, small_dataset: Dataset
) -> None:
    provenance = tiny_bundle.manifest.provenance
    assert provenance["dataset"] == small_dataset.digest
    assert provenance["samples"] in (128, 256)  # the best of the two epochs
    assert tiny_bundle.manifest.name == "levit_128s"
    assert 0 < tiny_bundle.manifest.known_threshold < 1


def test_classes_that_are_no_characters_keep_their_names_into_the_bundle(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for part, many in (("train", 16), ("validation", 4)):
        for name, draw in (("disc", ImageDraw.ImageDraw.ellipse), ("plate", ImageDraw.ImageDraw.rectangle)):
            folder = tmp_path / "shapes" / part / name
            folder.mkdir(parents=True)
            for number in range(many):
                picture = Image.new("L", (40, 40), 255)
                left, top = rng.integers(3, 12, 2).tolist()
                draw(ImageDraw.Draw(picture), (left, top, left + 22, top + 22), fill=0)
                picture.save(folder / f"{number}.png")
    config = replace(
        TINY, model="residual_cnn", size=32, box=28, batch=16, samples=16 * 4, epoch_samples=16 * 4,
        losses=Losses(embedding="none"),
    )  # fmt: skip
    run = train(tmp_path / "shapes", tmp_path / "run", config, progress=False)
    export_bundle(load_checkpoint(run), tmp_path / "shapes", tmp_path / "bundle")
    bundle = Bundle.load(tmp_path / "bundle")
    assert sorted(bundle.names.values()) == ["disc", "plate"]
    disc = fit(
        read_picture((tmp_path / "shapes" / "validation" / "disc" / "0.png").read_bytes()),
        RasterSettings(32, 28),
    )
    answers = Recogniser(bundle).answer(disc[None], np.full((1, 4), np.nan, np.float32))
    [recognition] = Candidates(bundle).recognise(answers, 2)
    assert {prediction.name for prediction in recognition.predictions} == {"disc", "plate"}

    (tmp_path / "shapes" / "train" / "disc").rename(tmp_path / "shapes" / "train" / "tray")
    (tmp_path / "shapes" / "validation" / "disc").rename(tmp_path / "shapes" / "validation" / "tray")
    where = bundle.path, tmp_path / "shapes", tmp_path / "other"
    with pytest.raises(BadInput, match="the model calls"):  # plate has the number now that was the disc's
        export_bundle(load_checkpoint(run), *where[1:])
    for change in (broaden, calibrate, compact):
        with pytest.raises(BadInput, match="the model calls"):
            change(*where)
    with pytest.raises(BadInput, match="the model calls"):
        lower(*where, "fp16")
    with pytest.raises(BadInput, match="the model calls"):
        join(bundle.path, *where)
    assert not where[-1].exists()


def test_a_model_that_sees_colours_is_not_exported(tiny_run: Path, tmp_path: Path) -> None:
    trained = load_checkpoint(tiny_run)
    colour = replace(trained, config=replace(trained.config, channels=3))
    with pytest.raises(BadInput, match="channels=1"):
        export_bundle(colour, tmp_path / "nothing", tmp_path / "bundle")


def test_a_model_that_names_primitives_puts_them_out(tmp_path: Path) -> None:
    model = create("unified_mlp", labels=10, size=64).eval()
    to_onnx(model, tmp_path / "model.onnx", size=64)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    image = np.random.default_rng(0).integers(0, 256, (3, 1, 64, 64), np.uint8)
    feed = {"image": image, "metrics": np.full((3, 4), np.nan, np.float32)}
    [seen] = session.run(["primitives"], feed)
    assert np.array_equal(seen, model.backbone.explain(torch.from_numpy(image) / 255).numpy())  # type: ignore[operator]


def test_a_disagreeing_export_is_refused_and_leaves_the_old_bundle(
    tiny_run: Path, small_dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "bundle"
    out.mkdir()
    (out / "manifest.json").write_text("old")
    (out / "labels.json").touch()
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
    (tmp_path / "manifest.json").touch()  # as web applications have
    with pytest.raises(BadBundle, match="no bundle"), replacing(tmp_path):
        pass
    assert (tmp_path / "precious").read_text() == "precious"


def test_parity_is_about_both_the_numbers_and_the_answers() -> None:
    Parity(10, 1e-4, 10).check()
    for bad in (
        Parity(10, 1e-2, 10),
        Parity(10, 1e-4, 9),
        Parity(10, float(np.float32(1e-3)) * 2, 10),
        Parity(10, float("nan"), 10),
    ):
        with pytest.raises(ParityError):
            bad.check()
