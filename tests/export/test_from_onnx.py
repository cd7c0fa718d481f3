"""A bundle's weights, back in torch."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from export.from_onnx import start_from_bundle
from export.to_onnx import to_onnx
from glyphs.equivalence import Equivalence
from glyphs.errors import BadBundle
from glyphs.raster import RasterSettings
from recognition.bundle import EQUIVALENCE, LABELS, MODEL, PROTOTYPES, Bundle, Manifest, replacing, seal
from recognition.recogniser import Recogniser
from training.models import create


def test_the_model_answers_as_its_bundle_does(tiny_bundle: Bundle) -> None:
    start = start_from_bundle(tiny_bundle.path)
    assert start.classes == tiny_bundle.labels
    assert start.merged
    rng = np.random.default_rng(0)
    size = tiny_bundle.manifest.raster.size
    rasters = rng.integers(0, 256, (5, size, size), dtype=np.uint8)
    metrics = rng.random((5, 4), np.float32)
    metrics[0] = np.nan
    wanted = Recogniser(tiny_bundle).answer(rasters, metrics)
    with torch.no_grad():
        found = start.model(torch.from_numpy(rasters[:, None]), torch.from_numpy(metrics))
    assert found["logits"].numpy() == pytest.approx(wanted.logits, abs=1e-4)
    assert found["embedding"].numpy() == pytest.approx(wanted.embeddings, abs=1e-5)


@pytest.mark.parametrize("name", ["levit_128s", "unified_mlp"])
def test_a_graph_keeps_every_weight(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = create(name, labels=5, size=32)
    images, metrics = torch.randint(0, 256, (8, 1, 32, 32), dtype=torch.uint8), torch.rand(8, 4)
    with torch.no_grad():
        for parameter in model.parameters():  # nothing stays at zero or one
            parameter += 0.05 * torch.randn_like(parameter)
        model.train()(images, metrics)  # statistics for the normalisations
        wanted = model.eval()(images, metrics)
    with replacing(tmp_path / "bundle") as work:
        to_onnx(model, work / MODEL, size=32)
        (work / LABELS).write_text(json.dumps({"labels": [[str(n), 9] for n in range(65, 70)]}))
        (work / EQUIVALENCE).write_text(Equivalence([]).to_json())
        np.save(work / PROTOTYPES, np.eye(5, 128, dtype=np.float16))
        seal(work, Manifest(name=name, version="1", raster=RasterSettings(32, 28), embedding=128, labels=5))
    with torch.no_grad():
        found = start_from_bundle(tmp_path / "bundle").model(images, metrics)
    torch.testing.assert_close(found["logits"], wanted["logits"], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found["embedding"], wanted["embedding"], atol=1e-5, rtol=1e-5)


def test_a_graph_that_lacks_a_weight_is_refused(tiny_bundle: Bundle, tmp_path) -> None:
    with replacing(tmp_path / "broken") as work:
        for file in tiny_bundle.path.iterdir():
            (work / file.name).write_bytes(file.read_bytes())
        model = onnx.load(work / MODEL)
        for node in model.graph.node:  # a name that only constant folding keeps
            for place, name in enumerate(node.input):
                if name == "model.classifier.weight":
                    node.input[place] = "elsewhere"
        for tensor in model.graph.initializer:
            if tensor.name == "model.classifier.weight":
                tensor.name = "elsewhere"
        onnx.save(model, work / MODEL)
        seal(work, tiny_bundle.manifest)
    with pytest.raises(BadBundle, match=r"classifier\.weight"):
        start_from_bundle(tmp_path / "broken")


@pytest.mark.parametrize(
    "provenance", [{"config": []}, {"config": {"options": {"unheard": 1}}}, {"samples": None}]
)
def test_a_bundle_that_does_not_say_what_it_was_made_by_is_refused(
    tiny_bundle: Bundle, tmp_path: Path, provenance: dict[str, object]
) -> None:
    copy = Path(shutil.copytree(tiny_bundle.path, tmp_path / "bundle"))
    seal(copy, replace(tiny_bundle.manifest, provenance=provenance))
    with pytest.raises(BadBundle, match="does not say"):
        start_from_bundle(copy)
