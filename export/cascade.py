"""Two bundles become one that answers sooner: its fast model where that is sure, both where it is not.

The idea is that of Viola and Jones, "Rapid Object Detection using a Boosted Cascade", CVPR 2001. The fast
model is given the interface of the accurate one, so that nobody else sees that there are two: it takes
the same rasters, which it averages down to its own size, and its embeddings are turned into the space of
the accurate model's by least squares, where references and prototypes are. Labels are those that both know.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from export.calibration import calibrated, calibration_glyphs
from export.drawing import drawn
from export.to_onnx import save
from glyphs.errors import BadInput
from glyphs.labels import Label
from glyphs.splits import Split
from recognition.bundle import (
    EMBEDDING,
    EQUIVALENCE,
    FAST,
    IMAGE,
    LABELS,
    LOGITS,
    MODEL,
    PROTOTYPES,
    Bundle,
    Cascade,
    replacing,
    seal,
)
from recognition.familiarity import posterior
from recognition.recogniser import Recogniser
from training.data import Source, check_names, open_source
from training.evaluation import Examined

FIT_FAMILIES = 4  # whose glyphs of each label show how one space of embeddings lies in the other
_SHARED = 0.9  # of the labels, that both models know at least
_NEVER = 2.0  # no probability reaches it
_RIDGE = 1e-3


@dataclass(frozen=True, slots=True)
class Joined:
    """How the pair answers, on validation glyphs under the font prior, every second without metrics.

    fast, accurate, top1: shares of glyphs whose best label is right, of either model and of the pair
    stands: share of glyphs that the fast model answers alone, at a probability of `sure`
    cosine: mean between both models' embeddings, once they are in one space
    """

    fast: float
    accurate: float
    top1: float
    stands: float
    sure: float
    cosine: float


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Of N glyphs: how sure the fast model is, and whether it, the accurate one, and both are right."""

    sure: NDArray[np.float32]
    fast: NDArray[np.bool_]
    accurate: NDArray[np.bool_]
    both: NDArray[np.bool_]

    def top1(self) -> NDArray[np.float64]:
        """(N + 1,): the share that is right if the fast model answers n alone, those it is surest of."""
        order = np.argsort(-self.sure, kind="stable")
        alone = np.concatenate([[0], np.cumsum(self.fast[order])])
        together = np.concatenate([[0], np.cumsum(self.both[order])])
        share: NDArray[np.float64] = (alone + together[-1] - together) / len(order)
        return share


def join(
    accurate: Path, fast: Path, dataset: Path, out: Path, *, name: str = "", lost: float = 0.002
) -> Joined:
    """Write to `out` the bundle `accurate` with the model of `fast` in front of its own.

    The fast model's answer stands at the least probability that loses no more than `lost` of top-1
    against the best one. The accurate bundle's index stays; temperature and threshold are chosen anew.
    Of either bundle the model is taken that was asked for, such as that of `FOLDER@int8`.

    Raises:
        BadInput: the two do not fit: other labels, other rasters, or one is a pair already; or they or the
            dataset have other names for the same classes.
        BadBundle, BadDataset: one of them cannot be used.
    """
    main, quick = Bundle.load(accurate), Bundle.load(fast)
    _check_fit(main, quick)
    check_names(main.names, quick.names, quick.path)
    with open_source(dataset) as source, replacing(out) as work:
        check_names(main.names, source.names(), source.path)
        main.copy(work, variants=False)
        shutil.copy(main.model, work / MODEL)
        labels = _shared(main, quick, work)
        network = onnx.load(quick.model)
        _take_larger_rasters(network, main.manifest.raster.size)
        _answer_of(network, quick, labels)
        save(network, work / FAST)
        cascade = Cascade(
            sure=0.0,
            temperature=quick.manifest.temperature,
            fast={"name": quick.manifest.name, "version": quick.manifest.version, "digest": quick.digest},
        )
        manifest = replace(
            main.manifest,
            labels=len(labels),
            name=name or f"{main.manifest.name}_cascade",
            variants={},
            cascade=cascade,
            quality={},
            provenance={**main.manifest.provenance, "accurate": main.digest, "fast": quick.digest},
        )
        seal(work, manifest)  # sure from 0: the fast model answers everything
        alone = Recogniser(main, threads=0)
        turned, cosine = _alignment(*_embeddings(Recogniser(Bundle.load(work), threads=0), alone, source))
        _turn_embeddings(network, turned)
        save(network, work / FAST)

        examined = calibration_glyphs(source, labels)
        seal(work, manifest)
        joined = _operating_point(Recogniser(Bundle.load(work), threads=0), alone, examined, lost, cosine)
        manifest = replace(manifest, cascade=replace(cascade, sure=joined.sure))
        seal(work, manifest)
        calibration = calibrated(Recogniser(Bundle.load(work), threads=0), examined)
        seal(work, replace(manifest, **asdict(calibration)))
    return joined


def _check_fit(main: Bundle, quick: Bundle) -> None:
    """Raises BadInput where the two do not fit."""
    if main.manifest.cascade or quick.manifest.cascade:
        raise BadInput("One of the two is a pair already.", "Give the bundles that it was made of.")
    both = len(set(main.labels) & set(quick.labels))
    if both < _SHARED * max(len(main.labels), len(quick.labels)):
        raise BadInput(
            f"{main.manifest.name} and {quick.manifest.name} know different labels: {both:,} in common.",
            "Train both on the same dataset with the same min_families.",
        )
    large, small = main.manifest.raster, quick.manifest.raster
    if small.size > large.size or small.box * large.size != large.box * small.size:
        raise BadInput(
            f"Rasters of {large.size} px with a box of {large.box} cannot be averaged to {small.size} with"
            f" {small.box}.",
            "Train the fast model with a smaller size, and a box that is the same part of it.",
        )


def _shared(main: Bundle, quick: Bundle, work: Path) -> tuple[Label, ...]:
    """The labels that both know, in the order of `main`, whose copy `work` is left with these alone."""
    known = set(quick.labels)
    places = [place for place, label in enumerate(main.labels) if label in known]
    labels = tuple(main.labels[place] for place in places)
    if labels != main.labels:
        network = onnx.load(work / MODEL)
        _answer_of(network, main, labels)
        save(network, work / MODEL)
        rows = json.loads((work / LABELS).read_text(encoding="utf-8"))["labels"]
        (work / LABELS).write_text(
            json.dumps({"labels": [rows[place] for place in places]}), encoding="utf-8"
        )
        np.save(work / PROTOTYPES, np.load(work / PROTOTYPES)[places])
        (work / EQUIVALENCE).write_text(main.equivalence.restricted(labels).to_json(), encoding="utf-8")
    return labels


def _answer_of(network: onnx.ModelProto, bundle: Bundle, labels: Sequence[Label]) -> None:
    """Have a bundle's network answer about these labels, in their order."""
    if tuple(labels) == bundle.labels:
        return
    graph, own = network.graph, _hide_output(network, LOGITS)
    order = f"{own}_order"
    places = {label: place for place, label in enumerate(bundle.labels)}
    graph.initializer.append(
        numpy_helper.from_array(np.array([places[label] for label in labels], np.int64), order)
    )
    graph.node.append(helper.make_node("Gather", [own, order], [LOGITS], axis=1))
    logits = next(value for value in graph.output if value.name == LOGITS)
    logits.type.tensor_type.shape.dim[1].dim_value = len(labels)


def _hide_output(network: onnx.ModelProto, name: str) -> str:
    """Call an output otherwise inside of the network, so that another takes its name; returns how."""
    own, taken = f"{name}_own", {output for node in network.graph.node for output in node.output}
    while own in taken:  # it was done before
        own += "_own"
    for node in network.graph.node:
        node.output[:] = [own if output == name else output for output in node.output]
        node.input[:] = [own if output == name else output for output in node.input]
    return own


def _take_larger_rasters(network: onnx.ModelProto, size: int) -> None:
    """Have the network average pixels: what FreeType covers a large pixel with is the mean of the small ones
    in it, of which those on its edge count by the part that lies in it.
    """
    graph, own = network.graph, f"{IMAGE}_small"
    for node in graph.node:
        node.input[:] = [own if name == IMAGE else name for name in node.input]
    sides = next(value for value in graph.input if value.name == IMAGE).type.tensor_type.shape.dim
    shares = shared_pixels(size, sides[2].dim_value)
    for side in list(sides)[2:]:
        side.dim_value = size
    rows, columns = f"{IMAGE}_rows", f"{IMAGE}_columns"
    graph.initializer.append(numpy_helper.from_array(shares, rows))
    graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(shares.T), columns))
    steps = [
        helper.make_node("Cast", [IMAGE], [f"{IMAGE}_float"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", [rows, f"{IMAGE}_float"], [f"{IMAGE}_low"]),
        helper.make_node("MatMul", [f"{IMAGE}_low", columns], [f"{IMAGE}_mean"]),
        helper.make_node("Round", [f"{IMAGE}_mean"], [f"{IMAGE}_round"]),
        helper.make_node("Cast", [f"{IMAGE}_round"], [own], to=TensorProto.UINT8),
    ]
    for place, step in enumerate(steps):
        graph.node.insert(place, step)


def shared_pixels(large: int, small: int) -> NDArray[np.float32]:
    """(small, large): the part that each of `large` pixels in a row makes of each of `small` in its place."""
    edges = np.arange(small + 1) * (large / small)
    pixels = np.arange(large)
    part = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    shares: NDArray[np.float32] = (np.maximum(part, 0.0) * (small / large)).astype(np.float32)
    return shares


def _turn_embeddings(network: onnx.ModelProto, turned: NDArray[np.float32]) -> None:
    """Have the network turn its embeddings by (E + 1, E), whose last row is added, and norm them again."""
    graph, own = network.graph, _hide_output(network, EMBEDDING)
    weight, bias, longer = f"{own}_turn", f"{own}_shift", f"{own}_turned"
    graph.initializer.append(numpy_helper.from_array(turned[:-1], weight))
    graph.initializer.append(numpy_helper.from_array(turned[-1], bias))
    graph.node.append(helper.make_node("Gemm", [own, weight, bias], [longer]))
    graph.node.append(helper.make_node("LpNormalization", [longer], [EMBEDDING], axis=1, p=2))


def _embeddings(
    quick: Recogniser, main: Recogniser, source: Source
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Both models' embeddings of the same training glyphs, every second without metrics."""
    bundle = main.bundle
    table = source.table(Split.TRAIN)
    table = table.take(source.places(bundle.labels)[table.label] >= 0).spread(FIT_FAMILIES)
    metrics = table.metrics.copy()
    metrics[::2] = np.nan
    ours, theirs = list[NDArray[np.float32]](), list[NDArray[np.float32]]()
    for rows, rasters in drawn(source, table, bundle.manifest.raster):
        ours.append(quick.answer(rasters, metrics[rows]).embeddings)
        theirs.append(main.answer(rasters, metrics[rows]).embeddings)
    return np.concatenate(ours), np.concatenate(theirs)


def _alignment(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
    """The (E + 1, E) that turns ours, (N, E), into theirs by ridge regression, and the mean cosine then."""
    wide = np.concatenate([ours, np.ones((len(ours), 1), np.float32)], axis=1).astype(np.float64)
    normal = wide.T @ wide + _RIDGE * len(wide) / wide.shape[1] * np.eye(wide.shape[1])
    turned = np.linalg.solve(normal, wide.T @ theirs).astype(np.float32)
    found = wide.astype(np.float32) @ turned
    cosine = (found * theirs).sum(axis=1) / np.maximum(np.linalg.norm(found, axis=1), 1e-12)
    return turned, float(cosine.mean())


def outcomes(quick: Recogniser, main: Recogniser, examined: Examined, temperature: float) -> Outcomes:
    """What either model and both answer to glyphs of the labels of `quick`, every second without metrics.

    temperature: of the fast model's probabilities

    Raises:
        BadInput: the accurate model does not know all the labels of the fast one.
    """
    ours, theirs = quick.bundle, main.bundle
    places = {label: place for place, label in enumerate(theirs.labels)}
    if not places.keys() >= set(ours.labels):
        raise BadInput(f"{theirs.manifest.name} does not know all labels of {ours.manifest.name}.")
    columns = np.array([places[label] for label in ours.labels])
    prior, scale = ours.log_prior, theirs.manifest.temperature
    table = examined.table
    metrics = table.metrics.copy()
    metrics[::2] = np.nan
    sure: list[NDArray[np.float32]] = []
    right: list[tuple[NDArray[np.bool_], ...]] = []
    for rows, rasters in examined.rasters(table, theirs.manifest.raster):
        other = main.answer(rasters, metrics[rows]).logits[:, columns]
        one = quick.answer(examined.drawn(table.shape[rows], ours.manifest.raster), metrics[rows]).logits
        likely = posterior(one, prior, temperature)
        sure.append(likely.max(axis=1))
        answers = (
            likely,
            posterior(other, prior, scale),
            posterior(np.float32(0.5) * (one + other), prior, scale),
        )
        right.append(tuple(shares.argmax(axis=1) == examined.truth[rows] for shares in answers))
    return Outcomes(np.concatenate(sure), *map(np.concatenate, zip(*right, strict=True)))


def _operating_point(
    quick: Recogniser, main: Recogniser, examined: Examined, lost: float, cosine: float
) -> Joined:
    """The threshold at which the fast model answers most glyphs alone and no more than `lost` is lost."""
    cascade = quick.bundle.manifest.cascade
    assert cascade is not None
    found = outcomes(quick, main, examined, cascade.temperature)
    top1 = found.top1()
    most = int(np.flatnonzero(top1 >= top1.max() - lost)[-1])
    return Joined(
        fast=float(found.fast.mean()),
        accurate=float(found.accurate.mean()),
        top1=float(top1[most]),
        stands=most / len(found.sure),
        sure=float(np.sort(found.sure)[-most]) if most else _NEVER,
        cosine=cosine,
    )
