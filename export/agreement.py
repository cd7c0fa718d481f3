"""How a model in fewer bits answers beside the float32 one, and how much it may answer otherwise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from recognition.bundle import Bundle
from recognition.recogniser import Answers, Recogniser
from training.evaluation import Examined
from training.evaluation.measures import log_probabilities

MOST_LOST = 0.003  # top-1 under the font prior
LEAST_AGREEING = 0.99  # share of glyphs whose best label stays


@dataclass(frozen=True, slots=True)
class Agreement:
    """How the smaller model answers beside the float32 one, on validation glyphs under the font prior.

    before, after: glyphs whose best label is their own; same: whose best label is the same
    divergence: mean KL divergence from the float32 model's probabilities, nats
    cosine: mean between both models' embeddings
    """

    glyphs: int
    before: int
    after: int
    same: int
    divergence: float
    cosine: float

    @property
    def passes(self) -> bool:
        return self.before - self.after <= MOST_LOST * self.glyphs and self.keeps(LEAST_AGREEING)

    def keeps(self, share: float) -> bool:
        """Whether so many glyphs keep their best label, and every answer is a number."""
        return self.same >= share * self.glyphs and math.isfinite(self.divergence + self.cosine)

    def to_dict(self) -> dict[str, float]:
        """As a manifest has it: shares, on validation under the font prior."""
        return {
            "glyphs": self.glyphs,
            "top1": round(self.after / self.glyphs, 4),
            "top1_fp32": round(self.before / self.glyphs, 4),
            "same_top1": round(self.same / self.glyphs, 4),
            "cosine": round(self.cosine, 4),
        }

    def __str__(self) -> str:
        return (
            f"top-1 {100 * self.after / self.glyphs:.2f} % (float32 {100 * self.before / self.glyphs:.2f} %),"
            f" the same best label for {100 * self.same / self.glyphs:.2f} % of {self.glyphs:,} glyphs"
        )


class Judges:
    """Validation glyphs as a model takes them, with the float32 model's answers."""

    def __init__(self, bundle: Bundle, examined: Examined) -> None:
        settings, table = bundle.manifest.raster, examined.table
        self.rasters = np.concatenate([rasters for _, rasters in examined.rasters(table, settings)])
        self.metrics = table.metrics.copy()
        self.metrics[::3] = np.nan  # every third without
        self.truth = examined.truth
        self.scale, self.prior = bundle.manifest.temperature, bundle.log_prior
        self.answers = Recogniser(bundle, threads=0).answer(self.rasters, self.metrics)

    def agreement(self, answers: Answers) -> Agreement:
        """answers: to the first glyphs, or to all"""
        count = len(answers.logits)
        truth, embeddings = self.truth[:count], self.answers.embeddings[:count]
        theirs = log_probabilities((self.answers.logits[:count] + self.prior) / self.scale)
        ours = log_probabilities((answers.logits + self.prior) / self.scale)
        was, now = theirs.argmax(1), ours.argmax(1)
        return Agreement(
            count,
            int((was == truth).sum()),
            int((now == truth).sum()),
            int((was == now).sum()),
            float((np.exp(theirs) * (theirs - ours)).sum(1).mean()),
            float((embeddings * answers.embeddings).sum(1).mean()),
        )
