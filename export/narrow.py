"""Weights of an INT8 network that take fewer bytes than their arithmetic would.

In 4 bits, half the bytes where they change answers least: they are rounded one input after the other, and
what rounding one does to the sums is made up for by those that are still to be rounded (Frantar et al.,
"GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers", ICLR 2023). And in 8 bits
where a layer computes in float32. Either way the network turns them into what it computes with by itself,
which a runtime folds as it loads the network: it is as fast as with any other weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper, version_converter

Floats = NDArray[np.floating[Any]]
LEVELS = 7  # either side of zero
OPSET = 21  # the first that casts from 4 bits
_IR = 10  # the first that holds tensors of 4 bits
_CLIPS = np.linspace(
    0.4, 1.0, 25
)  # shares of a channel's greatest weight that are tried as the greatest number
_DAMPED = 0.01  # of the mean moment, added to each input's own: some never vary
# What ONNX Runtime's quantiser calls a weight in bytes, and the size of its steps.
_QUANTISED, _SCALE = "_quantized", "_scale"


@dataclass(frozen=True, slots=True)
class Narrow:
    """Weights in 4 or 8 bits, laid out as the network has them: values, and a step for each channel; channels
    lie along `axis`.
    """

    values: NDArray[np.int8]
    steps: NDArray[np.float32]
    axis: int
    bits: int


def moments(
    network: onnx.ModelProto, nodes: Iterable[str], feeds: Iterable[Mapping[str, NDArray[Any]]]
) -> dict[str, Floats]:
    """By node, (K, K): sums of products of the K inputs of a linear layer, over all that is fed."""
    watched = _copy(network)
    wanted = set(nodes)
    inputs = {node.name: node.input[0] for node in watched.graph.node if node.name in wanted}
    names = sorted(set(inputs.values()) - {given.name for given in watched.graph.output})
    watched.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session = ort.InferenceSession(watched.SerializeToString(), providers=["CPUExecutionProvider"])
    sums: dict[str, Floats] = {}
    for feed in feeds:
        for name, rows in zip(names, session.run(names, dict(feed)), strict=True):
            flat = rows.reshape(-1, rows.shape[-1]).astype(np.float64)
            sums[name] = sums.get(name, 0.0) + flat.T @ flat
    return {node: sums[name] for node, name in inputs.items()}


def rounded(weight: Floats, inputs: Floats) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """(N, K) weights of N channels, (K, K) moments of their inputs -> values (N, K) and steps (N,)."""
    damped = inputs + np.eye(len(inputs)) * (_DAMPED * np.trace(inputs) / len(inputs) or 1.0)
    steps = _steps(weight, np.diag(damped))
    order = np.argsort(
        -np.diag(damped), kind="stable"
    )  # what varies most first, while others can make up for it
    left = weight[:, order].astype(np.float64)
    shares = np.linalg.cholesky(np.linalg.inv(damped[np.ix_(order, order)])).T
    values = np.zeros(weight.shape, np.int8)
    for place, column in enumerate(order):
        nearest = np.clip(np.rint(left[:, place] / steps), -LEVELS, LEVELS)
        values[:, column] = nearest
        wrong = (left[:, place] - nearest * steps) / shares[place, place]
        left[:, place + 1 :] -= np.outer(wrong, shares[place, place + 1 :])
    return values, steps.astype(np.float32)


def _steps(weight: Floats, weights: Floats) -> Floats:
    """(N,) the step of each channel that leaves the least squared error, inputs weighing as they vary."""
    greatest = np.maximum(np.abs(weight).max(axis=1), np.finfo(np.float32).tiny)
    tried = greatest * _CLIPS[:, None] / LEVELS  # (C, N)
    errors = [
        ((np.clip(np.rint(weight / of[:, None]), -LEVELS, LEVELS) * of[:, None] - weight) ** 2) @ weights
        for of in tried
    ]
    best: Floats = np.take_along_axis(tried, np.argmin(errors, axis=0)[None], axis=0)[0]
    return best


def narrow(network: onnx.ModelProto, node: str, inputs: Floats) -> Narrow:
    """The weights of a linear layer of a float32 network in 4 bits. inputs: see `moments`"""
    layer, weight = _weights(network, node)
    if turned(layer):  # (N, K) already
        return Narrow(*rounded(weight, inputs), 0, 4)
    values, steps = rounded(weight.T, inputs)
    return Narrow(np.ascontiguousarray(values.T), steps, 1, 4)


def in_bytes(network: onnx.ModelProto, node: str) -> Narrow:
    """The weights of a layer of a float32 network in 8 bits, each the nearest."""
    layer, weight = _weights(network, node)
    axis = 0 if layer.op_type == "Conv" or turned(layer) else 1
    others = tuple(of for of in range(weight.ndim) if of != axis)
    steps = np.maximum(np.abs(weight).max(axis=others, keepdims=True), np.finfo(np.float32).tiny) / 127
    return Narrow(np.rint(weight / steps).astype(np.int8), steps.ravel(), axis, 8)


def turned(layer: onnx.NodeProto) -> bool:
    """Whether a linear layer's weights lie as (N, K)."""
    return any(of.name == "transB" and of.i for of in layer.attribute)


def _weights(network: onnx.ModelProto, node: str) -> tuple[onnx.NodeProto, Floats]:
    (layer,) = (of for of in network.graph.node if of.name == node)
    return layer, numpy_helper.to_array(_constants(network)[layer.input[1]])


def narrowed(network: onnx.ModelProto, weights: Mapping[str, Narrow]) -> onnx.ModelProto:
    """A network with pairs of quantisation (QDQ), with these weights in the place of its own; by the names
    that those had in float32. Layers may compute with bytes or in float32.
    """
    if not weights:
        return network
    (version,) = (of.version for of in network.opset_import if not of.domain)
    four = any(of.bits == 4 for of in weights.values())
    out = version_converter.convert_version(network, OPSET) if four and version < OPSET else _copy(network)
    out.ir_version = max(out.ir_version, _IR) if four else out.ir_version
    constants = _constants(out)
    made: list[onnx.NodeProto] = []
    for name, of in weights.items():
        kind = TensorProto.INT4 if of.bits == 4 else TensorProto.INT8
        small = TensorProto(name=f"{name}_narrow", data_type=kind, dims=of.values.shape)
        small.raw_data = _packed(of.values) if of.bits == 4 else of.values.tobytes()
        out.graph.initializer.append(small)
        if whole := constants.get(name + _QUANTISED):
            made.append(helper.make_node("Cast", [small.name], [whole.name], to=TensorProto.INT8))
            step = constants[name + _SCALE]
            _rescale_bias(out, constants, whole.name, of.steps / numpy_helper.to_array(step).ravel())
            step.CopyFrom(numpy_helper.from_array(of.steps.reshape(tuple(step.dims)), step.name))
        else:
            whole = constants[name]
            lying = [-1 if axis == of.axis else 1 for axis in range(of.values.ndim)]
            step, loose = numpy_helper.from_array(of.steps.reshape(lying), f"{name}_step"), f"{name}_loose"
            out.graph.initializer.append(step)
            made.append(helper.make_node("Cast", [small.name], [loose], to=TensorProto.FLOAT))
            made.append(helper.make_node("Mul", [loose, step.name], [name]))
        out.graph.initializer.remove(whole)
    for node in reversed(made):
        out.graph.node.insert(0, node)
    return out


def _rescale_bias(
    network: onnx.ModelProto, constants: Mapping[str, TensorProto], weight: str, times: Floats
) -> None:
    """Keep the bias beside a weight whose steps become so many `times` as large: a fused layer takes the bias
    to come in steps of its input's times its weights', whatever it says of itself.
    """
    makers = {node.output[0]: node for node in network.graph.node if node.op_type == "DequantizeLinear"}
    for node in network.graph.node:
        made = [makers[name] for name in node.input if name in makers]
        if node.op_type == "Gemm" and len(made) == 3 and made[1].input[0] == weight:
            values, step = (constants[name] for name in made[2].input[:2])
            new = np.rint(numpy_helper.to_array(values) / times).astype(np.int32)
            steps = (numpy_helper.to_array(step) * times).astype(np.float32)
            values.CopyFrom(numpy_helper.from_array(new, values.name))
            step.CopyFrom(numpy_helper.from_array(steps, step.name))


def _packed(values: NDArray[np.int8]) -> bytes:
    """Two numbers to a byte, the first in its lower half, as ONNX has them."""
    flat = values.ravel().view(np.uint8) & 0xF
    flat = np.append(flat, np.zeros(len(flat) % 2, np.uint8))
    return (flat[0::2] | flat[1::2] << 4).astype(np.uint8).tobytes()


def _constants(network: onnx.ModelProto) -> dict[str, TensorProto]:
    return {tensor.name: tensor for tensor in network.graph.initializer}


def _copy(network: onnx.ModelProto) -> onnx.ModelProto:
    return onnx.ModelProto.FromString(network.SerializeToString())
