"""Glyphs of fonts, read in the text that they set.

A glyph stands in a text again and again, which tells three things of it that neither its look nor the other
glyphs of its font (`recognition.one_font`) do: how often it does, for an e is commoner than a capital thorn;
what it stands next to, for an O among digits is a zero; and in which words, for a word is in one script, so
that what is drawn as A in a word with a Д is А. No language is known: it is kinds of characters whose
neighbours are known (`glyphs.neighbours`).

How often: counts of a character in texts scatter about what is usual by much more than chance, and now and
then by orders of magnitude, since texts are of languages and about things. What is around a glyph is as
uncertain as the glyph: each is weighed by what the others are likely to be, again and again (mean field;
Jordan et al., Machine Learning 37, 1999).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from glyphs.labels import Label
from glyphs.neighbours import frozen_neighbours, numbered_writings, writing
from glyphs.text import text_shares
from recognition.candidates import Recognition
from recognition.one_font import normalised, once_each, scripts_of

Floats = NDArray[np.float32]

CONSIDERED = 8  # labels of each glyph are enough to choose from
_IN_SCRIPT = 0.8  # of a text's characters are in its script
_RAREST = 1e-7  # share of a text's characters that any may have
_SCATTER = 1.5  # of the logarithm of a character's count about that of what is usual
# However often a glyph stands somewhere, what is around it says no more than so many neighbours on either
# side and so many words would, half of that where it stands there once: texts may be unlike what was counted.
_NEIGHBOURS, _WORDS = 0.9, 1.5
_FOREIGN = 1e-3  # of a word's letters are of another script
_ROUNDS = 5
_PAIRS_AT_ONCE = 1 << 15

Words = Mapping[tuple[int, ...], int]


def in_text(fonts: Sequence[Sequence[Recognition]], words: Words) -> list[list[Recognition]]:
    """What glyphs show, given the text that they stand in.

    fonts: of each its glyphs by themselves, each with CONSIDERED predictions or so, to choose from
    words: how often glyphs stand one after the other with space around them, numbered through all fonts
    """
    glyphs = [glyph for font in fonts for glyph in font]
    if not words:
        return [list(font) for font in fonts]
    text = _Text(glyphs, words)
    ends = np.cumsum([len(font) for font in fonts])
    parts = [slice(end - len(font), end) for font, end in zip(fonts, ends, strict=True) if font]
    shares = text.shares(text.log_fits, parts)
    for _ in range(_ROUNDS):
        shares = text.shares(text.log_fits + text.neighbours(shares) + text.scripts(shares), parts)
    found = iter(_again(glyph, row) for glyph, row in zip(glyphs, shares, strict=True))
    return [[next(found) for _ in font] for font in fonts]


def _again(glyph: Recognition, shares: Floats) -> Recognition:
    order = np.argsort(-shares[: len(glyph.predictions)], kind="stable")
    predictions = [replace(glyph.predictions[one], probability=float(shares[one])) for one in order]
    return replace(glyph, predictions=tuple(predictions))


class _Text:
    """G glyphs, each with up to C labels, which stand in W words."""

    def __init__(self, glyphs: Sequence[Recognition], words: Words) -> None:
        labels = sorted({guess.label for glyph in glyphs for guess in glyph.predictions})
        places = {label: place for place, label in enumerate(labels)}
        most = max(len(glyph.predictions) for glyph in glyphs)
        self._labels = len(labels)
        self._columns = np.zeros((len(glyphs), most), np.intp)
        self.log_fits = np.full((len(glyphs), most), -np.inf, np.float32)
        for row, glyph in enumerate(glyphs):
            guesses = glyph.predictions
            self._columns[row, : len(guesses)] = [places[guess.label] for guess in guesses]
            self.log_fits[row, : len(guesses)] = np.log([max(guess.probability, 1e-12) for guess in guesses])

        self._in_words = np.array([glyph for word in words for glyph in word], np.intp)
        self._words = np.repeat(np.arange(len(words)), [len(word) for word in words])
        times = np.fromiter(words.values(), np.float32, len(words))
        self._times = times[self._words]
        counts = np.bincount(self._in_words, self._times, len(glyphs)).astype(np.float32)
        self._trust: Floats = (1 / (counts + 1))[:, None].astype(np.float32)
        self.log_fits += _log_counts(counts[:, None], counts.sum() * _usual(labels)[self._columns])

        pairs: Counter[tuple[int, int]] = Counter()
        space = len(glyphs)  # a glyph whose only label is the space
        for word, count in words.items():
            for pair in pairwise((space, *word, space)):
                pairs[pair] += count
        self._pairs = np.array(list(pairs), np.intp)
        self._counts = np.fromiter(pairs.values(), np.float32, len(pairs))
        table = frozen_neighbours()
        self._log_ratios, kinds = table.log_ratios, np.array([*map(table.kind, labels), table.space], np.intp)
        self._kinds = kinds[np.vstack([self._columns, np.full(most, len(labels))])]

        numbers = numbered_writings(labels)
        self._scripts = scripts_of(labels)[self._columns]
        # Which scripts a label may be of: what several draw alike says nothing of the word that it is in.
        self._may_be = np.zeros((len(glyphs), most, len(numbers)), np.float32)
        for row, glyph in enumerate(glyphs):
            for place, guess in enumerate(glyph.predictions):
                own = {writing(one) for one in (guess.label, *guess.equivalents)}
                self._may_be[row, place, [numbers[script] for script in own & numbers.keys()]] = 1
        self._may_be[self._may_be[:, :, 0] == 1] = 1

    def shares(self, log_likely: Floats, parts: Sequence[slice]) -> Floats:
        """(G, C) probabilities: each font has a label once. parts: the glyphs of each font."""
        likely: Floats = np.exp(log_likely - log_likely.max(axis=1, keepdims=True))
        shares = np.zeros_like(likely)
        for part in parts:
            copies = np.ones(part.stop - part.start, np.float32)
            shares[part] = once_each(self._columns[part], likely[part], copies, self._labels)
        return shares

    def neighbours(self, shares: Floats) -> Floats:
        """(G, C): how well labels go with what stands next to their glyphs, given (G, C) of all these."""
        space = np.zeros((1, shares.shape[1]), np.float32)
        space[0, 0] = 1
        shares, found = np.vstack([shares, space]), np.zeros((len(shares) + 1, shares.shape[1]), np.float32)
        for first in range(0, len(self._pairs), _PAIRS_AT_ONCE):
            some = slice(first, first + _PAIRS_AT_ONCE)
            before, after = self._pairs[some].T
            ratios = self._log_ratios[self._kinds[before][:, :, None], self._kinds[after][:, None, :]]
            ratios *= self._counts[some][:, None, None]  # (pairs, C, C)
            np.add.at(found, before, np.einsum("pij,pj->pi", ratios, shares[after]))
            np.add.at(found, after, np.einsum("pij,pi->pj", ratios, shares[before]))
        around: Floats = np.float32(_NEIGHBOURS) * found[:-1] * self._trust
        return around

    def scripts(self, shares: Floats) -> Floats:
        """(G, C): how well labels go with the scripts of the words that their glyphs stand in."""
        fits = np.log(np.einsum("gc,gcs->gs", shares, self._may_be[:, :, 1:]) + _FOREIGN)
        if not fits.shape[1]:  # nothing is of a script
            return np.zeros_like(shares)
        of_words: NDArray[np.float64] = np.stack(
            [np.bincount(self._words, fit[self._in_words]) for fit in fits.T], axis=1
        )
        usual = np.log(normalised(_shares(of_words).sum(axis=0)) + _FOREIGN)
        # Of every letter of a word: what the others say, and the whole text.
        others = _shares(of_words[self._words] - fits[self._in_words] + usual)
        told = np.zeros((len(fits), 1 + fits.shape[1]))
        np.add.at(told[:, 1:], self._in_words, self._times[:, None] * np.log(others + _FOREIGN))
        found: Floats = np.take_along_axis(told, self._scripts, 1).astype(np.float32)
        found *= np.float32(_WORDS) * self._trust
        return found


def _shares(log_likely: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows that sum to 1."""
    return normalised(np.exp(log_likely - log_likely.max(axis=-1, keepdims=True)))


def _usual(labels: Sequence[Label]) -> Floats:
    """(U,) shares of the characters of a text in its script that labels usually have."""
    shares = text_shares()
    usual = np.array([max(shares.get(label, 0.0), _RAREST) for label in labels])
    of_scripts: dict[str, float] = defaultdict(float)
    for label, share in shares.items():
        of_scripts[writing(label)] += share
    # What is counted over all languages together says how common a letter is among those of its script.
    scripts = [writing(label) for label in labels]
    usual *= [_IN_SCRIPT / max(of_scripts[one], _RAREST) if one else 1.0 for one in scripts]
    return usual.astype(np.float32)


def _log_counts(counts: Floats, usual: Floats) -> Floats:
    """How likely counts are where others are usual: logarithms, up to what is the same for all labels.

    Student's t distribution of the logarithm of their ratio, with two degrees of freedom: a program has a
    thousand times as many # as other texts, and has them all the same.
    """
    off = np.log((counts + 0.5) / (usual + 0.5)) / _SCATTER
    found: Floats = (-1.5 * np.log1p(off**2 / 2)).astype(np.float32)
    return found
