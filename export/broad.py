"""An embedding that also tells apart what the model was never taught.

Training pulls glyphs of one label together, and with them whatever sets apart what has no label: dots
and small strokes of scripts that it does not learn. The features that the embedding is made of still have
them. So these join the embedding, whitened a little by how glyphs of one label differ among families
(within-class covariance normalisation; Hatch, Kajarekar and Stolcke, "Within-class covariance
normalization for SVM-based speaker recognition", Interspeech 2006), and the directions in which both
together vary most are kept (principal components). All of it is linear: one more product in the graph.
The classifier stays as it is, bit for bit.

Shape legend: N glyphs, F features, E width of the embedding.
"""

from __future__ import annotations

import importlib.metadata
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
from numpy.typing import NDArray

from export.bundle import complete
from export.drawing import drawn, embedded
from export.graphs import read, whole
from glyphs.errors import BadBundle, BadDataset, BadInput
from glyphs.splits import Split
from recognition.bundle import (
    EMBEDDING,
    EQUIVALENCE,
    IMAGE,
    LABELS,
    METRICS,
    MODEL,
    PROTOTYPES,
    Bundle,
    replacing,
    seal,
)
from recognition.recogniser import LARGEST_BATCH, Recogniser, session_options
from training.data import Source, check_names, open_source

FAMILIES = 8  # whose glyphs of each label are looked at
_EXPONENT = 0.25  # of whitening: 0 is none, 0.5 whole
_REGULARISATION = 0.02  # of the mean variance, added to all
_SHARE = 1.7  # of whitened features beside the embedding as it was
_ASKED = 10_000  # glyphs that what came of it is measured on
_NEAREST = 10
_UNSUITABLE = "Give a bundle that `glyphery export` made of a run."


@dataclass(frozen=True, slots=True)
class Breadth:
    """Shares of glyphs with one of their label, of another family, among the ten nearest.

    learned: of the bundle's labels, validation glyphs among those of training; unlearned: glyphs of
    training families, of labels that are none of the bundle's; 0 where there are none
    """

    learned: float
    unlearned: float


@dataclass(frozen=True, slots=True)
class _Head:
    """Where the embedding is made: `features` (N, F) go in, `last` puts out (N, E) of any length."""

    features: ir.Value
    last: ir.Node


def broaden(source: Path, dataset: Path, out: Path) -> tuple[Breadth, Breadth]:
    """Write the bundle `source` to `out` with an embedding broadened on the dataset's training glyphs.

    Its prototypes, temperature and threshold are made anew; models in fewer bits and the index, which
    belong to the old embedding, are left out.

    Returns:
        before and after

    Raises:
        BadBundle, BadDataset: one of them cannot be used.
        BadInput: its embedding is broad already, it holds two models, or the dataset has other names for its
            classes.
    """
    bundle = Bundle.load_whole(source)
    if bundle.manifest.cascade:
        raise BadInput(f"{source} holds two models.", "Broaden the accurate one, and join them then.")
    if bundle.manifest.precision != "fp32":
        raise BadInput(
            f"{source} holds a model of {bundle.manifest.precision}.", "Start from the float32 one."
        )
    with open_source(dataset) as glyphs, replacing(out) as work:
        check_names(bundle.names, glyphs.names(), glyphs.path)
        network = whole(onnx.load(bundle.model))
        fitted = _fitted(network, bundle, glyphs)
        for name in (LABELS, EQUIVALENCE, PROTOTYPES):
            shutil.copy(bundle.path / name, work)
        onnx.save(fitted, work / MODEL)
        version = importlib.metadata.version("glyphery")
        manifest = replace(bundle.manifest, version=version, variants={}, index={}, quality={})
        seal(work, manifest)
        complete(work, manifest, glyphs)
        before, after = (_breadth(Recogniser(of, threads=0), glyphs) for of in (bundle, Bundle.load(work)))
    return before, after


def _fitted(network: onnx.ModelProto, bundle: Bundle, glyphs: Source) -> onnx.ModelProto:
    """The network with its embedding broadened."""
    model = ir.from_proto(network)
    head = _head(model, bundle)
    features, unscaled, labels = _seen(model, head, bundle, glyphs)
    mean = features.mean(axis=0)
    whitening = _whitening(features, labels)
    white = (features - mean) @ whitening
    lengths = [float(np.linalg.norm(part, axis=1).mean()) for part in (unscaled, white)]
    scales = [1 / lengths[0], _SHARE / lengths[1]]
    both = np.concatenate([unscaled * scales[0], white * scales[1]], axis=1)
    width = unscaled.shape[1]
    kept = np.linalg.eigh(both.T @ both)[1][:, : -width - 1 : -1]  # (E + F, E), the widest first
    of_embedding, of_features = kept[:width].T * scales[0], (kept[width:].T * scales[1]) @ whitening.T
    weight, bias = (_constant(head.last, place) for place in (1, 2))
    _put(model.graph, head, of_embedding @ weight, of_embedding @ bias - of_features @ mean, of_features)
    return ir.to_proto(model)


def _head(model: ir.Model, bundle: Bundle) -> _Head:
    """Where the embedding is made, as `training.models.recogniser` has it.

    Raises:
        BadInput: there is an addition there already.
        BadBundle: there is something else.
    """
    output = next((value for value in model.graph.outputs if value.name == EMBEDDING), None)
    scaled = output.producer() if output is not None else None
    last = _producer(scaled)
    if last is not None and last.op_type == "Add":
        raise BadInput(f"The embedding of {bundle.path} is broad already.", "Export the run anew.")
    first = _producer(last)
    while first is not None and first.op_type != "Gemm":
        first = _producer(first)
    if first is None or last is None or last.op_type != "Gemm":
        raise BadBundle(f"{bundle.path} makes its embedding in another way.", _UNSUITABLE)
    return _Head(read(first, 0), last)


def _producer(node: ir.Node | None) -> ir.Node | None:
    """The node that puts out a node's first input."""
    value = node.inputs[0] if node is not None and node.inputs else None
    return value.producer() if value is not None else None


def _constant(node: ir.Node, place: int) -> NDArray[np.float64]:
    held = read(node, place).const_value
    assert held is not None
    return held.numpy().astype(np.float64)


def _put(
    graph: ir.Graph,
    head: _Head,
    weight: NDArray[np.float64],
    bias: NDArray[np.float64],
    skip: NDArray[np.float64],
) -> None:
    """Give the last layer (E, H) weights and a bias, and let (E, F) weights of the features join it."""
    last = head.last
    before = last.outputs[0]
    for place, values in ((1, weight), (2, bias)):
        held = read(last, place)
        held.const_value = ir.tensor(np.ascontiguousarray(values, np.float32), name=held.name)
    broad = ir.Value(
        name="broad.weight",
        const_value=ir.tensor(np.ascontiguousarray(skip, np.float32), name="broad.weight"),
    )
    graph.register_initializer(broad)
    product = ir.Node(
        "", "Gemm", [head.features, broad], [ir.Attr("transB", ir.AttributeType.INT, 1)], name="broad"
    )
    total = ir.Node("", "Add", [before, product.outputs[0]], name="broadened")
    product.outputs[0].name, total.outputs[0].name = "broad", "broadened"
    for made in (product, total):
        made.outputs[0].type, made.outputs[0].shape = before.type, before.shape
    before.replace_all_uses_with(total.outputs[0])
    total.replace_input_with(0, before)
    graph.insert_after(last, [product, total])


def _seen(
    model: ir.Model, head: _Head, bundle: Bundle, glyphs: Source
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int32]]:
    """What training glyphs make of the head: (N, F) features, (N, E) embeddings not yet of length 1, (N,)
    label ids.
    """
    places = glyphs.places(bundle.labels)
    table = glyphs.table(Split.TRAIN)
    table = table.take(places[table.label] >= 0).spread(FAMILIES)
    if not len(table):
        raise BadDataset(f"{glyphs.path} has no training glyph of the bundle's labels.")
    inner = head.features, head.last.outputs[0]
    network = ir.to_proto(model)
    network.graph.output.extend(onnx.ValueInfoProto(name=value.name) for value in inner)
    session = ort.InferenceSession(
        network.SerializeToString(), session_options(0), providers=["CPUExecutionProvider"]
    )
    parts = []
    for rows, rasters in drawn(glyphs, table, bundle.manifest.raster):
        given = {IMAGE: rasters[:, None], METRICS: table.metrics[rows]}
        parts.append(session.run([value.name for value in inner], given))
    features, unscaled = (np.concatenate(part).astype(np.float64) for part in zip(*parts, strict=True))
    return features, unscaled, table.label


def _whitening(features: NDArray[np.float64], labels: NDArray[np.int32]) -> NDArray[np.float64]:
    """(F, F), symmetric: covariance within labels, regularised, to the power of -_EXPONENT."""
    _, place, count = np.unique(labels, return_inverse=True, return_counts=True)
    sums = np.zeros((len(count), features.shape[1]))
    np.add.at(sums, place, features)
    apart = features - (sums / count[:, None])[place]
    variances, directions = np.linalg.eigh(apart.T @ apart / len(apart))
    scale: NDArray[np.float64] = (variances + _REGULARISATION * variances.mean()) ** -_EXPONENT
    whitening: NDArray[np.float64] = (directions * scale) @ directions.T
    return whitening


def _breadth(recogniser: Recogniser, glyphs: Source) -> Breadth:
    """How often the ten nearest training glyphs, two of each label, have the own label in another family."""
    known = glyphs.places(recogniser.bundle.labels) >= 0
    training, validation = glyphs.table(Split.TRAIN), glyphs.table(Split.VALIDATION)
    references = training.spread(2)
    at_hand = embedded(recogniser, glyphs, references)
    pairs = np.flatnonzero((references.label[1:] == references.label[:-1]) & ~known[references.label[1:]])
    rng = np.random.default_rng(0)
    kept = min(_NEAREST, len(references))
    shares = []
    for asked in validation.take(known[validation.label]), references.take(pairs):
        some = asked.take(np.sort(rng.permutation(len(asked))[:_ASKED]))
        queries = embedded(recogniser, glyphs, some)
        hits = np.zeros(len(some), bool)
        for start in range(0, len(some), LARGEST_BATCH):
            rows = slice(start, start + LARGEST_BATCH)
            similar = queries[rows] @ at_hand.T
            similar[some.family[rows, None] == references.family] = -np.inf
            nearest = np.argpartition(-similar, kept - 1, axis=1)[:, :kept]
            same = references.label[nearest] == some.label[rows, None]
            hits[rows] = (same & np.isfinite(np.take_along_axis(similar, nearest, axis=1))).any(axis=1)
        shares.append(float(hits.mean()) if len(hits) else 0.0)
    return Breadth(*shares)
