"""Checkpoint to bundle: ONNX, a parity gate against torch, labels, prototypes, calibration, hashes.

The bundle is made in a folder beside its destination and moved there when it is whole, so that
an interrupted or refused export leaves what was there before.
"""

from __future__ import annotations

import importlib.metadata
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from export.calibration import calibrated, calibration_glyphs
from export.drawing import embedded
from export.to_onnx import to_onnx
from glyphs.errors import BadInput, ParityError
from glyphs.raster import RasterSettings
from glyphs.splits import Split
from recognition.bundle import EQUIVALENCE, LABELS, MODEL, PROTOTYPES, Bundle, Manifest, replacing, seal
from recognition.recogniser import Recogniser
from training.checkpoint import Trained
from training.data import Source, check_names, open_source
from training.evaluation import Examined
from training.evaluation.measures import Floats
from training.models import EMBEDDING

PARITY_GLYPHS = 1000
LARGEST_DIFFERENCE = 1e-3  # between a torch logit and its ONNX twin
PROTOTYPE_FAMILIES = 6  # whose glyphs are averaged for a label's prototype


@dataclass(frozen=True, slots=True)
class Parity:
    """How an export agrees with its checkpoint on real glyphs."""

    glyphs: int
    largest_difference: float
    same_top1: int

    def check(self) -> None:
        """Raises ParityError where a logit is off or no number, or a best label differs."""
        if not self.largest_difference < LARGEST_DIFFERENCE or self.same_top1 < self.glyphs:
            raise ParityError(
                f"ONNX differs from torch by up to {self.largest_difference:.2g}, and agrees on the best"
                f" label of {self.same_top1} of {self.glyphs} glyphs.",
                "Nothing was written; the exporter or the runtime is at fault.",
            )


def export_bundle(trained: Trained, dataset: Path, out: Path, *, name: str = "") -> Parity:
    """Write the bundle of a trained model to the folder `out`, replacing the bundle there.

    Raises:
        ParityError: the ONNX model does not answer as the checkpoint does.
        BadDataset: the dataset has no validation glyph of the model's labels.
        BadInput: the model sees colour, or the dataset has other names for its classes.
    """
    config = trained.config
    settings = config.raster
    vocabulary = trained.vocabulary
    if config.channels != 1:
        raise BadInput(
            "Bundles see one grey channel; this model was trained on colour.", "Train it with channels=1."
        )
    with open_source(dataset) as source, replacing(out) as work:
        check_names(vocabulary.names, source.names(), source.path)
        examined = Examined.of(source, Split.VALIDATION, vocabulary.labels, limit=PARITY_GLYPHS)
        to_onnx(trained.model, work / MODEL, size=config.size)
        names = vocabulary.names
        rows = [
            [str(label), count, *([names[label]] if label in names else [])]
            for label, count in zip(vocabulary.labels, vocabulary.families, strict=True)
        ]
        (work / LABELS).write_text(json.dumps({"labels": rows}), encoding="utf-8")
        (work / EQUIVALENCE).write_text(trained.equivalence.to_json(), encoding="utf-8")
        np.save(work / PROTOTYPES, np.zeros((len(rows), EMBEDDING), np.float16))
        manifest = Manifest(
            name=name or config.model,
            version=importlib.metadata.version("glyphery"),
            raster=settings,
            embedding=EMBEDDING,
            labels=len(vocabulary.labels),
            provenance={
                "dataset": trained.dataset,
                "samples": trained.samples,
                "averaged": trained.averaged,
                "config": config.to_dict(),
                "torch": str(torch.__version__),
            },
        )
        seal(work, manifest)
        parity = _compare(trained, Recogniser(Bundle.load(work)), examined, settings)
        parity.check()
        complete(work, manifest, source)
    return parity


def complete(work: Path, manifest: Manifest, source: Source) -> None:
    """Give the sealed bundle in `work` what depends on its embedding and logits: prototypes, temperature and
    threshold of the unknown.

    Raises:
        BadDataset: the source has no validation glyph of its labels.
    """
    bundle = Bundle.load(work)
    np.save(work / PROTOTYPES, _prototypes(Recogniser(bundle, threads=0), source).astype(np.float16))
    seal(work, manifest)
    examined = calibration_glyphs(source, bundle.labels)
    calibration = calibrated(Recogniser(Bundle.load(work), threads=0), examined)
    seal(work, replace(manifest, **asdict(calibration)))


def _prototypes(recogniser: Recogniser, source: Source) -> Floats:
    """(L, E) float32: the mean direction of a few training glyphs of each label, zero without any."""
    bundle = recogniser.bundle
    places = source.places(bundle.labels)
    table = source.table(Split.TRAIN)
    table = table.take(places[table.label] >= 0).spread(PROTOTYPE_FAMILIES)
    sums = np.zeros((len(bundle.labels), EMBEDDING), np.float32)
    np.add.at(sums, places[table.label], embedded(recogniser, source, table))
    out: Floats = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-6)
    return out


def _compare(trained: Trained, exported: Recogniser, examined: Examined, settings: RasterSettings) -> Parity:
    """Both models' answers to the same glyphs, every third of them without metrics."""
    metrics = examined.table.metrics.copy()
    metrics[::3] = np.nan
    torch_logits, onnx_logits = [], []
    for rows, rasters in examined.rasters(examined.table, settings):
        torch_logits.append(trained.predict(rasters, metrics[rows])[0])
        onnx_logits.append(exported.answer(rasters, metrics[rows]).logits)
    ours, theirs = np.concatenate(torch_logits), np.concatenate(onnx_logits)
    return Parity(
        len(ours),
        float(np.abs(ours - theirs).max()),
        int((ours.argmax(axis=1) == theirs.argmax(axis=1)).sum()),
    )
