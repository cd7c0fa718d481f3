"""A bundle's weights, back in torch."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch

from export.from_onnx import start_from_bundle
from glyphs.errors import BadBundle
from recognition.bundle import MODEL, Bundle, replacing, seal
from recognition.recogniser import Recogniser


def test_the_model_answers_as_its_bundle_does(tiny_bundle: Bundle) -> None:
    start = start_from_bundle(tiny_bundle.path)
    assert start.labels == tiny_bundle.labels
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
