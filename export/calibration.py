"""What a bundle's probabilities and its threshold for the unknown are set to, on validation glyphs."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar

from recognition.familiarity import familiarity, posterior
from recognition.recogniser import Recogniser
from training.evaluation import Examined
from training.evaluation.measures import log_probabilities

KNOWN_ACCEPTED = 0.95  # share of validation glyphs of known labels that the threshold lets through


def calibrated(recogniser: Recogniser, examined: Examined) -> tuple[float, float]:
    """The temperature of least negative log-likelihood under the font prior (Guo et al., ICML 2017), and
    the familiarity that `KNOWN_ACCEPTED` of the glyphs reach.
    """
    bundle = recogniser.bundle
    answers = [
        recogniser.answer(rasters, examined.table.metrics[rows])
        for rows, rasters in examined.rasters(examined.table, bundle.manifest.raster)
    ]
    logits = np.concatenate([answer.logits for answer in answers])
    embeddings = np.concatenate([answer.embeddings for answer in answers])
    scores, truth = logits + bundle.log_prior, examined.truth[:, None]

    def loss(temperature: float) -> float:
        return -float(np.take_along_axis(log_probabilities(scores / temperature), truth, 1).mean())

    temperature = float(minimize_scalar(loss, bounds=(0.1, 10.0), method="bounded").x)
    familiar = familiarity(posterior(logits, bundle.log_prior, temperature), embeddings, bundle.prototypes)
    return temperature, float(np.quantile(familiar, 1 - KNOWN_ACCEPTED))
