from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from glyphs.errors import BadBundle, BadInput
from recognition.bundle import MODEL, Bundle, seal
from recognition.recogniser import BUCKETS, CPU, Device, Recogniser, cuda_trouble


@pytest.fixture(scope="module")
def recogniser(tiny_bundle: Bundle) -> Recogniser:
    return Recogniser(tiny_bundle)


@pytest.fixture(scope="module")
def rasters() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (9, 128, 128), np.uint8)


def test_an_answer_does_not_depend_on_what_else_is_in_the_batch(
    recogniser: Recogniser, rasters: np.ndarray
) -> None:
    metrics = np.random.default_rng(1).random((9, 4), np.float32)
    metrics[::2, 1] = np.nan
    together = recogniser.answer(rasters, metrics)
    for row in range(len(rasters)):
        alone = recogniser.answer(rasters[row : row + 1], metrics[row : row + 1])
        assert np.abs(alone.logits[0] - together.logits[row]).max() < 1e-4
        assert np.abs(alone.embeddings[0] - together.embeddings[row]).max() < 1e-5


def test_threads_get_the_answers_of_one(recogniser: Recogniser, rasters: np.ndarray) -> None:
    alone = recogniser.answer(rasters).logits
    with ThreadPoolExecutor(4) as pool:
        for logits in pool.map(lambda _: recogniser.answer(rasters).logits, range(8)):
            assert np.array_equal(logits, alone)


def test_more_than_a_batch_is_answered_in_order(recogniser: Recogniser, rasters: np.ndarray) -> None:
    many = np.tile(rasters, (60, 1, 1))  # 540, over two batches
    logits = recogniser.answer(many).logits
    assert len(logits) == 540
    assert np.abs(logits[:9] - logits[-9:]).max() < 1e-4


@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_filling_up_a_batch_changes_no_answer(
    recogniser: Recogniser, rasters: np.ndarray, count: int
) -> None:
    bound = Recogniser(recogniser.bundle, buckets=BUCKETS)
    metrics = np.full((count, 4), 0.5, np.float32)
    filled, plain = (which.answer(rasters[:count], metrics) for which in (bound, recogniser))
    assert filled.logits.shape == plain.logits.shape
    assert np.abs(filled.logits - plain.logits).max() < 1e-4
    assert np.abs(filled.embeddings - plain.embeddings).max() < 1e-5


@pytest.mark.skipif(cuda_trouble() is None, reason="has a GPU")
@pytest.mark.parametrize("device", ["cuda", "tensorrt"])
def test_a_device_that_is_demanded_and_not_there_is_refused_with_a_remedy(
    tiny_bundle: Bundle, device: Device
) -> None:
    with pytest.raises(BadInput, match=f"The device {device} cannot be used: .*onnxruntime-gpu"):
        Recogniser(tiny_bundle, device=device)


@pytest.mark.skipif(cuda_trouble() is None, reason="has a GPU")
def test_auto_falls_back_to_the_cpu_and_says_so(
    tiny_bundle: Bundle, rasters: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    found = Recogniser(tiny_bundle, device="auto")
    assert found.provider == CPU
    [line] = [record for record in caplog.records if record.levelname == "WARNING"]
    assert f"runs on {CPU}: " in line.getMessage()
    plain = Recogniser(tiny_bundle).answer(rasters).logits
    assert np.array_equal(found.answer(rasters).logits, plain)


@pytest.mark.skipif(cuda_trouble() is not None, reason="has no GPU")
@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_a_gpu_answers_as_the_cpu_does(tiny_bundle: Bundle, rasters: np.ndarray, device: Device) -> None:
    found = Recogniser(tiny_bundle, device=device)
    assert found.provider == "CUDAExecutionProvider"
    plain = Recogniser(tiny_bundle).answer(rasters).logits
    assert np.abs(found.answer(rasters).logits - plain).max() < 0.01


def test_what_the_cpu_was_asked_for_is_no_cause_for_alarm(
    tiny_bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    assert Recogniser(tiny_bundle).provider == CPU
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


def test_no_rasters_get_no_answers(recogniser: Recogniser) -> None:
    answers = recogniser.answer(np.zeros((0, 128, 128), np.uint8))
    assert answers.logits.shape == (0, len(recogniser.bundle.labels))


def test_a_model_may_tell_more_than_it_has_to(
    tiny_bundle: Bundle, tmp_path: Path, rasters: np.ndarray
) -> None:
    copy = Path(shutil.copytree(tiny_bundle.path, tmp_path / "bundle"))
    model = onnx.load(copy / MODEL)
    model.graph.node.append(onnx.helper.make_node("Identity", ["logits"], ["primitives"]))
    model.graph.output.append(onnx.helper.make_tensor_value_info("primitives", onnx.TensorProto.FLOAT, None))
    onnx.save(model, copy / MODEL)
    seal(copy, tiny_bundle.manifest)
    answers = Recogniser(Bundle.load(copy)).answer(rasters)
    assert np.array_equal(answers.logits, Recogniser(tiny_bundle).answer(rasters).logits)


def test_a_bundle_that_was_replaced_since_it_was_loaded_is_refused(
    tiny_bundle: Bundle, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(tiny_bundle.path, tmp_path / "bundle"))
    before = Bundle.load(copy)
    seal(copy, replace(tiny_bundle.manifest, temperature=2.0))
    with pytest.raises(BadBundle, match="replaced"):
        Recogniser(before)
    assert Recogniser(Bundle.load(copy)).bundle.manifest.temperature == 2.0


def test_a_file_that_is_no_model_is_refused(tiny_bundle: Bundle, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(tiny_bundle.path, tmp_path / "bundle"))
    (copy / MODEL).write_bytes(b"not a model")
    seal(copy, tiny_bundle.manifest)
    with pytest.raises(BadBundle):
        Recogniser(Bundle.load(copy))
