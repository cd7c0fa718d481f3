"""Networks rewritten: what an INT8 network can do without, and weights in half the bytes.

ONNX Runtime fuses what can be fused; `lightened` and `without_rectifiers` are for what it does not see. No
weight changes by them; where there were two roundings one after the other, one goes.
"""

from __future__ import annotations

import math

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnx_ir.passes.common import RemoveUnusedNodesPass

_HALVED = ".half"  # how the names of weights kept as float16 end
_FEWEST_HALVED = 1024  # numbers; less is not worth a node


def lightened(network: onnx.ModelProto) -> onnx.ModelProto:
    """A float32 network, its shapes written in, without what cannot change an answer.

    Attention to a single token is that token's value, whatever the score; and what is split after a product
    is put out by products of its own, that nobody needs to take apart, or not at all where it is not read.
    """
    model = ir.from_proto(network)
    for node in model.graph:
        if node.op_type == "MatMul" and _is_one(node.inputs[0]) and not node.outputs[0].is_graph_output():
            node.outputs[0].replace_all_uses_with(read(node, 1))
    RemoveUnusedNodesPass()(model)
    for node in list(model.graph):
        if node.op_type == "Split":
            _put_out_apart(model.graph, node)
    RemoveUnusedNodesPass()(model)
    return ir.to_proto(model)


def without_rectifiers(network: onnx.ModelProto) -> onnx.ModelProto:
    """A network with pairs of quantisation (QDQ), without ReLUs of which all that is put out is rounded to
    bytes from zero up: rounding clips what is negative by itself. What was rounded before one no longer is.
    """
    model = ir.from_proto(network)
    model.graph.sort()  # the quantiser leaves it in any order, in which what is unused is not all found
    for node in model.graph:
        if node.op_type == "Relu" and _is_clipped(node.outputs[0]):
            node.outputs[0].replace_all_uses_with(_unrounded(read(node, 0)))
    RemoveUnusedNodesPass()(model)
    return ir.to_proto(model)


def halved(network: onnx.ModelProto) -> onnx.ModelProto:
    """A float32 network whose weights are kept as float16, rounded to 11 bits.

    Every runtime makes them float32 again when it loads the network, once, as it folds any constant; what
    is computed is computed in float32.
    """
    kept = onnx.ModelProto.FromString(network.SerializeToString())
    graph = kept.graph
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT and math.prod(tensor.dims) >= _FEWEST_HALVED:
            name = tensor.name
            halves = numpy_helper.to_array(tensor).astype(np.float16)
            tensor.CopyFrom(numpy_helper.from_array(halves, f"{name}{_HALVED}"))
            casts.append(
                helper.make_node("Cast", [tensor.name], [name], tensor.name, to=onnx.TensorProto.FLOAT)
            )
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    return kept


def whole(network: onnx.ModelProto) -> onnx.ModelProto:
    """A network whose weights are kept as `halved` keeps them, with float32 weights of the same names."""
    made = onnx.ModelProto.FromString(network.SerializeToString())
    graph = made.graph
    halves = {tensor.name: tensor for tensor in graph.initializer if tensor.name.endswith(_HALVED)}
    nodes = []
    for node in graph.node:
        if node.op_type == "Cast" and node.input[0] in halves:
            tensor = halves[node.input[0]]
            values = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values, node.output[0]))
        else:
            nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    return made


def read(node: ir.Node, place: int) -> ir.Value:
    """What a node reads there, which has to be something."""
    value = node.inputs[place]
    assert value is not None
    return value


def _constant(value: ir.Value | None) -> NDArray[np.generic] | None:
    return None if value is None or value.const_value is None else value.const_value.numpy()


def _is_one(value: ir.Value | None) -> bool:
    """Whether a tensor is the attention to one token: 1, since shares add up to 1."""
    node = value.producer() if value is not None else None
    return (
        node is not None
        and node.op_type == "Softmax"
        and value is not None
        and value.shape is not None
        and value.shape[-1] == 1
        and _is_along_last(node, len(value.shape), default=-1)
    )


def _is_along_last(node: ir.Node, axes: int, *, default: int) -> bool:
    """default: the axis of such an operator that names none"""
    axis = node.attributes["axis"].as_int() if "axis" in node.attributes else default
    return axis in (-1, axes - 1)


def _put_out_apart(graph: ir.Graph, split: ir.Node) -> None:
    """Replace Split(Reshape(Gemm)), along the last axis, by a Reshape(Gemm) for each part that is read."""
    reshape = read(split, 0).producer()
    gemm = read(reshape, 0).producer() if reshape is not None and reshape.op_type == "Reshape" else None
    if reshape is None or gemm is None or gemm.op_type != "Gemm" or len(gemm.inputs) < 3:
        return
    weight, bias = _constant(gemm.inputs[1]), _constant(gemm.inputs[2])
    shape, sizes = _constant(reshape.inputs[1]), _constant(split.inputs[1])
    if weight is None or bias is None or shape is None or sizes is None:
        return
    last = _is_along_last(split, len(shape), default=0)
    turned = "transB" in gemm.attributes and gemm.attributes["transB"].as_int() == 1
    alone = len(gemm.outputs[0].uses()) == len(reshape.outputs[0].uses()) == 1
    if not (last and turned and alone) or any(part.is_graph_output() for part in split.outputs):
        return
    rows = np.split(np.arange(len(weight)).reshape(-1, shape[-1]), np.cumsum(sizes)[:-1].tolist(), axis=1)
    for number, (part, chosen) in enumerate(zip(split.outputs, rows, strict=True)):
        if part.uses():
            product = _like(gemm, number, weight[chosen.ravel()], bias[chosen.ravel()])
            product.replace_input_with(0, gemm.inputs[0])
            shaped = _like(reshape, number, np.append(shape[:-1], chosen.shape[1]))
            shaped.replace_input_with(0, product.outputs[0])
            shaped.outputs[0].shape = part.shape
            for node in (product, shaped):
                for value in node.inputs[1:]:
                    assert value is not None
                    graph.register_initializer(value)
            graph.insert_before(split, [product, shaped])
            part.replace_all_uses_with(shaped.outputs[0])


def _like(node: ir.Node, number: int, *constants: NDArray[np.generic]) -> ir.Node:
    """A node as another one, with other constants after its first input, which is left open."""
    [output] = node.outputs
    name = f"{output.name}.{number}"  # outputs have names in every network, nodes need not
    held = [
        ir.Value(name=f"{of.name}.{name}", const_value=ir.tensor(np.ascontiguousarray(constant)))
        for of, constant in zip(node.inputs[1:], constants, strict=True)
        if of is not None
    ]
    made = ir.Node("", node.op_type, [None, *held], list(node.attributes.values()), name=name)
    made.outputs[0].name, made.outputs[0].type = name, output.type
    return made


def _is_clipped(value: ir.Value) -> bool:
    """Whether all that read a tensor, or its numbers in another shape, round them to bytes from zero up."""
    return not value.is_graph_output() and all(
        _is_clipped(node.outputs[0]) if node.op_type in ("Reshape", "Transpose") else _clips(node)
        for node, _ in value.uses()
    )


def _clips(node: ir.Node) -> bool:
    zero = _constant(node.inputs[2]) if node.op_type == "QuantizeLinear" else None
    return zero is not None and zero.dtype == np.uint8 and not zero.any()


def _unrounded(value: ir.Value) -> ir.Value:
    """What a tensor was before it was rounded for one reader, or the tensor."""
    back = value.producer()
    rounding = read(back, 0).producer() if back is not None and back.op_type == "DequantizeLinear" else None
    if rounding is None or rounding.op_type != "QuantizeLinear" or len(value.uses()) > 1:
        return value
    return read(rounding, 0)
