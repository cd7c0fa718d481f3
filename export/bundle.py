"""Checkpoint to bundle: ONNX, a parity gate against torch, labels, manifest, hashes.

The bundle is made in a folder beside its destination and moved there when it is whole, so that
an interrupted or refused export leaves what was there before.
"""

from __future__ import annotations

import importlib.metadata
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from export.to_onnx import to_onnx
from glyphs.equivalence import certainty
from glyphs.errors import BadInput, ParityError
from glyphs.raster import RasterSettings
from glyphs.splits import Split
from recognition.bundle import EQUIVALENCE, LABELS, MODEL, Bundle, Manifest, replacing, seal
from recognition.recogniser import Recogniser
from training.checkpoint import Trained
from training.data import open_source
from training.evaluation import Examined, Floats
from training.models import EMBEDDING

PARITY_GLYPHS = 1000
LARGEST_DIFFERENCE = 1e-3  # between a torch logit and its ONNX twin
KNOWN_ACCEPTED = 0.95  # share of validation glyphs of known labels that the threshold lets through


@dataclass(frozen=True, slots=True)
class Parity:
    """How an export agrees with its checkpoint on real glyphs."""

    glyphs: int
    largest_difference: float
    same_top1: int

    def check(self) -> None:
        """Raises ParityError where a logit is off, or a best label differs."""
        if self.largest_difference >= LARGEST_DIFFERENCE or self.same_top1 < self.glyphs:
            raise ParityError(
                f"ONNX differs from torch by up to {self.largest_difference:.2g}, and agrees on the best"
                f" label of {self.same_top1} of {self.glyphs} glyphs.",
                "Nothing was written; the exporter or the runtime is at fault.",
            )


def export_bundle(trained: Trained, dataset: Path, out: Path, *, name: str = "", version: str = "") -> Parity:
    """Write the bundle of a trained model to the folder `out`, replacing the bundle there.

    Raises:
        ParityError: the ONNX model does not answer as the checkpoint does.
        BadDataset: the dataset has no validation glyph of the model's labels.
    """
    config = trained.config
    settings = config.raster
    vocabulary = trained.vocabulary
    if config.channels != 1:
        raise BadInput(
            "Bundles see one grey channel; this model was trained on colour.", "Train it with channels=1."
        )
    with open_source(dataset) as source:
        examined = Examined.of(source, Split.VALIDATION, vocabulary.labels, limit=PARITY_GLYPHS)
    with replacing(out) as work:
        to_onnx(trained.model, work / MODEL, size=config.size)
        names = vocabulary.names
        rows = [
            [str(label), count, *([names[label]] if label in names else [])]
            for label, count in zip(vocabulary.labels, vocabulary.families, strict=True)
        ]
        (work / LABELS).write_text(json.dumps({"labels": rows}), encoding="utf-8")
        (work / EQUIVALENCE).write_text(trained.equivalence.to_json(), encoding="utf-8")
        manifest = Manifest(
            name=name or config.model,
            version=version or importlib.metadata.version("glyphery"),
            raster=settings,
            embedding=EMBEDDING,
            labels=len(vocabulary.labels),
            provenance={
                "dataset": trained.dataset,
                "samples": trained.samples,
                "config": config.to_dict(),
                "torch": str(torch.__version__),
            },
        )
        seal(work, manifest)
        parity, logits = _compare(trained, Recogniser(Bundle.load(work)), examined, settings)
        parity.check()
        alike = trained.equivalence.places(vocabulary.labels)
        threshold = float(np.quantile(certainty(logits, alike), 1 - KNOWN_ACCEPTED))
        seal(work, replace(manifest, known_threshold=threshold))
    return parity


def _compare(
    trained: Trained, exported: Recogniser, examined: Examined, settings: RasterSettings
) -> tuple[Parity, Floats]:
    """Both models' answers to the same glyphs, every third of them without metrics."""
    metrics = examined.table.metrics.copy()
    metrics[::3] = np.nan
    torch_logits, onnx_logits = [], []
    for rows, rasters in examined.rasters(examined.table, settings):
        torch_logits.append(trained.predict(rasters, metrics[rows])[0])
        onnx_logits.append(exported.answer(rasters, metrics[rows]).logits)
    ours, theirs = np.concatenate(torch_logits), np.concatenate(onnx_logits)
    parity = Parity(
        len(ours),
        float(np.abs(ours - theirs).max()),
        int((ours.argmax(axis=1) == theirs.argmax(axis=1)).sum()),
    )
    return parity, theirs
