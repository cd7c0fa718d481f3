"""What goes from a network before and after it is quantised, and what has to stay."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import onnx.shape_inference
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper
from onnxruntime.quantization.shape_inference import quant_pre_process

from export.graphs import halved, lightened, whole, without_rectifiers
from recognition.bundle import IMAGE, METRICS

BUNDLES = Path(__file__).parents[2] / "bundles"


def _operators(network: onnx.ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in network.graph.node)


def _answers(network: onnx.ModelProto, **feed: NDArray[np.generic]) -> list[NDArray[np.generic]]:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(network.SerializeToString(), options, providers=["CPUExecutionProvider"])
    answers: list[NDArray[np.generic]] = session.run(None, feed)
    return answers


@pytest.fixture(scope="module", params=["levit_128s", "unified_mlp"])
def shipped(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> onnx.ModelProto:
    path = tmp_path_factory.mktemp(request.param) / "prepared.onnx"
    quant_pre_process(BUNDLES / request.param / "model.onnx", path, skip_symbolic_shape=True)
    return onnx.load(path)


def test_a_lightened_model_answers_as_it_did_bit_for_bit(shipped: onnx.ModelProto) -> None:
    light = lightened(shipped)
    onnx.checker.check_model(light, full_check=True)
    rng = np.random.default_rng(0)
    squares = np.kron(rng.random((5, 1, 8, 8)) < 0.5, np.ones((8, 8))).astype(np.uint8) * 255
    metrics = rng.normal(0.5, 0.3, (5, 4)).astype(np.float32)
    metrics[::2] = np.nan
    for batch in (1, 5):
        feed = {IMAGE: squares[:batch], METRICS: metrics[:batch]}
        for before, after in zip(_answers(shipped, **feed), _answers(light, **feed), strict=True):
            assert np.array_equal(before, after)


def test_weights_kept_in_half_the_bytes_are_the_rounded_ones_and_nothing_else_changes(
    shipped: onnx.ModelProto,
) -> None:
    half = halved(shipped)
    onnx.checker.check_model(half, full_check=True)
    assert half.ByteSize() < 0.55 * shipped.ByteSize()
    again = whole(half)
    assert [node.name for node in again.graph.node] == [node.name for node in shipped.graph.node]
    for before, after in zip(shipped.graph.initializer, again.graph.initializer, strict=True):
        assert (before.name, before.data_type, before.dims) == (after.name, after.data_type, after.dims)
        values = numpy_helper.to_array(before)
        rounded = values.astype(np.float16).astype(values.dtype) if values.size >= 1024 else values
        assert np.array_equal(numpy_helper.to_array(after), rounded if values.dtype == np.float32 else values)
    rng = np.random.default_rng(0)
    squares = np.kron(rng.random((5, 1, 8, 8)) < 0.5, np.ones((8, 8))).astype(np.uint8) * 255
    feed = {IMAGE: squares, METRICS: np.full((5, 4), np.nan, np.float32)}
    for kept, meant in zip(_answers(half, **feed), _answers(again, **feed), strict=True):
        assert np.array_equal(kept, meant)


def test_levit_attends_to_no_single_token_and_takes_nothing_apart(shipped: onnx.ModelProto) -> None:
    before, after = _operators(shipped), _operators(lightened(shipped))
    if before["Softmax"]:
        assert (before["Softmax"], after["Softmax"]) == (11, 7)  # four blocks are of the 1 x 1 grid
        assert (before["Split"], after["Split"]) == (11, 0)
        assert sum(after.values()) < sum(before.values())
    else:
        assert after == before


SPLIT = """<ir_version: 9, opset_import: ["" : 18]>
g (float[n, 2] x) => (float[n, 3] first, float[n, 3] second)
<
  float[6, 2] weight = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, float[6] bias = {0, 1, 2, 3, 4, 5},
  int64[3] shape = {-1, 3, 2}, int64[2] sizes = {1, 1}, int64[2] flat = {-1, 3}
>
{
  product = Gemm <transB: int = 1> (x, weight, bias)
  shaped = Reshape (product, shape)
  left, right = Split <axis: int = AXIS> (shaped, sizes)
  first = Reshape (left, flat)
  second = Reshape (OTHER, flat)
}"""


@pytest.mark.parametrize(
    ("axis", "other", "products"), [("2", "right", 2), ("-1", "right", 2), ("2", "left", 1)]
)
def test_what_is_split_after_a_product_gets_products_of_its_own(axis: str, other: str, products: int) -> None:
    network = onnx.parser.parse_model(SPLIT.replace("AXIS", axis).replace("OTHER", other))
    light = lightened(network)
    assert (_operators(light)["Split"], _operators(light)["Gemm"]) == (0, products)
    x = np.array([[1, -1], [2, 3]], np.float32)
    for before, after in zip(_answers(network, x=x), _answers(light, x=x), strict=True):
        assert np.array_equal(before, after)


def test_a_product_that_is_read_whole_as_well_is_not_taken_apart() -> None:
    text = SPLIT.replace("AXIS", "2").replace("(OTHER, flat)", "(product, flat)")
    network = onnx.parser.parse_model(text)
    assert _operators(lightened(network)) == _operators(network)


@pytest.mark.parametrize(
    ("keys", "mixed", "stays"), [("1", "mixed", False), ("2", "mixed", True), ("1", "y", True)]
)
def test_attention_to_one_token_goes_unless_it_is_what_is_put_out(keys: str, mixed: str, stays: bool) -> None:
    text = """<ir_version: 9, opset_import: ["" : 18]>
    g (float[n, KEYS] scores, float[KEYS, 3] value) => (float[n, 3] y)
    {
      shares = Softmax <axis: int = -1> (scores)
      MIXED = MatMul (shares, value)
      REST
    }"""
    rest = "" if mixed == "y" else "y = Neg (mixed)"
    network = onnx.parser.parse_model(
        text.replace("KEYS", keys).replace("MIXED", mixed).replace("REST", rest)
    )
    assert _operators(lightened(onnx.shape_inference.infer_shapes(network)))["Softmax"] == stays


ROUNDED = """<ir_version: 9, opset_import: ["" : 18]>
g (float[n, 4] x) => (float[n, 4] y)
<
  float near = {0.5}, uint8 near_zero = {128}, float step = {0.25}, uint8 zero = {ZERO},
  int64[2] shape = {-1, 2}, int64[2] back = {-1, 4}
>
{
  BODY
}"""
PLAIN = """
  positive = Relu (x)
  rounded = QuantizeLinear (positive, step, zero)
  y = DequantizeLinear (rounded, step, zero)"""
RESHAPED = """
  positive = Relu (x)
  shaped = Reshape (positive, shape)
  turned = Transpose <perm: ints = [1, 0]> (shaped)
  rounded = QuantizeLinear (turned, step, zero)
  read = DequantizeLinear (rounded, step, zero)
  again = Transpose <perm: ints = [1, 0]> (read)
  y = Reshape (again, back)"""
ADDED = """
  positive = Relu (x)
  rounded = QuantizeLinear (positive, step, zero)
  read = DequantizeLinear (rounded, step, zero)
  y = Add (read, positive)"""
PUT_OUT = """
  y = Relu (x)
  rounded = QuantizeLinear (y, step, zero)"""
PUT_OUT_RESHAPED = """
  positive = Relu (x)
  y = Reshape (positive, back)
  rounded = QuantizeLinear (positive, step, zero)"""
TWICE = """
  before = QuantizeLinear (x, near, near_zero)
  read = DequantizeLinear (before, near, near_zero)
  positive = Relu (read)
  rounded = QuantizeLinear (positive, step, zero)
  y = DequantizeLinear (rounded, step, zero)"""
VALUES = np.linspace(-3, 7, 44, dtype=np.float32).reshape(-1, 4)


@pytest.mark.parametrize("body", [PLAIN, RESHAPED])
def test_a_rectifier_before_rounding_from_zero_up_goes(body: str) -> None:
    network = onnx.parser.parse_model(ROUNDED.replace("ZERO", "0").replace("BODY", body))
    without = without_rectifiers(network)
    assert _operators(network)["Relu"] == 1
    assert _operators(without)["Relu"] == 0
    [before], [after] = _answers(network, x=VALUES), _answers(without, x=VALUES)
    assert before.min() == 0 < before.max()
    assert np.array_equal(before, after)


@pytest.mark.parametrize(
    ("body", "zero"), [(PLAIN, "3"), (RESHAPED, "3"), (ADDED, "0"), (PUT_OUT, "0"), (PUT_OUT_RESHAPED, "0")]
)
def test_a_rectifier_that_somebody_needs_stays(body: str, zero: str) -> None:
    network = onnx.parser.parse_model(ROUNDED.replace("ZERO", zero).replace("BODY", body))
    assert _operators(without_rectifiers(network))["Relu"] == 1


def test_what_was_rounded_before_such_a_rectifier_is_rounded_once() -> None:
    network = onnx.parser.parse_model(ROUNDED.replace("ZERO", "0").replace("BODY", TWICE))
    without = without_rectifiers(network)
    assert _operators(without) == {"QuantizeLinear": 1, "DequantizeLinear": 1}
    [after] = _answers(without, x=VALUES)
    assert np.abs(after - np.maximum(VALUES, 0)).max() <= 0.125  # half a step of the second rounding
