"""Weights in 4 bits."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, quantize_static

from export.narrow import LEVELS, Narrow, in_bytes, moments, narrow, narrowed, rounded

WEIGHTS = arrays(np.float32, (5, 7), elements=st.floats(-4, 4, width=32))
RNG = np.random.default_rng(0)


def network(
    weight: NDArray[np.float32], *, turned: bool = False, bias: NDArray[np.float32] | None = None
) -> onnx.ModelProto:
    """One linear layer: x (B, K) -> y (B, N)."""
    inputs = weight.shape[1] if turned else weight.shape[0]
    constants = [numpy_helper.from_array(weight, "w")]
    if bias is not None:
        constants.append(numpy_helper.from_array(bias, "b"))
    graph = helper.make_graph(
        [
            helper.make_node(
                "Gemm", ["x", "w", *("b" for _ in constants[1:])], ["y"], "layer", transB=int(turned)
            )
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["b", inputs])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["b", weight.size // inputs])],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def quantised(values: NDArray[np.int8], steps: NDArray[np.float32]) -> onnx.ModelProto:
    """The same with its (K, N) weight in 8 bits, as ONNX Runtime's quantiser leaves it."""
    graph = helper.make_graph(
        [
            helper.make_node("DequantizeLinear", ["w_quantized", "w_scale", "w_zero_point"], ["w"], axis=1),
            helper.make_node("MatMul", ["x", "w"], ["y"], "layer"),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["b", len(values)])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["b", values.shape[1]])],
        [
            numpy_helper.from_array(values, "w_quantized"),
            numpy_helper.from_array(steps, "w_scale"),
            numpy_helper.from_array(np.zeros(len(steps), np.int8), "w_zero_point"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def answers(model: onnx.ModelProto, x: NDArray[np.float32], *, fused: bool = False) -> NDArray[np.float32]:
    options = ort.SessionOptions()
    if not fused:
        # Beyond that a product with weights in bytes has its other factor rounded to bytes, too.
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    out: NDArray[np.float32] = session.run(None, {"x": x})[0]
    return out


@given(WEIGHTS)
def test_values_fit_four_bits_and_lie_near_where_inputs_are_independent(weight: NDArray[np.float32]) -> None:
    values, steps = rounded(weight, np.eye(7))
    assert np.abs(values).max() <= LEVELS
    assert (steps > 0).all()
    # No input can make up for another: each weight is the nearest number, or the greatest one.
    nearest = np.clip(np.rint(weight / steps[:, None].astype(np.float64)), -LEVELS, LEVELS)
    assert np.abs(values - nearest).max() <= 1
    assert (values == nearest).mean() > 0.9


def test_inputs_that_vary_together_make_up_for_one_another() -> None:
    inputs = RNG.normal(size=(500, 8)) @ RNG.normal(size=(8, 32)) + 0.1 * RNG.normal(size=(500, 32))
    weight = RNG.normal(size=(40, 32)).astype(np.float32)
    errors = []
    for of in (inputs.T @ inputs, np.eye(32)):
        values, steps = rounded(weight, of)
        errors.append(float(((inputs @ (values * steps[:, None] - weight).T) ** 2).mean()))
    assert errors[0] < 0.5 * errors[1]


def test_a_weight_that_is_nothing_stays_nothing() -> None:
    values, steps = rounded(np.zeros((3, 4), np.float32), np.zeros((4, 4)))
    assert not values.any()
    assert np.isfinite(steps).all()


def test_moments_are_those_of_what_goes_into_a_layer() -> None:
    x = RNG.normal(size=(9, 4)).astype(np.float32)
    found = moments(network(np.ones((4, 3), np.float32)), ["layer"], [{"x": x[:5]}, {"x": x[5:]}])
    assert found.keys() == {"layer"}
    assert np.allclose(found["layer"], x.T @ x, rtol=1e-5)


@pytest.mark.parametrize("turned", [False, True])
def test_a_matrix_is_rounded_by_channel_however_it_lies(*, turned: bool) -> None:
    weight = RNG.normal(size=(6, 5)).astype(np.float32)  # (K, N)
    lying = np.ascontiguousarray(weight.T) if turned else weight
    of = narrow(network(lying, turned=turned), "layer", np.eye(6))
    assert of.values.shape == lying.shape
    assert (of.steps.shape, of.axis, of.bits) == ((5,), 1 - turned, 4)
    whole = (of.values.T if turned else of.values) * of.steps
    assert np.abs(whole - weight).max() < 0.7 * of.steps.max()


@pytest.mark.parametrize("channels", [5, 6])  # an odd number of weights, and an even one
def test_a_narrowed_network_answers_by_the_new_weights_in_half_the_bytes(channels: int) -> None:
    before = quantised(RNG.integers(-64, 64, (33, channels), np.int8), np.ones(channels, np.float32))
    values = RNG.integers(-LEVELS, LEVELS + 1, (33, channels)).astype(np.int8)
    steps = RNG.uniform(0.5, 2, channels).astype(np.float32)
    after = narrowed(before, {"w": Narrow(values, steps, 1, 4)})
    x = RNG.normal(size=(4, 33)).astype(np.float32)
    assert np.allclose(answers(after, x), x @ (values * steps), rtol=1e-4, atol=1e-4)
    (small,) = (of for of in after.graph.initializer if of.name == "w_narrow")
    assert len(small.raw_data) == -(-33 * channels // 2)
    assert "w_narrow" not in {of.name for of in before.graph.initializer}
    onnx.checker.check_model(after)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("bits", [4, 8])
def test_a_layer_that_computes_in_float32_may_have_narrow_weights(bits: int, *, turned: bool) -> None:
    weight = RNG.normal(size=(6, 5)).astype(np.float32)  # (K, N)
    before = network(np.ascontiguousarray(weight.T) if turned else weight, turned=turned)
    of = narrow(before, "layer", np.eye(6)) if bits == 4 else in_bytes(before, "layer")
    after = narrowed(before, {"w": of})
    x = RNG.normal(size=(4, 6)).astype(np.float32)
    whole = (of.values.T if turned else of.values) * of.steps
    assert np.allclose(answers(after, x), x @ whole, rtol=1e-4, atol=1e-5)
    assert np.abs(whole - weight).max() <= of.steps.max() * (0.5001 if bits == 8 else 0.7)
    assert "w" not in {tensor.name for tensor in after.graph.initializer}


def test_a_layer_in_bytes_keeps_its_bias() -> None:
    weight = RNG.normal(size=(8, 5)).astype(np.float32)
    before = network(weight, bias=np.arange(5, dtype=np.float32))
    x = RNG.normal(size=(64, 8)).astype(np.float32)

    class Fed(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._left = iter([{"x": x}])

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            return next(self._left, None)

    with TemporaryDirectory() as folder:
        whole, small = Path(folder, "whole.onnx"), Path(folder, "small.onnx")
        onnx.save(before, whole)
        quantize_static(whole, small, Fed(), per_channel=True, reduce_range=True)
        in_8 = onnx.load(small)
    in_4 = narrowed(in_8, {"w": narrow(before, "layer", x.T @ x)})
    exact = answers(before, x)
    for model, most in ((in_8, 0.3), (in_4, 1.5)):  # of answers up to 12
        for fused in (False, True):
            assert np.abs(answers(model, x, fused=fused) - exact).max() < most


def test_no_weights_leave_a_network_what_it_is() -> None:
    before = quantised(np.ones((2, 2), np.int8), np.ones(2, np.float32))
    assert narrowed(before, {}) is before
