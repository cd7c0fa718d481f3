"""A float32 bundle's model in fewer bits, beside it: float16 for GPUs, INT8 for CPUs, behind a gate."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import onnx
from onnxruntime.transformers.float16 import convert_float_to_float16

from export.agreement import LEAST_AGREEING, MOST_LOST, Agreement, Judges
from export.calibration import calibrated, calibration_glyphs
from export.graphs import halved, whole
from export.int8 import StaticSearch, to_dynamic
from glyphs.errors import BadInput, ParityError
from glyphs.splits import Split
from recognition.bundle import MODEL, Bundle, Variant, in_precision, model_file, replacing, seal
from recognition.recogniser import Recogniser
from training.data import check_names, open_source
from training.evaluation import Examined

Precision = Literal["fp32", "fp16", "int8", "int8_dynamic"]

LEAST_LIKE = 0.999  # share of glyphs whose best label stays, where only weights are rounded
RANGE_GLYPHS = 512  # that show the ranges of activations
SEARCH_GLYPHS = 5000  # on which ranges and sensitive layers are compared
GATE_GLYPHS = 5000
MOST_BYTES = 9_000_000  # that a model in INT8 takes, where accuracy allows


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
        bundle.copy(work)
        gate = Judges(bundle, drawn[0])
        calibration, kept, small = "", list[str](), list[str]()
        model = work / model_file(precision)
        shutil.copy(work / MODEL, model)
        if precision == "fp16":
            _to_half(model)
        elif precision == "int8_dynamic":
            to_dynamic(model, Path(scratch))
        else:
            search = StaticSearch(bundle, Judges(bundle, drawn[1]), Judges(bundle, drawn[2]), Path(scratch))
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
        bundle.copy(work)
        network = halved(whole(onnx.load(bundle.model)))
        onnx.save(network, work / MODEL)
        seal(work, bundle.manifest)
        gate = Judges(bundle, examined)
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
