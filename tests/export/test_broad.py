"""An embedding that features join."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from export.broad import FAMILIES, broaden
from export.from_onnx import start_from_bundle
from glyphs.dataset.store import Dataset
from glyphs.errors import BadBundle, BadDataset, BadInput
from glyphs.splits import Split
from recognition.bundle import EMBEDDING, EQUIVALENCE, IMAGE, LABELS, METRICS, MODEL, PROTOTYPES, Bundle, seal
from recognition.recogniser import Answers, Recogniser
from training.data import open_source

Seen = tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.int32]]  # rasters, metrics, label ids


@pytest.fixture(scope="module")
def broad(tiny_bundle: Bundle, small_dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    path = tmp_path_factory.mktemp("broad") / "bundle"
    broaden(tiny_bundle.path, small_dataset.path, path)
    return Bundle.load(path)


@pytest.fixture(scope="module")
def seen(tiny_bundle: Bundle, small_dataset: Dataset) -> Seen:
    """Rasters, metrics and labels of the glyphs that it was broadened on."""
    with open_source(small_dataset.path) as source:
        table = source.table(Split.TRAIN)
        table = table.take(source.places(tiny_bundle.labels)[table.label] >= 0).spread(FAMILIES)
        shapes = source.shapes(table.shape.tolist())
        return shapes.draw_all(table.shape, tiny_bundle.manifest.raster), table.metrics, table.label


def _answers(bundle: Bundle, seen: Seen) -> Answers:
    return Recogniser(bundle).answer(seen[0][:256], seen[1][:256])


def test_the_classifier_stays_bit_for_bit_and_embeddings_have_length_one(
    tiny_bundle: Bundle,
    broad: Bundle,
    seen: Seen,
) -> None:
    before, after = _answers(tiny_bundle, seen), _answers(broad, seen)
    assert np.array_equal(after.logits, before.logits)
    assert np.linalg.norm(after.embeddings, axis=1) == pytest.approx(1, abs=1e-5)
    assert not np.allclose(after.embeddings, before.embeddings, atol=0.05)


def test_embeddings_are_the_old_ones_and_whitened_features_side_by_side(
    tiny_bundle: Bundle,
    broad: Bundle,
    seen: Seen,
) -> None:
    """Worked out anew from the old model's insides, whitened glyph by glyph rather than by one product."""
    network = onnx.load(tiny_bundle.model)
    producers = {name: node for node in network.graph.node for name in node.output}
    last = producers[producers[EMBEDDING].input[0]]
    node = producers[last.input[0]]
    while node.op_type != "Gemm":
        node = producers[node.input[0]]
    inner = node.input[0], last.output[0]
    network.graph.output.extend(onnx.ValueInfoProto(name=name) for name in inner)
    session = ort.InferenceSession(network.SerializeToString(), providers=["CPUExecutionProvider"])
    rasters, metrics, labels = seen
    features, embedded = (
        part.astype(np.float64) for part in session.run(inner, {IMAGE: rasters[:, None], METRICS: metrics})
    )
    apart = np.concatenate(
        [features[labels == label] - features[labels == label].mean(0) for label in set(labels)]
    )
    within = apart.T @ apart / len(apart)
    variances, directions = np.linalg.eigh(
        within + 0.02 * np.trace(within) / len(within) * np.eye(len(within))
    )
    white = (features - features.mean(0)) @ directions * variances**-0.25
    parts = [part / np.linalg.norm(part, axis=1).mean() for part in (embedded, white)]
    both = np.concatenate([parts[0], 1.7 * parts[1]], axis=1)
    _, sizes, axes = np.linalg.svd(both, full_matrices=False)
    wanted = both @ axes[:128].T
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    found = Recogniser(broad).answer(rasters, metrics).embeddings
    assert sizes[128] < sizes[127]  # or the choice of directions would be open
    assert found @ found.T == pytest.approx(wanted @ wanted.T, abs=2e-3)


def test_prototypes_and_threshold_belong_to_the_new_embedding(tiny_bundle: Bundle, broad: Bundle) -> None:
    assert broad.prototypes.shape == tiny_bundle.prototypes.shape
    assert not np.allclose(broad.prototypes, tiny_bundle.prototypes, atol=0.05)
    assert broad.manifest.temperature == pytest.approx(tiny_bundle.manifest.temperature, rel=1e-3)
    assert broad.manifest.known_threshold != tiny_bundle.manifest.known_threshold
    assert broad.labels == tiny_bundle.labels
    assert set(broad.manifest.files) == {MODEL, LABELS, EQUIVALENCE, PROTOTYPES}


def test_it_is_trained_on_from_by_its_classifier(tiny_bundle: Bundle, broad: Bundle) -> None:
    ours, theirs = (start_from_bundle(bundle.path).model.state_dict() for bundle in (broad, tiny_bundle))
    assert ours.keys() == theirs.keys()
    different = {name for name in ours if not ours[name].equal(theirs[name])}
    assert different == {"embedding.2.weight", "embedding.2.bias"}


def test_what_is_broad_or_has_another_head_is_refused_and_nothing_is_written(
    tiny_bundle: Bundle, broad: Bundle, small_dataset: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match="broad already"):
        broaden(broad.path, small_dataset.path, tmp_path / "broader")
    other = Path(shutil.copytree(tiny_bundle.path, tmp_path / "other"))
    network = onnx.load(other / MODEL)
    network.graph.node.append(onnx.helper.make_node("Identity", [EMBEDDING], ["again"]))
    del network.graph.output[1]
    network.graph.output.append(
        onnx.helper.make_tensor_value_info("again", onnx.TensorProto.FLOAT, ["batch", 128])
    )
    onnx.save(network, other / MODEL)
    seal(other, replace(tiny_bundle.manifest, quality={}))
    with pytest.raises(BadBundle, match="in another way"):
        broaden(other, small_dataset.path, tmp_path / "broader")
    assert not (tmp_path / "broader").exists()


def test_two_labels_are_enough(tiny_bundle: Bundle, tmp_path: Path) -> None:
    for part in ("train", "validation", "test"):
        for place, name in enumerate("AB"):
            (tmp_path / "letters" / part / name).mkdir(parents=True)
            for number in range(3):
                picture = Image.new("L", (32, 32), 255)
                ImageDraw.Draw(picture).line((4, 4 + 20 * place, 28, 24 - number), fill=0, width=3)
                picture.save(tmp_path / "letters" / part / name / f"{number}.png")
    _, after = broaden(tiny_bundle.path, tmp_path / "letters", tmp_path / "broad")
    assert (after.learned, after.unlearned) == (1.0, 0.0)  # all four references are near


def test_a_dataset_without_its_labels_is_refused(tiny_bundle: Bundle, pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(BadDataset, match="no training glyph"):
        broaden(tiny_bundle.path, pictures, tmp_path / "broad")
    assert not (tmp_path / "broad").exists()
