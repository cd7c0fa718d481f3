"""What a bundle's probabilities and its threshold for the unknown are set to, on validation glyphs."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from glyphs.splits import Split
from recognition.bundle import Bundle, in_precision, replacing, seal
from recognition.familiarity import familiarity, posterior
from recognition.recogniser import Recogniser
from training.data import open_source
from training.evaluation import Examined
from training.evaluation.measures import Floats, log_probabilities

CALIBRATION_GLYPHS = 5000
KNOWN_ACCEPTED = 0.95  # share of validation glyphs of known labels that the threshold lets through
_SHARPNESS = 0.1, 10.0  # the temperature's reciprocal
_WEIGHT = 0.0, 4.0


@dataclass(frozen=True, slots=True)
class Calibration:
    """Fields of a manifest, or of one precision in it."""

    temperature: float
    prior_weight: float
    known_threshold: float


def calibrated(
    recogniser: Recogniser, examined: Examined, *, prior_weight: float | None = None
) -> Calibration:
    """The temperature and the weight of the font prior of least negative log-likelihood, and the
    familiarity that `KNOWN_ACCEPTED` of the glyphs reach.

    Likelihood is that of every glyph with its metrics and without, under the font prior (Guo et al., "On
    Calibration of Modern Neural Networks", ICML 2017, with the prior's weight beside the temperature): how
    many families have a label tells too little of how often fonts show it, or as much as the network's
    scores leave to be told. Familiarity is that with metrics.

    prior_weight: kept where it is given
    """
    bundle = recogniser.bundle
    answers = [
        (recogniser.answer(rasters, metrics), recogniser.answer(rasters, np.full_like(metrics, np.nan)))
        for rows, rasters in examined.rasters(examined.table, bundle.manifest.raster)
        for metrics in (examined.table.metrics[rows],)
    ]
    told, untold = (np.concatenate([pair[which].logits for pair in answers]) for which in (0, 1))
    embeddings = np.concatenate([pair[0].embeddings for pair in answers])
    found = _likeliest((told, untold), bundle.log_families, examined.truth, prior_weight)
    temperature, weight = found
    shares = posterior(told, np.float32(weight) * bundle.log_families, temperature)
    familiar = familiarity(shares, embeddings, bundle.prototypes)
    return Calibration(temperature, weight, float(np.quantile(familiar, 1 - KNOWN_ACCEPTED)))


def _likeliest(
    asked: tuple[Floats, ...], log_families: Floats, truth: NDArray[np.int64], prior_weight: float | None
) -> tuple[float, float]:
    """Temperature and weight; `asked`: (N, L) logits of the same glyphs, each way of asking."""
    own = truth[:, None]

    def loss(values: NDArray[np.float64]) -> tuple[float, list[float]]:
        """And its gradient, in the temperature's reciprocal and the weight."""
        sharpness, weight = np.float32(values[0]), np.float32(values[1])
        total, slopes = 0.0, np.zeros(2)
        for logits in asked:
            scores = logits + weight * log_families
            likely = log_probabilities(sharpness * scores)
            total -= float(np.take_along_axis(likely, own, 1).mean())
            shares = np.exp(likely, out=likely)
            expected = (shares * scores).sum(1), shares @ log_families
            seen = np.take_along_axis(scores, own, 1)[:, 0], log_families[truth]
            slopes += [float((e - s).mean()) for e, s in zip(expected, seen, strict=True)]
        return total, [slopes[0], float(sharpness) * slopes[1]]

    weights = _WEIGHT if prior_weight is None else (prior_weight, prior_weight)
    start = 1.0, 1.0 if prior_weight is None else prior_weight
    sharpness, weight = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=(_SHARPNESS, weights)).x
    return 1 / float(sharpness), float(weight)


def calibrate(source: Path, dataset: Path, out: Path) -> dict[str, Calibration]:
    """Write the bundle `source` to `out` with temperature, weight of the prior and threshold chosen anew, on
    validation glyphs of the dataset, for its model and for each of its precisions. Its weights stay.

    Returns:
        by precision; that of the bundle's own model first

    Raises:
        BadBundle, BadDataset: one of them cannot be used.
        BadInput: it is one precision of a bundle alone.
    """
    bundle = Bundle.load_whole(source)
    manifest = bundle.manifest
    with open_source(dataset) as glyphs, replacing(out) as work:
        examined = Examined.of(glyphs, Split.VALIDATION, bundle.labels, limit=CALIBRATION_GLYPHS, seed=1)
        # A cascade's threshold was chosen with the prior as it is.
        kept = manifest.prior_weight if manifest.cascade else None
        found = {
            precision: calibrated(
                Recogniser(Bundle.load(in_precision(bundle.path, precision)), threads=0),
                examined,
                prior_weight=kept,
            )
            for precision in ("", *manifest.variants)
        }
        shutil.copytree(bundle.path, work, dirs_exist_ok=True)
        variants = {
            precision: replace(variant, **asdict(found[precision]))
            for precision, variant in manifest.variants.items()
        }
        seal(work, replace(manifest, variants=variants, **asdict(found[""])))
    return {precision or manifest.precision: one for precision, one in found.items()}
