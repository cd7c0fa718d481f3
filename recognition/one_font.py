"""Glyphs of one font, read together: what each shows, given all the others.

Two things hold for the glyphs of a font that no glyph shows by itself. A font has labels that go together
(`glyphs.repertoires`): beside Cyrillic letters a Latin a is likely, a Coptic one is not. And it draws a label
once: the glyph that fits it best has it, and what else looks like it is likelier to be its like in another
script or case.

The first is a mixture: how likely all the glyphs are, if the font is of a kind of repertoire, makes that kind
likely, and labels are weighed as the likely kinds have them. The second is a soft assignment: probabilities
are scaled, label by label, until no label is taken more than once in all (Sinkhorn's scaling; Cuturi, NeurIPS
2013, arXiv:1306.0895; with no label's share beyond one instead of equal to it).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glyphs.repertoires import repertoires_of
from recognition.bundle import Bundle
from recognition.candidates import Candidates, Recognition
from recognition.priors import Prior, log_prior
from recognition.recogniser import Answers

Floats = NDArray[np.float32]

_CONSIDERED = 64  # labels of a glyph, by what it looks like and how common they are
_SCALINGS = 50
# A label that is taken again and again counts so much less at the least: what fits nothing else may share it,
# as alternates of one letter do.
_LEAST_PRESSURE = np.float32(np.exp(-5.0))
_ELSEWHERE = 0.02  # of a font's labels that are none of its kind of repertoire
# Distinct characters grow about as the root of a text's length (Heaps' law): so long a text has G of them.
_LENGTH = 0.1  # characters, times G * G


class OneFont:
    """Glyphs of one font, told a batch at a time, then read together.

    candidates: which labels are possible. Their prior says what the glyphs are: `fonts`, all or most of what
        a font has; `text`, what some page of text needs, as in subsets that documents embed; `uniform`, any,
        of which is known only that each is there once
    """

    def __init__(self, bundle: Bundle, candidates: Candidates) -> None:
        self._bundle, self._candidates = bundle, candidates
        self._known: list[NDArray[np.bool_]] = []
        self._columns: list[NDArray[np.intp]] = []
        self._logits: list[Floats] = []

    def add(self, answers: Answers) -> None:
        """Those about the next glyphs. Of each the likeliest labels are kept, so that fonts may be large."""
        self._known.append(self._candidates.known(answers))
        here = answers.logits.take(self._candidates.places, axis=1)
        scores = here + self._candidates.log_prior
        count = min(_CONSIDERED, scores.shape[1])
        columns = np.argpartition(-scores, count - 1, axis=1)[:, :count].copy()  # not a view of all of them
        self._columns.append(columns)
        self._logits.append(np.take_along_axis(here, columns, 1))

    def recognise(self, k: int) -> list[Recognition]:
        """The k best labels of each glyph, fewer where fewer are possible. A label's probabilities, over all
        glyphs, add up to about one or less, where not too many show it.
        """
        if not self._columns:
            return []
        columns, logits = np.concatenate(self._columns), np.concatenate(self._logits)
        logits = logits - logits.max(axis=1, keepdims=True)
        logits /= np.float32(self._bundle.manifest.temperature)
        fits: Floats = np.exp(logits)
        shares = _once_each(
            columns, fits * self._weights(columns, fits)[columns], len(self._candidates.places)
        )
        order = np.argsort(-shares, axis=1, kind="stable")[:, :k]
        places = self._candidates.places[np.take_along_axis(columns, order, 1)]
        known = np.concatenate(self._known)
        return self._candidates.recognitions(known, places, np.take_along_axis(shares, order, 1))

    def _weights(self, columns: NDArray[np.intp], fits: Floats) -> Floats:
        """How likely each of the candidates is before a glyph is seen, but the others are: (C,).

        columns, fits: (G, considered), places among the candidates and likelihoods up to a factor
        """
        candidates = self._candidates
        if candidates.prior is Prior.UNIFORM:
            return np.ones(len(candidates.places), np.float32)
        families, chances = _kinds(self._bundle, candidates, len(columns))
        log_likely = np.log(families) + [np.log((fits * kind[columns]).sum(axis=1)).sum() for kind in chances]
        likely = np.exp(log_likely - log_likely.max())
        weights: Floats = (likely / likely.sum() @ chances).astype(np.float32)
        return weights


def _once_each(columns: NDArray[np.intp], weighed: Floats, labels: int) -> Floats:
    """Probabilities of labels, of which none is taken more than once in all.

    columns, weighed: (G, considered), which of the labels, and likelihoods times priors; so is what comes
    """
    weighed = weighed / weighed.sum(axis=1, keepdims=True)
    pressure = np.ones(labels, np.float32)
    for _ in range(_SCALINGS):
        shares: Floats = weighed * pressure[columns]
        shares /= shares.sum(axis=1, keepdims=True)
        taken = np.bincount(columns.ravel(), shares.ravel(), labels)
        if taken.max() < 1.01:
            break
        pressure = np.maximum(pressure / taken.clip(min=1.0), _LEAST_PRESSURE).astype(np.float32)
    return shares


def _kinds(
    bundle: Bundle, candidates: Candidates, glyphs: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of K kinds of repertoires: how many fonts are of each, (K,), and how likely one of so many glyphs of
    such a font has each of the candidates, (K, C), rows summing to 1.
    """
    known = repertoires_of(bundle.labels)
    chances = known.chances.astype(np.float64)
    usual = _normalised(np.exp(bundle.log_prior, dtype=np.float64))
    chances = (1 - _ELSEWHERE) * _normalised(chances) + _ELSEWHERE * usual
    if candidates.prior is Prior.TEXT:  # whether a text has a character at all
        text = _normalised(np.exp(log_prior(bundle, Prior.TEXT), dtype=np.float64))
        chances = chances * -np.expm1(-_LENGTH * glyphs**2 * text)
    return known.families.astype(np.float64), _normalised(chances[:, candidates.places])


def _normalised(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows that sum to 1, but for those of nothing."""
    whole: NDArray[np.float64] = shares.sum(axis=-1, keepdims=True)
    return shares / np.where(whole > 0, whole, 1.0)
