"""A float32 network as INT8, static or dynamic.

Static quantisation (Jacob et al., "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", CVPR 2018): weights per channel, activations by ranges seen on
validation glyphs, written as QDQ pairs that ONNX Runtime fuses into integer kernels. Dynamic quantisation
finds the ranges of activations anew in every batch, in linear layers alone. Weights take 7 of the 8 bits:
processors without VNNI add two products in 16 bits, which 8 would overflow, and a bundle must not
answer differently on another machine. Where the model would take more bytes than asked for, weights that
harm least go to 4 bits (`export.narrow`).
"""

from __future__ import annotations

import io
import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantType, quantize_dynamic
from onnxruntime.quantization.calibrate import TensorsData, create_calibrator
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
from onnxruntime.quantization.shape_inference import quant_pre_process

from export.agreement import Agreement, Judges
from export.graphs import lightened, without_rectifiers
from export.narrow import Narrow, in_bytes, moments, narrow, narrowed, turned
from recognition.bundle import IMAGE, METRICS, MODEL, Bundle, seal
from recognition.recogniser import Recogniser

Calibration = Literal["minmax", "entropy", "percentile"]

SEARCHED_AGREEING = 0.9915  # while layers are chosen, on other glyphs than the gate's: a standard error more
# Shorter sums stay in float32: to round what goes in and comes out costs more than the sum.
FEWEST_SUMMANDS = 64
_COMPARED = 500  # glyphs on which layers are put into order
_CHUNK = 64
_LINEAR = ("MatMul", "Gemm")
_METHODS: dict[Calibration, tuple[CalibrationMethod, dict[str, Any]]] = {
    "minmax": (CalibrationMethod.MinMax, {}),
    "entropy": (CalibrationMethod.Entropy, {}),
    "percentile": (CalibrationMethod.Percentile, {"percentile": 99.99}),
}


def to_dynamic(path: Path, scratch: Path) -> None:
    model = onnx.load(_prepared(path, scratch))
    # Shapes written with a batch of two, as the exporter saw it, contradict a free one.
    del model.graph.value_info[:]
    nodes = _weighted(model, _LINEAR)
    nodes += [f"{node}_MatMul" for node in nodes]  # what the quantiser makes of a Gemm
    quantize_dynamic(
        model, path, op_types_to_quantize=list(_LINEAR), per_channel=True, reduce_range=True,
        nodes_to_quantize=nodes, weight_type=QuantType.QInt8,
    )  # fmt: skip


def _prepared(path: Path, scratch: Path) -> Path:
    """The model with its constants folded and the shapes of its tensors written in, as quantisation needs,
    and without what it can do without.
    """
    prepared = scratch / "prepared.onnx"
    # Symbolic shape inference stumbles over the scalar that divides the image; ONNX's own suffices.
    quant_pre_process(path, prepared, skip_symbolic_shape=True)
    onnx.save(lightened(onnx.load(prepared)), prepared)
    return prepared


def _weighted(model: onnx.ModelProto, kinds: Sequence[str], summands: int = 1) -> list[str]:
    """Nodes of these kinds that have weights, which the products of attention have not, and that add up at
    least so many products for each number they put out.
    """
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    return [
        node.name
        for node in model.graph.node
        if node.op_type in kinds
        and len(node.input) > 1
        and node.input[1] in constants
        and _summands(node, constants[node.input[1]].dims) >= summands
    ]


def _summands(node: onnx.NodeProto, weight: Sequence[int]) -> int:
    return math.prod(weight[1:]) if node.op_type == "Conv" or turned(node) else weight[0]


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    """One chunk of glyphs for the calibrator, which keeps all it is given until it has counted it."""

    def __init__(self, rasters: NDArray[np.uint8], metrics: NDArray[np.float32]) -> None:
        self._left: Iterator[dict[str, Any]] = iter([{IMAGE: rasters[:, None], METRICS: metrics}])

    def get_next(self) -> dict[str, Any] | None:
        return next(self._left, None)


class StaticSearch:
    """Static INT8: the best way to find ranges, what weights take 4 bits, the fewest layers in float32."""

    def __init__(self, bundle: Bundle, judges: Judges, shown: Judges, scratch: Path) -> None:
        self._bundle, self._judges, self._shown, self._scratch = bundle, judges, shown, scratch
        self._float = _prepared(bundle.model, scratch)
        model = onnx.load(self._float)
        self._nodes = _weighted(model, ("Conv", *_LINEAR), FEWEST_SUMMANDS)
        self._weights = {node.name: node.input[1] for node in model.graph.node if len(node.input) > 1}
        sizes = {weight.name: math.prod(weight.dims) for weight in model.graph.initializer}
        self._sizes: dict[str, int] = {node: sizes[self._weights[node]] for node in self._nodes}
        self._small: dict[str, Narrow] = {}

    def write(self, path: Path, most_bytes: int) -> tuple[Calibration, list[str], list[str]]:
        """Write the model; returns how ranges were found, which nodes compute in float32, and which have
        weights of 4 bits.
        """
        found = {method: self._ranges(method) for method in _METHODS}
        whole = {method: self._network(ranges, (), ()) for method, ranges in found.items()}
        tried = {method: self._judged(network) for method, network in whole.items()}
        best = min(tried, key=lambda method: tried[method].divergence)
        ranges, kept = found[best], list[str]()
        spare = whole[best].ByteSize() - most_bytes
        small = self._narrow(spare) if spare > 0 else []
        if small or not _suffices(tried[best]):
            kept, small = self._sensitive(ranges, small)
        onnx.save(self._network(ranges, kept, small), path)
        return best, kept, small

    def _narrow(self, spare: int) -> list[str]:
        """The fewest linear layers whose weights save so many bytes in 4 bits: those that harm least for
        their size.
        """
        model = onnx.load(self._float)
        nodes = _weighted(model, _LINEAR, FEWEST_SUMMANDS)
        chunks = [slice(first, first + _CHUNK) for first in range(0, len(self._shown.rasters), _CHUNK)]
        inputs = moments(
            model, nodes,
            ({IMAGE: self._shown.rasters[rows, None], METRICS: self._shown.metrics[rows]} for rows in chunks),
        )  # fmt: skip
        self._small = {node: narrow(model, node, inputs[node]) for node in nodes}
        alone = {
            node: self._judged(
                narrowed(model, {self._weights[node]: self._small[node]}), _COMPARED
            ).divergence
            for node in nodes
        }
        order = by_harm(alone, self._sizes)[::-1]
        saved = np.cumsum([self._sizes[node] // 2 for node in order])
        return order[: int(np.searchsorted(saved, spare)) + 1]

    def _sensitive(self, ranges: TensorsData, small: list[str]) -> tuple[list[str], list[str]]:
        """The shortest head of the nodes, in the order of `by_harm`, that suffices where it computes in
        float32; and those of `small` whose weights may take 4 bits, half of them where all are too many.
        """
        alone = {
            node: self._judged(
                self._network(ranges, [other for other in self._nodes if other != node], ()), _COMPARED
            ).divergence
            for node in self._nodes
        }
        order = by_harm(alone, self._sizes)
        while not _suffices(self._judged(self._network(ranges, order, small))) and small:
            small = small[: len(small) // 2]
        low, high = 0, len(order)  # all in float32 is nearly the float32 model
        while low < high:
            middle = (low + high) // 2
            if _suffices(self._judged(self._network(ranges, order[:middle], small))):
                high = middle
            else:
                low = middle + 1
        return order[:low], small

    def _network(self, ranges: TensorsData, kept: Sequence[str], small: Sequence[str]) -> onnx.ModelProto:
        """The model, some of whose nodes compute in float32, and the weights of some in 4 bits."""
        model, chosen = onnx.load(self._float), set(kept)
        weights = {node: in_bytes(model, node) for node in kept} | {node: self._small[node] for node in small}
        names = {self._weights[node]: of for node, of in weights.items()}
        if nodes := [node for node in self._nodes if node not in chosen]:  # none would mean all
            quantizer = QDQQuantizer(
                model, True, True, QuantType.QInt8, QuantType.QUInt8, ranges, nodes, [], ["Conv", *_LINEAR],
                # What a linear layer puts out is read in float32 (added, normalised): no rounding there.
                {"OpTypesToExcludeOutputQuantization": list(_LINEAR)},
            )  # fmt: skip
            quantizer.quantize_model()
            model = without_rectifiers(quantizer.model.model)
        return narrowed(model, names)

    def _judged(self, network: onnx.ModelProto, glyphs: int | None = None) -> Agreement:
        work = self._scratch / "tried"
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(self._bundle.path, work)
        onnx.save(network, work / MODEL)
        seal(work, self._bundle.manifest)
        recogniser = Recogniser(Bundle.load(work), threads=0)
        judges = self._judges
        return judges.agreement(recogniser.answer(judges.rasters[:glyphs], judges.metrics[:glyphs]))

    def _ranges(self, method: Calibration) -> TensorsData:
        kind, options = _METHODS[method]
        calibrator = create_calibrator(
            self._float,
            ["Conv", *_LINEAR],
            str(self._scratch / f"{method}.onnx"),
            kind,
            extra_options=options,
        )
        with redirect_stdout(io.StringIO()):  # it tells all it does
            for start in range(0, len(self._shown.rasters), _CHUNK):
                rows = slice(start, start + _CHUNK)
                calibrator.collect_data(_Reader(self._shown.rasters[rows], self._shown.metrics[rows]))
            return calibrator.compute_data()


def by_harm(harm: Mapping[str, float], sizes: Mapping[str, int]) -> list[str]:
    """Nodes, those first that had best keep more bits: that alone, in fewer, harm most for their size."""
    return sorted(harm, key=lambda node: -harm[node] / sizes[node])


def _suffices(agreement: Agreement) -> bool:
    """Whether a model that answers the search's glyphs so can be trusted to pass the gate with others."""
    return agreement.passes and agreement.keeps(SEARCHED_AGREEING)
