"""What a bundle's model costs, operator by operator: ONNX Runtime runs it and says what it ran.

The graph that is counted is the one that ONNX Runtime makes of the file, after its own fusions, so that
counts and times are of the same operators, whatever the precision.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from glyphs.errors import BadBundle
from recognition.bundle import EMBEDDING, IMAGE, LOGITS, METRICS, Bundle
from recognition.recogniser import session_options

# By operator, which input holds a convolution's weights.
_CONVOLUTIONS = {"Conv": 1, "FusedConv": 1, "NhwcFusedConv": 1, "ConvInteger": 1, "QLinearConv": 3}
_PRODUCTS = {
    "MatMul", "FusedMatMul", "Gemm", "FusedGemm", "MatMulInteger", "MatMulIntegerToFloat", "QLinearMatMul",
    "QGemm", "DynamicQuantizeMatMul",
}  # fmt: skip
_INTEGERS = ("int8", "uint8")


@dataclass(frozen=True, slots=True)
class Layer:
    """An operator of the graph as it runs.

    seconds: for one image, within a batch
    multiply_adds: of convolutions and matrix products for one image, 0 for all others
    integers: whether they are those of 8-bit integers
    """

    name: str
    operator: str
    seconds: float
    multiply_adds: int
    integers: bool


def layers(bundle: Bundle, *, batch: int = 32, threads: int = 1, runs: int = 5) -> list[Layer]:
    """Every operator of a bundle's model on the CPU, in the order in which they run.

    seconds are medians of `runs`; ONNX Runtime's stop-watch makes small operators a little slower.

    Raises:
        BadBundle: ONNX Runtime refuses the model.
    """
    # Weights that were rearranged in advance are not told of any more, so shapes come from another session.
    shapes = {
        event["args"]["node_index"]: event
        for event in _profile(bundle, 1, 1, 1, {"session.disable_prepacking": "1"})
    }
    taken: dict[str, list[float]] = {}
    for event in _profile(bundle, batch, threads, runs):
        taken.setdefault(event["args"]["node_index"], []).append(event["dur"] / 1e6 / batch)
    found = []
    for index, seconds in taken.items():
        event = shapes[index]
        arguments = event["args"]
        operator, inputs = arguments["op_name"], _shapes(arguments["input_type_shape"])
        integers = operator.startswith("DynamicQuantize") or (bool(inputs) and inputs[0][0] in _INTEGERS)
        (_, output), *_ = _shapes(arguments["output_type_shape"]) or [("", ())]
        counted = multiply_adds(operator, [shape for _, shape in inputs], output)
        name = event["name"].removesuffix("_kernel_time")
        found.append(Layer(name, operator, float(np.median(seconds)), counted, integers and counted > 0))
    return found


def multiply_adds(operator: str, inputs: Sequence[Sequence[int]], output: Sequence[int]) -> int:
    """Multiplications with their additions of one operator of these shapes; 0 where it is no product."""
    if operator in _CONVOLUTIONS:
        return math.prod(output) * math.prod(inputs[_CONVOLUTIONS[operator]][1:])
    if operator in _PRODUCTS:
        left = inputs[0]
        # Its matrices have as many rows as the output's; which way round they lie does not matter.
        if len(left) == len(output):
            return math.prod(left) * output[-1]
        return math.prod(output) * left[-1]
    return 0


def _shapes(told: Sequence[Mapping[str, Sequence[int]]]) -> list[tuple[str, tuple[int, ...]]]:
    """(type, shape) of tensors; ONNX Runtime tells them as [{"float": [1, 128]}, ...]."""
    return [(kind, tuple(shape)) for tensor in told for kind, shape in tensor.items()]


def _profile(
    bundle: Bundle, batch: int, threads: int, runs: int, settings: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    """Events of all operators of `runs` runs, after one that does not count."""
    size = bundle.manifest.raster.size
    feed = {
        IMAGE: np.zeros((batch, 1, size, size), np.uint8), METRICS: np.full((batch, 4), np.nan, np.float32)
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        options = session_options(threads)
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        for name, value in (settings or {}).items():
            options.add_session_config_entry(name, value)
        try:
            session = ort.InferenceSession(bundle.model, options, providers=["CPUExecutionProvider"])
            for _ in range(1 + runs):
                session.run([LOGITS, EMBEDDING], feed)
        except Exception as error:  # ONNX Runtime's own exception classes are not public
            raise BadBundle(f"ONNX Runtime refuses the model of {bundle.path}: {error}.") from None
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    nodes = [event for event in events if event["cat"] == "Node" and "op_name" in event["args"]]
    return nodes[len(nodes) // (1 + runs) :]
