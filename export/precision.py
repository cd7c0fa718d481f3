"""A float32 bundle's model in fewer bits, beside it: float16 for GPUs, INT8 for CPUs, behind a gate.

`int8` is static quantisation (Jacob et al., "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", CVPR 2018): weights per channel, activations by ranges seen on
validation glyphs, written as QDQ pairs that ONNX Runtime fuses into integer kernels. `int8_dynamic` finds
the ranges of activations anew in every batch, in linear layers alone. Weights take 7 of the 8 bits:
processors without VNNI add two products in 16 bits, which 8 would overflow, and a bundle must not
answer differently on another machine. Where the model would take more bytes than asked for, weights that
harm least go to 4 bits (`export.narrow`).
"""

from __future__ import annotations

import io
import math
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantType, quantize_dynamic
from onnxruntime.quantization.calibrate import TensorsData, create_calibrator
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxruntime.transformers.float16 import convert_float_to_float16

from export.calibration import calibrated, calibration_glyphs
from export.graphs import halved, lightened, whole, without_rectifiers
from export.narrow import Narrow, in_bytes, moments, narrow, narrowed, turned
from glyphs.errors import BadInput, ParityError
from glyphs.splits import Split
from recognition.bundle import (
    IMAGE,
    METRICS,
    MODEL,
    Bundle,
    Variant,
    in_precision,
    model_file,
    replacing,
    seal,
)
from recognition.recogniser import Answers, Recogniser
from training.data import check_names, open_source
from training.evaluation import Examined

Precision = Literal["fp32", "fp16", "int8", "int8_dynamic"]
Calibration = Literal["minmax", "entropy", "percentile"]

MOST_LOST = 0.003  # top-1 under the font prior
LEAST_AGREEING = 0.99  # share of glyphs whose best label stays
SEARCHED_AGREEING = 0.9915  # the same while layers are chosen, on other glyphs: a standard error more
LEAST_LIKE = 0.999  # the same, where only weights are rounded
RANGE_GLYPHS = 512  # that show the ranges of activations
SEARCH_GLYPHS = 5000  # on which ranges and sensitive layers are compared
GATE_GLYPHS = 5000
MOST_BYTES = 9_000_000  # that a model in INT8 takes, where accuracy allows
_CHUNK = 64
# Shorter sums stay in float32: to round what goes in and comes out costs more than the sum.
FEWEST_SUMMANDS = 64
_LINEAR = ("MatMul", "Gemm")
_METHODS: dict[Calibration, tuple[CalibrationMethod, dict[str, Any]]] = {
    "minmax": (CalibrationMethod.MinMax, {}),
    "entropy": (CalibrationMethod.Entropy, {}),
    "percentile": (CalibrationMethod.Percentile, {"percentile": 99.99}),
}


@dataclass(frozen=True, slots=True)
class Agreement:
    """How the smaller model answers beside the float32 one, on validation glyphs under the font prior.

    before, after: glyphs whose best label is their own; same: whose best label is the same
    divergence: mean KL divergence from the float32 model's probabilities, nats
    cosine: mean between both models' embeddings
    """

    glyphs: int
    before: int
    after: int
    same: int
    divergence: float
    cosine: float

    @property
    def passes(self) -> bool:
        return self.before - self.after <= MOST_LOST * self.glyphs and self.keeps(LEAST_AGREEING)

    def keeps(self, share: float) -> bool:
        """Whether so many glyphs keep their best label, and every answer is a number."""
        return self.same >= share * self.glyphs and math.isfinite(self.divergence + self.cosine)

    def to_dict(self) -> dict[str, float]:
        """As a manifest has it: shares, on validation under the font prior."""
        return {
            "glyphs": self.glyphs,
            "top1": round(self.after / self.glyphs, 4),
            "top1_fp32": round(self.before / self.glyphs, 4),
            "same_top1": round(self.same / self.glyphs, 4),
            "cosine": round(self.cosine, 4),
        }

    def __str__(self) -> str:
        return (
            f"top-1 {100 * self.after / self.glyphs:.2f} % (float32 {100 * self.before / self.glyphs:.2f} %),"
            f" the same best label for {100 * self.same / self.glyphs:.2f} % of {self.glyphs:,} glyphs"
        )


@dataclass(frozen=True, slots=True)
class Lowered:
    """What came of it. calibration: how ranges were found; kept: nodes that compute in float32 for the sake
    of accuracy, beside those of short sums; narrow: nodes whose weights take 4 bits; bytes of models.
    """

    agreement: Agreement
    calibration: str
    kept: tuple[str, ...]
    narrow: tuple[str, ...]
    bytes_before: int
    bytes_after: int


class _Glyphs:
    """Validation glyphs as a model takes them, with the float32 model's answers."""

    def __init__(self, bundle: Bundle, examined: Examined) -> None:
        settings, table = bundle.manifest.raster, examined.table
        self.rasters = np.concatenate([rasters for _, rasters in examined.rasters(table, settings)])
        self.metrics = table.metrics.copy()
        self.metrics[::3] = np.nan  # every third without
        self.truth = examined.truth
        self.scale, self.prior = bundle.manifest.temperature, bundle.log_prior
        self.answers = Recogniser(bundle, threads=0).answer(self.rasters, self.metrics)

    def agreement(self, answers: Answers) -> Agreement:
        """answers: to the first glyphs, or to all"""
        count = len(answers.logits)
        truth, embeddings = self.truth[:count], self.answers.embeddings[:count]
        theirs = self._log_probabilities(self.answers.logits[:count])
        ours = self._log_probabilities(answers.logits)
        was, now = theirs.argmax(1), ours.argmax(1)
        return Agreement(
            count,
            int((was == truth).sum()),
            int((now == truth).sum()),
            int((was == now).sum()),
            float((np.exp(theirs) * (theirs - ours)).sum(1).mean()),
            float((embeddings * answers.embeddings).sum(1).mean()),
        )

    def _log_probabilities(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        scores = (logits + self.prior) / self.scale
        scores -= scores.max(1, keepdims=True)
        out: NDArray[np.float32] = scores - np.log(np.exp(scores).sum(1, keepdims=True))
        return out


def lower(
    source: Path, dataset: Path, out: Path, precision: Precision, most_bytes: int = MOST_BYTES
) -> Lowered:
    """Write the bundle `source` to `out` with its float32 model in fewer bits, too: as `out@PRECISION`.

    Everything of the bundle stays; temperature and threshold of the new model are chosen anew.

    most_bytes: of an `int8` model; where it takes more, weights go to 4 bits as long as accuracy allows

    Raises:
        ParityError: the model would lose more than MOST_LOST of top-1, or agree on less than LEAST_AGREEING.
        BadBundle, BadDataset: one of them cannot be used.
        BadInput: the bundle is not float32, or the dataset has other names for its classes.
    """
    bundle = Bundle.load_whole(source)
    if bundle.manifest.precision != "fp32":
        raise BadInput(
            f"{source} holds a model of {bundle.manifest.precision} already.", "Start from the float32 one."
        )
    if bundle.manifest.cascade:
        raise BadInput(f"{source} holds two models.", "Convert either of them, and join them then.")
    with open_source(dataset) as glyphs, replacing(out) as work, tempfile.TemporaryDirectory() as scratch:
        check_names(bundle.names, glyphs.names(), glyphs.path)
        drawn = [
            Examined.of(glyphs, Split.VALIDATION, bundle.labels, limit=limit, seed=seed)
            for seed, limit in enumerate((GATE_GLYPHS, SEARCH_GLYPHS, RANGE_GLYPHS), start=1)
        ]
        shutil.copytree(bundle.path, work, dirs_exist_ok=True)
        gate = _Glyphs(bundle, drawn[0])
        calibration, kept, small = "", list[str](), list[str]()
        model = work / model_file(precision)
        shutil.copy(work / MODEL, model)
        if precision == "fp16":
            _to_half(model)
        elif precision == "int8_dynamic":
            _to_dynamic(model, Path(scratch))
        else:
            search = _Search(bundle, _Glyphs(bundle, drawn[1]), _Glyphs(bundle, drawn[2]), Path(scratch))
            calibration, kept, small = search.write(model, most_bytes)
        variants = dict(bundle.manifest.variants)

        def write(variant: Variant) -> Bundle:
            seal(work, replace(bundle.manifest, variants=variants | {precision: variant}))
            return Bundle.load(in_precision(work, precision))

        first = Variant(
            temperature=bundle.manifest.temperature, known_threshold=bundle.manifest.known_threshold
        )
        recogniser = Recogniser(write(first), threads=0)
        agreement = gate.agreement(recogniser.answer(gate.rasters, gate.metrics))
        if not agreement.passes:
            raise ParityError(
                f"In {precision} the model answers otherwise: {agreement}.",
                f"Nothing was written; at most {MOST_LOST:.1%} may be lost, {LEAST_AGREEING:.0%} must agree.",
            )
        found = calibrated(recogniser, calibration_glyphs(glyphs, bundle.labels))
        write(Variant(**asdict(found), quality=agreement.to_dict()))
        sizes = bundle.model.stat().st_size, model.stat().st_size
    return Lowered(agreement, calibration, tuple(kept), tuple(small), *sizes)


def compact(source: Path, dataset: Path, out: Path) -> Lowered:
    """Write the bundle `source` to `out` with the weights of its float32 model kept as float16, in half the
    bytes; it computes in float32 as before. All else stays.

    Raises:
        ParityError: fewer than LEAST_LIKE of the glyphs would keep their best label.
        BadBundle, BadDataset: one of them cannot be used.
        BadInput: the bundle is not float32, or one precision alone, or the dataset has other names for its
            classes.
    """
    bundle = Bundle.load_whole(source)
    if bundle.manifest.precision != "fp32" or bundle.manifest.cascade:
        raise BadInput(f"{source} holds no single float32 model.", "Compact the bundles that it was made of.")
    with open_source(dataset) as glyphs, replacing(out) as work:
        check_names(bundle.names, glyphs.names(), glyphs.path)
        examined = Examined.of(glyphs, Split.VALIDATION, bundle.labels, limit=GATE_GLYPHS, seed=1)
        shutil.copytree(bundle.path, work, dirs_exist_ok=True)
        network = halved(whole(onnx.load(bundle.model)))
        onnx.save(network, work / MODEL)
        seal(work, bundle.manifest)
        gate = _Glyphs(bundle, examined)
        agreement = gate.agreement(
            Recogniser(Bundle.load(work), threads=0).answer(gate.rasters, gate.metrics)
        )
        if not agreement.keeps(LEAST_LIKE):
            raise ParityError(
                f"With weights in 16 bits the model answers otherwise: {agreement}.",
                f"Nothing was written; {LEAST_LIKE:.1%} must agree.",
            )
        sizes = bundle.model.stat().st_size, (work / MODEL).stat().st_size
    return Lowered(agreement, "", (), (), *sizes)


def _to_half(path: Path) -> None:
    """Weights and arithmetic in float16, inputs and outputs as they were.

    The embedding's length, a sum of squares, stays in float32.
    """
    network = whole(onnx.load(path))
    onnx.save(convert_float_to_float16(network, keep_io_types=True, op_block_list=["ReduceL2"]), path)


def _to_dynamic(path: Path, scratch: Path) -> None:
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


class _Search:
    """Static INT8: the best way to find ranges, what weights take 4 bits, the fewest layers in float32."""

    def __init__(self, bundle: Bundle, judges: _Glyphs, shown: _Glyphs, scratch: Path) -> None:
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
            node: self._judged(narrowed(model, {self._weights[node]: self._small[node]}), 500).divergence
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
                self._network(ranges, [other for other in self._nodes if other != node], ()), 500
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

    def _judged(self, network: onnx.ModelProto, glyphs: int = SEARCH_GLYPHS) -> Agreement:
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
