from __future__ import annotations

from pathlib import Path

import onnx

from export.int8 import by_harm
from export.precision import lower
from recognition.bundle import model_file


def test_short_sums_stay_in_float32_and_rectifiers_go(learned: Path, pictures: Path, tmp_path: Path) -> None:
    lower(learned, pictures, tmp_path / "bundle", "int8")
    whole, network = (onnx.load(tmp_path / "bundle" / model_file(name)).graph for name in ("", "int8"))
    weights = {of.name: (of.data_type, *of.dims) for of in network.initializer}
    convolutions = [weights.get(node.input[1]) for node in network.node if node.op_type == "Conv"]
    floats = [weight for weight in convolutions if weight]
    assert len(floats) < len(convolutions)
    assert [dims for kind, *dims in floats if kind == onnx.TensorProto.FLOAT] == [[32, 1, 3, 3]]
    rectifiers = [sum(node.op_type == "Relu" for node in graph.node) for graph in (whole, network)]
    assert rectifiers[1] < rectifiers[0]


def test_an_int8_model_that_takes_more_than_it_may_has_weights_in_4_bits(
    learned: Path, pictures: Path, tmp_path: Path
) -> None:
    whole = lower(learned, pictures, tmp_path / "whole", "int8")
    small = lower(learned, pictures, tmp_path / "small", "int8", whole.bytes_after - 1)
    assert not whole.narrow
    assert len(small.narrow) == 1  # which is enough for a byte less
    assert small.bytes_after < whole.bytes_after
    assert small.agreement.same >= 99
    network = onnx.load(tmp_path / "small" / model_file("int8")).graph
    (weight,) = (of.name for of in network.initializer if of.data_type == onnx.TensorProto.INT4)
    (cast,) = (node for node in network.node if weight in node.input)
    assert cast.op_type == "Cast"


def test_a_large_layer_is_not_left_in_float32_for_a_little_harm() -> None:
    harm = {"classifier": 5e-5, "stem": 5e-4, "key": 4e-5}
    assert by_harm(harm, {"classifier": 2_661_120, "stem": 4_640, "key": 66_048}) == [
        "stem",
        "key",
        "classifier",
    ]
