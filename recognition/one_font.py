"""Glyphs of one font, read together: what each shows, given all the others.

Two things hold for the glyphs of a font that no glyph shows by itself. A font has labels that go together
(`glyphs.repertoires`): beside Cyrillic letters a Latin a is likely, a Coptic one is not. And it draws a label
once: the glyph that fits it best has it, and what else looks like it is likelier to be its like in another
script or case.

The first is a mixture: how likely all the glyphs are, if the font is of a kind of repertoire, makes that kind
likely, and labels are weighed as the likely kinds have them. Most texts are in one script, though nearly all
fonts have Latin letters beside theirs: where a font has what a text needs, every kind is one of each script,
too. The second is a soft assignment: probabilities
are scaled, label by label, until no label is taken more than once in all (Sinkhorn's scaling; Cuturi, NeurIPS
2013, arXiv:1306.0895; with no label's share beyond one instead of equal to it).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from glyphs.labels import Label
from glyphs.neighbours import numbered_writings, writing
from glyphs.repertoires import repertoires_of
from recognition.candidates import Candidates, Recognition
from recognition.priors import Prior, log_prior
from recognition.recogniser import Answers

Floats = NDArray[np.float32]

_MIXED = 0.5  # of texts, in several scripts
_FOREIGN = 0.02  # how likely a label of another script is in a text of one, times what it would be
# Labels with so much of the share of the likeliest are as good, as Latin A and Cyrillic А that are drawn as
# one: the commonest of them is meant, rather than whichever happens to have a thousandth more.
_AS_GOOD = 0.4
# Several glyphs that are drawn alike have as many labels, but for those that fit so much worse: then they are
# alternates of one.
_SHARED = 0.3
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
        a font has; `text`, what some text needs, as in subsets that documents embed; `uniform`, any, of
        which is known only that each is there once
    """

    def __init__(self, candidates: Candidates) -> None:
        self._candidates = candidates
        self._known: list[NDArray[np.bool_]] = []
        self._columns: list[NDArray[np.intp]] = []
        self._logits: list[Floats] = []
        self._copies: list[int] = []

    def add(self, answers: Answers, copies: Sequence[int]) -> None:
        """Those about the next glyphs, of which the font has so many copies each, drawn alike. Of each the
        likeliest labels are kept, so that fonts may be large.
        """
        self._known.append(self._candidates.known(answers))
        here = answers.logits.take(self._candidates.places, axis=1)
        scores = here + self._candidates.log_prior
        count = min(_CONSIDERED, scores.shape[1])
        columns = np.argpartition(-scores, count - 1, axis=1)[:, :count].copy()  # not a view of all of them
        self._columns.append(columns)
        self._logits.append(np.take_along_axis(here, columns, 1))
        self._copies += copies

    def recognise(self, k: int) -> list[list[Recognition]]:
        """Of each glyph a recognition for each of its copies: the k best labels, fewer where fewer are
        possible. A label's probabilities, over all glyphs, add up to about one or less, where not too many
        show it.

        Copies have the commonest of those labels that are as good, one after the other.
        """
        if not self._columns:
            return []
        columns, logits = np.concatenate(self._columns), np.concatenate(self._logits)
        copies = np.array(self._copies, np.float32)
        logits = logits - logits.max(axis=1, keepdims=True)
        logits /= np.float32(self._candidates.bundle.manifest.temperature)
        fits: Floats = np.exp(logits)
        labels = len(self._candidates.places)
        shares = once_each(columns, fits * self._weights(columns, fits)[columns], copies, labels)
        order = np.argsort(-shares, axis=1, kind="stable")
        columns, shares = np.take_along_axis(columns, order, 1), np.take_along_axis(shares, order, 1)
        known = np.concatenate(self._known)
        return [self._handed_out(*row, k) for row in zip(known, columns, shares, self._copies, strict=True)]

    def _handed_out(
        self, known: np.bool_, columns: NDArray[np.intp], shares: Floats, copies: int, k: int
    ) -> list[Recognition]:
        """A recognition for each copy of a glyph. The label that stands first has the share of the likeliest.

        columns, shares: (considered,), likeliest first
        """
        # What a text needs is told apart by its script.
        least = 1.0 if self._candidates.prior is Prior.TEXT else _AS_GOOD
        shared = min(copies, int((shares >= _SHARED * shares[0]).sum()))
        as_good = max(shared, int((shares >= least * shares[0]).sum()))
        common = np.argsort(-self._candidates.log_prior[columns[:as_good]], kind="stable")
        firsts = columns[common[np.arange(copies) % as_good]]
        labels = np.stack([np.r_[first, columns[columns != first]] for first in firsts])[:, :k]
        return self._candidates.recognitions(
            np.repeat(known, copies), self._candidates.places[labels], np.tile(shares[:k], (copies, 1))
        )

    def _weights(self, columns: NDArray[np.intp], fits: Floats) -> Floats:
        """How likely each of the candidates is before a glyph is seen, but the others are: (C,).

        columns, fits: (G, considered), places among the candidates and likelihoods up to a factor
        """
        candidates = self._candidates
        if candidates.prior is Prior.UNIFORM:
            return np.ones(len(candidates.places), np.float32)
        families, chances = _kinds(candidates, len(columns))
        return _mixture(families, chances, *_by_script(candidates), columns, fits)


def _mixture(
    families: NDArray[np.float64],
    chances: NDArray[np.float64],
    scripts: NDArray[np.intp],
    common: NDArray[np.float64],
    columns: NDArray[np.intp],
    fits: Floats,
) -> Floats:
    """How likely each label is, (C,), where the font is of one of K kinds, the text perhaps in one script.

    families: (K,); chances: (K, C), rows summing to 1; scripts: (C,) of the labels, 0 for what any text has
    common: (S,) how often texts are in them
    columns, fits: (G, considered), which of the labels, and likelihoods up to a factor
    """
    kinds, count = len(families), int(scripts.max()) + 1
    cells = (np.arange(len(columns))[:, None] * count + scripts[columns]).ravel()
    of_script = np.eye(count)[scripts]  # (C, S)
    # The first is a text in any script, the others one in each.
    whole, log_likely = _in_one(chances @ of_script), np.empty((kinds, count))
    for kind, chance in enumerate(chances):
        by_script = np.bincount(cells, (fits * chance[columns]).ravel(), len(columns) * count)
        likely = _in_one(by_script.astype(np.float64).reshape(-1, count))  # (G, S)
        log_likely[kind] = np.log(likely).sum(axis=0) - len(columns) * np.log(whole[kind])
    log_likely += np.log(families)[:, None]
    if count > 1:
        log_likely += np.log([_MIXED, *((1 - _MIXED) * normalised(common[1:]))])
    likely = np.exp(log_likely - log_likely.max()) / whole
    weights: Floats = ((likely.T @ chances) * _in_one(of_script).T).sum(axis=0).astype(np.float32)
    return weights


def _in_one(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., S) by script -> what is left of them in a text of any script, the first, or of each other one."""
    total: NDArray[np.float64] = shares.sum(axis=-1, keepdims=True)
    left: NDArray[np.float64] = _FOREIGN * total + (1 - _FOREIGN) * (shares + shares[..., :1])
    left[..., :1] = total
    return left


@lru_cache(2)  # of a service fonts and documents, one of each at a time
def _by_script(candidates: Candidates) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """(C,) scripts of the candidates, and (S,) how common these are."""
    scripts = np.zeros(len(candidates.places), np.intp)  # of which there is but one
    if candidates.prior is Prior.TEXT:
        scripts = scripts_of([candidates.bundle.labels[place] for place in candidates.places])
    common = np.bincount(scripts, np.exp(candidates.log_prior, dtype=np.float64))
    return scripts, common.astype(np.float64)


def scripts_of(labels: Sequence[Label]) -> NDArray[np.intp]:
    """(C,): numbers of the scripts that texts are in, 0 of what is in any."""
    numbers = numbered_writings(labels)
    return np.array([numbers[writing(label)] for label in labels], np.intp)


def once_each(columns: NDArray[np.intp], weighed: Floats, copies: Floats, labels: int) -> Floats:
    """Probabilities of labels, of which none is taken more than once in all by the glyphs of a font.

    columns, weighed: (G, considered), which of the labels, and likelihoods times priors; so is what comes
    copies: (G,) how many of each glyph take their labels
    """
    weighed = weighed / weighed.sum(axis=1, keepdims=True)
    pressure = np.ones(labels, np.float32)
    for _ in range(_SCALINGS):
        shares: Floats = weighed * pressure[columns]
        shares /= shares.sum(axis=1, keepdims=True)
        taken = np.bincount(columns.ravel(), (copies[:, None] * shares).ravel(), labels)
        if taken.max() < 1.01:
            break
        pressure = np.maximum(pressure / taken.clip(min=1.0), _LEAST_PRESSURE).astype(np.float32)
    return shares


def _kinds(candidates: Candidates, glyphs: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of K kinds of repertoires: how many fonts are of each, (K,), and how likely one of so many glyphs of
    such a font has each of the candidates, (K, C), rows summing to 1.
    """
    families, chances, text = _known_kinds(candidates)
    if candidates.prior is Prior.TEXT:  # whether a text has a character at all
        chances = chances * -np.expm1(-_LENGTH * glyphs**2 * text)
    return families, normalised(chances)


@lru_cache(2)  # of a service fonts and documents, one of each at a time
def _known_kinds(
    candidates: Candidates,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The same of any number of glyphs, rows not summing to 1, and how often texts have each, (C,)."""
    bundle, places = candidates.bundle, candidates.places
    known = repertoires_of(bundle.labels)
    usual = normalised(np.exp(bundle.log_prior, dtype=np.float64))
    chances = (1 - _ELSEWHERE) * normalised(known.chances.astype(np.float64)) + _ELSEWHERE * usual
    text = normalised(np.exp(log_prior(bundle, Prior.TEXT), dtype=np.float64))
    return known.families.astype(np.float64), chances[:, places], text[places]


def normalised(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows that sum to 1, but for those of nothing."""
    whole: NDArray[np.float64] = shares.sum(axis=-1, keepdims=True)
    return shares / np.where(whole > 0, whole, 1.0)
