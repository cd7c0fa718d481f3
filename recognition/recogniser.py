"""The model at work: ONNX Runtime over a bundle's `model.onnx`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from glyphs.errors import BadBundle
from recognition.bundle import EMBEDDING, IMAGE, LOGITS, METRICS, MODEL, Bundle

LARGEST_BATCH = 256  # more at once gains nothing and costs memory


@dataclass(frozen=True, slots=True)
class Answers:
    """logits (N, L) float32; embeddings (N, E) float32, each row of length 1."""

    logits: NDArray[np.float32]
    embeddings: NDArray[np.float32]


class Recogniser:
    """A bundle's model, loaded. `answer` may be called from several threads at once."""

    def __init__(self, bundle: Bundle, *, threads: int = 1) -> None:
        """threads: intra-op threads of one call, 0 for one a core. Idle threads sleep instead of
        spinning, so that several recognisers share a machine.

        Raises:
            BadBundle: ONNX Runtime refuses the model, or its shapes are not the manifest's.
        """
        self.bundle = bundle
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            self._session = ort.InferenceSession(
                bundle.path / MODEL, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's own exception classes are not public
            raise BadBundle(f"ONNX Runtime refuses the model of {bundle.path}: {error}.") from None
        self._check()

    def _check(self) -> None:
        manifest = self.bundle.manifest
        size = manifest.raster.size
        expected = {
            IMAGE: [1, size, size], METRICS: [4], LOGITS: [manifest.labels], EMBEDDING: [manifest.embedding]
        }  # fmt: skip
        found = {
            node.name: node.shape[1:] for node in (*self._session.get_inputs(), *self._session.get_outputs())
        }
        if found != expected:
            raise BadBundle(
                f"The model of {self.bundle.path} has shapes {found}, its manifest says {expected}."
            )

    def answer(self, rasters: NDArray[np.uint8], metrics: NDArray[np.float32] | None = None) -> Answers:
        """Logits and embeddings of rasters, (N, S, S) uint8.

        metrics: (N, 4) float32, em, NaN where unknown; None where nothing is known. What one
        raster is answered does not depend on the others.
        """
        if metrics is None:
            metrics = np.full((len(rasters), 4), np.nan, np.float32)
        logits, embeddings = [], []
        for start in range(0, len(rasters), LARGEST_BATCH):
            feed = {
                IMAGE: rasters[start : start + LARGEST_BATCH, None],
                METRICS: metrics[start : start + LARGEST_BATCH].astype(np.float32),
            }
            some_logits, some_embeddings = self._session.run([LOGITS, EMBEDDING], feed)
            logits.append(some_logits)
            embeddings.append(some_embeddings)
        if not logits:
            manifest = self.bundle.manifest
            return Answers(
                np.zeros((0, manifest.labels), np.float32), np.zeros((0, manifest.embedding), np.float32)
            )
        return Answers(np.concatenate(logits), np.concatenate(embeddings))
