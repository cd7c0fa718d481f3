from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from export.from_onnx import named_weights
from export.precision import Precision, compact, lower
from glyphs.errors import BadInput, ParityError
from recognition.bundle import LOGITS, MODEL, Bundle, model_file, seal
from recognition.recogniser import Recogniser


@pytest.mark.parametrize(("precision", "share"), [("fp16", 0.55), ("int8", 0.35), ("int8_dynamic", 1.0)])
def test_a_learned_model_answers_alike_in_fewer_bits(
    precision: Precision, share: float, learned: Path, pictures: Path, tmp_path: Path
) -> None:
    lowered = lower(learned, pictures, tmp_path / "bundle", precision)
    agreement = lowered.agreement
    assert agreement.before == agreement.glyphs == 100  # it has learned its lesson
    assert agreement.same >= 99
    assert lowered.bytes_after < share * lowered.bytes_before
    bundle = Bundle.load(tmp_path / f"bundle@{precision}")
    assert bundle.manifest.precision == precision
    assert bundle.manifest.quality["same_top1"] == agreement.same / 100
    assert bundle.labels == Bundle.load(learned).labels
    rasters = np.random.default_rng(1).integers(0, 256, (3, 32, 32), np.uint8)
    ours, whole, theirs = (
        Recogniser(Bundle.load(path)).answer(rasters) for path in (bundle.address, bundle.path, learned)
    )
    assert np.array_equal(whole.logits, theirs.logits)
    assert 0 < np.abs(ours.logits - theirs.logits).max() < 1.0  # noise is not what ranges were made for
    assert np.allclose(np.linalg.norm(ours.embeddings, axis=1), 1, atol=0.01)


@pytest.fixture
def coarse(learned: Path, tmp_path: Path) -> Path:
    """The bundle, answering as before in float32: one feature counts a thousand times as much, for all labels
    alike. In eight bits that leaves nothing of the other weights.
    """
    shutil.copytree(learned, tmp_path / "coarse")
    bundle = Bundle.load(tmp_path / "coarse")
    model = onnx.load(bundle.model)
    (last,) = (node for node in model.graph.node if LOGITS in node.output)
    (held,) = (tensor for tensor in model.graph.initializer if tensor.name == last.input[1])
    weight = numpy_helper.to_array(held).copy()
    weight[:, 0] += 1000 * np.abs(weight).max()
    held.CopyFrom(numpy_helper.from_array(weight, held.name))
    onnx.save(model, bundle.model)
    seal(bundle.path, bundle.manifest)
    return bundle.path


def test_a_model_that_would_answer_otherwise_is_refused_and_nothing_is_written(
    coarse: Path, learned: Path, pictures: Path, tmp_path: Path
) -> None:
    rasters = np.random.default_rng(1).integers(0, 256, (16, 32, 32), np.uint8)
    ours, theirs = (Recogniser(Bundle.load(path)).answer(rasters).logits for path in (coarse, learned))
    assert np.array_equal(ours.argmax(1), theirs.argmax(1))
    with pytest.raises(ParityError, match="In int8_dynamic the model answers otherwise"):
        lower(coarse, pictures, tmp_path / "bundle", "int8_dynamic")
    assert list(tmp_path.iterdir()) == [coarse]


def test_a_bundle_may_have_its_model_in_several_precisions(
    learned: Path, pictures: Path, tmp_path: Path
) -> None:
    both = tmp_path / "both"
    lower(learned, pictures, both, "fp16")
    half = (both / model_file("fp16")).read_bytes()
    lower(both, pictures, both, "int8_dynamic")  # in its own place
    assert list(Bundle.load(both).manifest.variants) == ["fp16", "int8_dynamic"]
    assert Bundle.load(tmp_path / "both@fp16").model.read_bytes() == half
    assert Bundle.load(tmp_path / "both@int8_dynamic").manifest.precision == "int8_dynamic"


def test_a_compact_bundle_has_half_the_bytes_and_all_else(
    learned: Path, pictures: Path, tmp_path: Path
) -> None:
    both = tmp_path / "both"
    lower(learned, pictures, both, "int8_dynamic")
    done = compact(both, pictures, both)  # in its own place
    assert done.agreement.same == done.agreement.glyphs == 100
    assert done.bytes_after == (both / MODEL).stat().st_size < 0.55 * done.bytes_before
    before, after = Bundle.load(learned), Bundle.load(both)
    assert {
        name for name, digest in after.manifest.files.items() if before.manifest.files.get(name) == digest
    } == (set(before.manifest.files) - {MODEL})
    assert list(after.manifest.variants) == ["int8_dynamic"]
    assert after.manifest.temperature == before.manifest.temperature
    ours, theirs = (named_weights(bundle.model) for bundle in (after, before))
    assert ours.keys() == theirs.keys()
    assert all(torch.allclose(ours[name], theirs[name], rtol=1e-3, atol=1e-6) for name in ours)
    # Once more changes nothing; what is made of it is made of float32 weights.
    model = (both / MODEL).read_bytes()
    compact(both, pictures, both)
    assert (both / MODEL).read_bytes() == model
    for precision in ("fp16", "int8"):
        assert lower(both, pictures, tmp_path / precision, precision).agreement.same >= 99


def test_one_precision_alone_is_not_made_compact(learned: Path, pictures: Path, tmp_path: Path) -> None:
    lower(learned, pictures, tmp_path / "both", "int8_dynamic")
    with pytest.raises(BadInput, match="int8_dynamic only"):
        compact(tmp_path / "both@int8_dynamic", pictures, tmp_path / "less")
    assert not (tmp_path / "less").exists()


def test_only_float32_is_lowered(learned: Path, pictures: Path, tmp_path: Path) -> None:
    lower(learned, pictures, tmp_path / "half", "fp16")
    with pytest.raises(BadInput, match="fp16"):
        lower(tmp_path / "half@fp16", pictures, tmp_path / "less", "int8")
