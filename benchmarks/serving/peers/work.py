"""What every peer does: read the picture as Glyphery does, ask ONNX Runtime, tell the best labels."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from glyphs.errors import BadPicture
from glyphs.picture import read_picture
from glyphs.raster import Raster
from recognition.bundle import IMAGE, LOGITS, METRICS, Bundle
from recognition.recogniser import session_options

__all__ = ["Asked", "BadPicture", "Classifier", "session"]

_K = 5


@dataclass(frozen=True, slots=True)
class Asked:
    """What the benchmark wants of a peer.

    setting: one of those in `benchmarks.serving.catalogue`
    folder: for files that the peer needs
    """

    bundle: Path
    port: int
    setting: dict[str, Any]
    folder: Path

    @classmethod
    def read(cls) -> Self:
        given = os.environ
        setting = json.loads(given["PEER_SETTING"])
        return cls(Path(given["PEER_BUNDLE"]), int(given["PEER_PORT"]), setting, Path(given["PEER_FOLDER"]))


def session(model: Path, threads: int) -> ort.InferenceSession:
    return ort.InferenceSession(model, session_options(threads), providers=["CPUExecutionProvider"])


class Classifier:
    """A bundle's model. Each step may be called from several threads at once."""

    def __init__(self, asked: Asked) -> None:
        bundle = Bundle.load(asked.bundle)
        self._raster = bundle.manifest.raster
        self._labels = [label.describe() for label in bundle.labels]
        self._session = session(bundle.model, asked.setting["threads"])

    def decode(self, data: bytes) -> Raster:
        """Raises BadPicture."""
        return read_picture(data, self._raster)

    def decode_base64(self, text: str) -> Raster:
        """Raises BadPicture and ValueError."""
        return self.decode(base64.b64decode(text, validate=True))

    def infer(self, rasters: Sequence[Raster]) -> NDArray[np.float32]:
        """(N, L) logits."""
        unknown = np.full((len(rasters), 4), np.nan, np.float32)
        feed = {IMAGE: np.stack(rasters)[:, None], METRICS: unknown}
        logits: NDArray[np.float32] = self._session.run([LOGITS], feed)[0]
        return logits

    def answer(self, logits: NDArray[np.float32]) -> dict[str, Any]:
        """The best labels by (L,) logits with their probabilities."""
        powers = np.exp(logits - logits.max())
        probabilities = powers / powers.sum()
        best = np.argpartition(-probabilities, _K - 1)[:_K]
        best = best[np.argsort(-probabilities[best], kind="stable")]
        return {
            "predictions": [
                self._labels[place] | {"probability": round(float(probabilities[place]), 6)} for place in best
            ]
        }

    def classify(self, raster: Raster) -> dict[str, Any]:
        """Of a single raster."""
        return self.answer(self.infer([raster])[0])
