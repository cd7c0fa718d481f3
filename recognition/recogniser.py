"""The model at work: ONNX Runtime over a bundle's `model.onnx`, or the same in fewer bits."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final, Literal

import numpy as np

# Wheels of ONNX Runtime report to Microsoft unless told otherwise before they are imported. What a
# service recognises is nobody else's business; who sets the variable otherwise has their way.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime as ort
from numpy.typing import NDArray

from glyphs.errors import BadBundle, BadInput
from recognition.bundle import EMBEDDING, FAST, IMAGE, LOGITS, METRICS, PRIMITIVES, Bundle
from recognition.familiarity import posterior

LARGEST_BATCH = 256  # more at once gains nothing and costs memory
# On a GPU every new shape is planned anew, so a batch is filled up to one of a few sizes.
BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, LARGEST_BATCH)

# auto: a GPU through CUDA where there is one, else the CPU. The others are demands: refused, never replaced.
Device = Literal["auto", "cpu", "cuda", "tensorrt"]
CPU: Final = "CPUExecutionProvider"
# What ONNX Runtime is to use, the first being what was asked for; each next does what that before it cannot.
_PROVIDERS: Final[dict[Device, tuple[str, ...]]] = {
    "cpu": (CPU,),
    "cuda": ("CUDAExecutionProvider", CPU),
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider", CPU),
}
log = logging.getLogger(__name__)


@cache
def cuda_trouble() -> str | None:
    """Why no model can be put on a GPU here; None where that works."""
    if "CUDAExecutionProvider" not in ort.get_available_providers():
        return "the ONNX Runtime that is installed is one for the CPU"
    with redirect_stdout(sys.stderr):  # it prints what it misses
        ort.preload_dlls()  # CUDA's libraries, where they were installed by pip
    try:
        ort.OrtValue.ortvalue_from_numpy(np.zeros(1, np.float32), "cuda", 0)
    except Exception as error:  # ONNX Runtime's own exception classes are not public
        return f"CUDA does not start ({' '.join(str(error).rpartition('() ')[2].split())})"
    return None


def session_options(threads: int, device: Device = "cpu") -> ort.SessionOptions:
    """How ONNX Runtime is to run a model: `threads` of one call (0: one a core), which sleep when idle."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if device == "cpu":
        # Fused into one layer, an addition and a normalisation take a CPU five times as long as apart.
        options.add_session_config_entry("optimization.disable_specified_optimizers", "SkipLayerNormFusion")
    options.log_severity_level = 3
    return options


@dataclass(frozen=True, slots=True)
class Answers:
    """logits (N, L) float32; embeddings (N, E) float32, each row of length 1.

    unsure: glyphs of which the fast model of a cascade was not sure, so that both were asked
    """

    logits: NDArray[np.float32]
    embeddings: NDArray[np.float32]
    unsure: int = 0

    def __len__(self) -> int:
        return len(self.logits)

    def __getitem__(self, rows: slice | NDArray[np.intp]) -> Answers:
        """Those to some of the glyphs."""
        return Answers(self.logits[rows], self.embeddings[rows])


# Asks a model, here or behind a queue, about (N, S, S) rasters and (N, 4) metrics in em, NaN where unknown.
Answer = Callable[[NDArray[np.uint8], NDArray[np.float32]], Answers]


class Recogniser:
    """A bundle's model, loaded. `answer` may be called from several threads at once.

    Where the bundle has a quicker model, that is asked first; of glyphs of which it is not sure, both are.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        threads: int = 1,
        device: Device = "cpu",
        buckets: Sequence[int] | None = None,
    ) -> None:
        """threads: intra-op threads of one call, 0 for one a core. Idle threads sleep instead of
            spinning, so that several recognisers share a machine.
        buckets: sizes, ascending to LARGEST_BATCH, that batches are filled up to; BUCKETS on a GPU
            and none on a CPU, where an empty place costs what a glyph does

        Raises:
            BadBundle: ONNX Runtime refuses the model, its shapes are not the manifest's, or the bundle has
                been replaced since it was loaded.
            BadInput: the device was demanded and is not to be had.
        """
        self.bundle = bundle
        trouble = cuda_trouble() if device != "cpu" else None
        if device == "auto":
            chosen: Device = "cpu" if trouble else "cuda"
        elif trouble:
            raise _not_to_be_had(device, trouble)
        else:
            chosen = device
        options = session_options(threads, chosen)
        self._session = self._opened(bundle.model, options, chosen)
        self._cascade = bundle.manifest.cascade
        self._fast = self._opened(bundle.path / FAST, options, chosen) if self._cascade else None
        bundle.check_in_place()
        self._prior = bundle.log_prior
        # ONNX Runtime leaves a provider out that it cannot start, and says so to nobody.
        sessions = (self._session, self._fast) if self._fast else (self._session,)
        used = [session.get_providers()[0] for session in sessions]
        self.provider: str = next((name for name in used if name != _PROVIDERS[chosen][0]), used[0])
        if self.provider != _PROVIDERS[chosen][0]:
            trouble = f"ONNX Runtime runs {bundle.manifest.name} on {self.provider} instead"
            if device != "auto":
                raise _not_to_be_had(device, trouble)
        self._buckets = BUCKETS if buckets is None and self.provider != CPU else buckets
        if trouble:
            log.warning("%s runs on %s: %s", bundle.manifest.name, self.provider, trouble)
        else:
            log.info("%s runs on %s", bundle.manifest.name, self.provider)

    def _opened(self, path: Path, options: ort.SessionOptions, device: Device) -> ort.InferenceSession:
        """Raises BadBundle where it is not what the manifest says."""
        try:
            session = ort.InferenceSession(path, options, providers=list(_PROVIDERS[device]))
        except Exception as error:  # ONNX Runtime's own exception classes are not public
            raise BadBundle(f"ONNX Runtime refuses {path}: {error}.") from None
        manifest = self.bundle.manifest
        size = manifest.raster.size
        expected = {
            IMAGE: [1, size, size], METRICS: [4], LOGITS: [manifest.labels], EMBEDDING: [manifest.embedding]
        }  # fmt: skip
        found = {node.name: node.shape[1:] for node in (*session.get_inputs(), *session.get_outputs())}
        # Models may tell more, as those do that name primitives.
        if {name: found.get(name) for name in expected} != expected:
            raise BadBundle(f"{path} has shapes {found}, its manifest says {expected}.")
        return session

    @property
    def names_primitives(self) -> bool:
        """Whether the model names a primitive in each cell."""
        return any(node.name == PRIMITIVES for node in self._session.get_outputs())

    def primitives(self, rasters: NDArray[np.uint8], metrics: NDArray[np.float32]) -> NDArray[np.int64]:
        """(N, G, G): the number of the primitive in each cell, of a model that names them. For debugging."""
        [found] = self._session.run([PRIMITIVES], {IMAGE: rasters[:, None], METRICS: metrics})
        numbers: NDArray[np.int64] = found
        return numbers

    def answer(self, rasters: NDArray[np.uint8], metrics: NDArray[np.float32] | None = None) -> Answers:
        """Logits and embeddings of rasters, (N, S, S) uint8.

        metrics: (N, 4) float32, em, NaN where unknown; None where nothing is known. What one
        raster is answered does not depend on the others, but for millionths where ONNX Runtime adds up
        otherwise in a batch.
        """
        if metrics is None:
            metrics = np.full((len(rasters), 4), np.nan, np.float32)
        if not len(rasters):
            manifest = self.bundle.manifest
            return Answers(
                np.zeros((0, manifest.labels), np.float32), np.zeros((0, manifest.embedding), np.float32)
            )
        parts = [
            self._run(
                rasters[start : start + LARGEST_BATCH, None],
                metrics[start : start + LARGEST_BATCH].astype(np.float32, copy=False),
            )
            for start in range(0, len(rasters), LARGEST_BATCH)
        ]
        if len(parts) == 1:
            return parts[0]
        return Answers(
            np.concatenate([part.logits for part in parts]),
            np.concatenate([part.embeddings for part in parts]),
            sum(part.unsure for part in parts),
        )

    def _run(self, images: NDArray[np.uint8], metrics: NDArray[np.float32]) -> Answers:
        if self._fast is None or self._cascade is None:
            return self._ask(self._session, images, metrics)
        found = self._ask(self._fast, images, metrics)
        sure = posterior(found.logits, self._prior, self._cascade.temperature).max(axis=1)
        rest = np.flatnonzero(sure < self._cascade.sure)
        if rest.size:
            more = self._ask(self._session, images[rest], metrics[rest])
            # Two models err in different places: together they are better than the better one.
            found.logits[rest] = (found.logits[rest] + more.logits) / 2
            found.embeddings[rest] = more.embeddings
        return replace(found, unsure=len(rest))

    def _ask(
        self, session: ort.InferenceSession, images: NDArray[np.uint8], metrics: NDArray[np.float32]
    ) -> Answers:
        if self._buckets is None:
            return Answers(*session.run([LOGITS, EMBEDDING], {IMAGE: images, METRICS: metrics}))
        count = len(images)
        missing = min(bucket for bucket in self._buckets if bucket >= count) - count
        binding = session.io_binding()
        binding.bind_cpu_input(IMAGE, np.pad(images, ((0, missing), (0, 0), (0, 0), (0, 0))))
        binding.bind_cpu_input(METRICS, np.pad(metrics, ((0, missing), (0, 0))))
        for name in (LOGITS, EMBEDDING):
            binding.bind_output(name, "cpu")
        session.run_with_iobinding(binding)
        logits, embeddings = binding.copy_outputs_to_cpu()
        return Answers(logits[:count], embeddings[:count])


def _not_to_be_had(device: Device, trouble: str) -> BadInput:
    return BadInput(
        f"The device {device} cannot be used: {trouble}.",
        "Install onnxruntime-gpu in the place of onnxruntime, with its CUDA libraries and a driver; or use"
        " the cpu, or auto.",
    )
