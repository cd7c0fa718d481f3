"""What a bundle's probabilities and its threshold for the unknown are set to, on validation glyphs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from scipy.optimize import minimize_scalar

from glyphs.labels import Label
from glyphs.splits import Split
from recognition.bundle import Bundle, in_precision, replacing, seal
from recognition.familiarity import familiarity, posterior
from recognition.recogniser import Recogniser
from training.data import Source, check_names, open_source
from training.evaluation import Examined
from training.evaluation.measures import log_probabilities

_GLYPHS = 20_000  # at most
_CHUNK = 1000
KNOWN_ACCEPTED = 0.95  # share of validation glyphs of known labels that the threshold lets through


@dataclass(frozen=True, slots=True)
class Calibration:
    """Fields of a manifest, or of one precision in it."""

    temperature: float
    known_threshold: float


def calibration_glyphs(source: Source, labels: tuple[Label, ...]) -> Examined:
    """The validation glyphs that a bundle of these labels is calibrated on.

    Raises:
        BadDataset: there are none.
    """
    return Examined.of(source, Split.VALIDATION, labels, limit=_GLYPHS, seed=1)


def calibrated(recogniser: Recogniser, examined: Examined) -> Calibration:
    """The temperature of least negative log-likelihood under the font prior (Guo et al., ICML 2017), and
    the familiarity that `KNOWN_ACCEPTED` of the glyphs reach.
    """
    bundle, count = recogniser.bundle, len(examined.table)
    logits = np.empty((count, len(bundle.labels)), np.float32)
    embeddings = np.empty((count, bundle.manifest.embedding), np.float32)
    for rows, rasters in examined.rasters(examined.table, bundle.manifest.raster):
        answer = recogniser.answer(rasters, examined.table.metrics[rows])
        logits[rows], embeddings[rows] = answer.logits, answer.embeddings
    chunks = [slice(first, first + _CHUNK) for first in range(0, count, _CHUNK)]

    def loss(temperature: float) -> float:
        """In nats, over all glyphs."""
        return -sum(
            float(
                np.take_along_axis(
                    log_probabilities((logits[rows] + bundle.log_prior) / temperature),
                    examined.truth[rows, None], 1,
                ).sum()
            )
            for rows in chunks
        )  # fmt: skip

    temperature = float(minimize_scalar(loss, bounds=(0.1, 10.0), method="bounded").x)
    familiar = np.concatenate(
        [
            familiarity(
                posterior(logits[rows], bundle.log_prior, temperature), embeddings[rows], bundle.prototypes
            )
            for rows in chunks
        ]
    )
    return Calibration(temperature, float(np.quantile(familiar, 1 - KNOWN_ACCEPTED)))


def calibrate(source: Path, dataset: Path, out: Path) -> dict[str, Calibration]:
    """Write the bundle `source` to `out` with temperature and threshold chosen anew, on validation glyphs of
    the dataset, for its model and for each of its precisions. Its weights stay.

    Returns:
        by precision; that of the bundle's own model first

    Raises:
        BadBundle, BadDataset: one of them cannot be used.
        BadInput: it is one precision of a bundle alone, or the dataset has other names for its classes.
    """
    bundle = Bundle.load_whole(source)
    with open_source(dataset) as glyphs, replacing(out) as work:
        check_names(bundle.names, glyphs.names(), glyphs.path)
        examined = calibration_glyphs(glyphs, bundle.labels)
        found = {
            precision: calibrated(
                Recogniser(Bundle.load(in_precision(bundle.path, precision)), threads=0), examined
            )
            for precision in ("", *bundle.manifest.variants)
        }
        variants = {
            precision: replace(variant, **asdict(found[precision]))
            for precision, variant in bundle.manifest.variants.items()
        }
        bundle.copy(work)
        seal(work, replace(bundle.manifest, variants=variants, **asdict(found[""])))
    return {precision or bundle.manifest.precision: one for precision, one in found.items()}
