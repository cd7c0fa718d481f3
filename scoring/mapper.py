"""What the model says of drawings: how well each fits its claim, and what else it may be.

A claim stands for itself and its equivalents together. The labels are weighed by the font prior: that
a glyph of a font is a rarity rather than the common letter it looks like has to be shown. What looks
alike in design after design without being a fault counts less against a claim: characters of other
scripts, and the other case of the same letter.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glyphs.labels import Label
from recognition.candidates import likeliest
from recognition.familiarity import familiarity, posterior
from recognition.recogniser import Answers, Recogniser
from scoring.verdicts import Guess

TOP = 5  # guesses of an answer
_CLAIMS = 512  # that are weighed at once
# In nats, chosen on validation: see docs/SCORING.md.
_LIKENESS_WEIGHT = 10.0
_NO_RIVAL = 1000.0
_FAR_RIVAL = 4.0  # less for labels of other scripts and the other case of the claim
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What speaks for and against one claim.

    probability: of the claim and its equivalents; rank: how many others are likelier, plus one
    margin: log-odds of the rival against the claim, nats, less what a far rival must show more
    likeness: cosine between the embedding and the prototype of the claim or an equivalent, -1 to 1
    known: whether the glyph looks like anything that was learned
    rival: the likeliest label that is not equivalent to the claim, after that
    reflected: the doubt about the claim where the raster is mirrored; None where nobody asked
    """

    probability: float
    rank: int
    margin: float
    likeness: float
    known: bool
    rival: Label
    top: tuple[Guess, ...]
    reflected: float | None = None

    @property
    def doubt(self) -> float:
        """Nats against the claim: both heads of the model have to be against it."""
        return doubt(self.margin, self.likeness)


def doubt(margin: float, likeness: float) -> float:
    """One figure of `Evidence.margin` and `Evidence.likeness`."""
    return margin - _LIKENESS_WEIGHT * likeness


class Mapper:
    """A recogniser that is asked about claims."""

    def __init__(self, recogniser: Recogniser) -> None:
        bundle = self._bundle = recogniser.bundle
        self._recogniser = recogniser
        self.places = {label: place for place, label in enumerate(bundle.labels)}
        alike = bundle.equivalence.places(bundle.labels)
        # (L, 1 + W): each label with its equivalents, itself again where there are fewer than W.
        self._alike = _padded([[place, *others] for place, others in enumerate(alike)])
        self._script = _numbers(_realm(label) for label in bundle.labels)
        # (L, 1 + C): each label with those of its script that are its letter in another case, itself again.
        self._cased = _padded(
            _groups(
                f"{script} {folded(label)}" for script, label in zip(self._script, bundle.labels, strict=True)
            )
        )

    def look(self, rasters: NDArray[np.uint8], metrics: Floats, rows: NDArray[np.intp],
             claims: Sequence[Label]) -> list[Evidence]:  # fmt: skip
        """Evidence of C claims about N rasters.

        rasters: (N, S, S); metrics: (N, 4), em; rows: (C,) the raster of each claim; claims: known labels
        """
        answers = self._recogniser.answer(rasters, metrics)
        places = np.array([self.places[claim] for claim in claims], np.intp)
        bundle = self._bundle
        shares = posterior(answers.logits, bundle.log_prior, bundle.manifest.temperature)
        known = familiarity(shares, answers.embeddings, bundle.prototypes) >= bundle.manifest.known_threshold
        tops = [
            tuple(Guess(bundle.labels[place], round(share, 6)) for place, share in zip(*top, strict=True))
            for top in zip(*(part.tolist() for part in likeliest(shares, TOP)), strict=True)
        ]
        found: list[Evidence] = []
        for start in range(0, len(rows), _CLAIMS):  # a hostile font may claim a shape to be everything
            some, claimed = rows[start : start + _CLAIMS], places[start : start + _CLAIMS]
            weighed = self._against(answers, shares, some, claimed).T.tolist()
            found += [
                Evidence(
                    probability=round(probability, 6), rank=int(rank), margin=round(margin, 4),
                    likeness=round(likeness, 4), known=bool(known[row]), rival=bundle.labels[int(rival)],
                    top=tops[row],
                )
                for row, (probability, rank, margin, likeness, rival) in zip(some, weighed, strict=True)
            ]  # fmt: skip
        return found

    def _against(
        self, answers: Answers, shares: Floats, rows: NDArray[np.intp], places: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Of C claims (5, C): probability, rank, margin, likeness, and the place of the rival."""
        bundle = self._bundle
        scores = answers.logits[rows]
        scores += bundle.log_prior
        alike = self._alike[places]
        own = np.take_along_axis(scores, alike, 1).max(axis=1)
        np.put_along_axis(scores, alike, -np.inf, axis=1)
        best = scores.max(axis=1)
        ranks = np.ones(len(rows), np.intp)
        for row in np.flatnonzero(best > own):
            ranks[row] += np.count_nonzero(scores[row] > own[row])
        rivals, rival_scores = self._rivals(scores, best, places)
        # A model whose labels are all alike has no rivals; what is written down stays a number.
        margins = np.maximum(rival_scores - own, -_NO_RIVAL)
        embeddings = answers.embeddings[rows]
        likeness = np.einsum("ce,cwe->cw", embeddings, bundle.prototypes[alike]).max(axis=1)
        # A label may be listed several times, to fill its row up: it counts once.
        first = np.ones(alike.shape, bool)
        first[:, 1:] = alike[:, 1:] != alike[:, :1]
        probability = (shares[rows[:, None], alike] * first).sum(axis=1)
        return np.stack([probability, ranks, margins, likeness, rivals]).astype(np.float64)

    def _rivals(
        self, scores: Floats, best: Floats, places: NDArray[np.intp]
    ) -> tuple[NDArray[np.intp], Floats]:
        """Of C claims the place of the likeliest label, far ones counting less, and what it counts.

        scores: (C, L); best: (C,) the greatest of each; places: (C,) of the claims
        """
        # No other can be it than those that the best, far as it may be, does not outdo.
        rows, columns = np.divmod(np.flatnonzero(scores >= best[:, None] - _FAR_RIVAL), scores.shape[1])
        claimed = places[rows]
        far = self._script[columns] != self._script[claimed]
        far |= (self._cased[claimed] == columns[:, None]).any(axis=1)
        counted = scores[rows, columns] - np.float32(_FAR_RIVAL) * far
        starts = np.searchsorted(rows, np.arange(len(scores)))
        most = np.maximum.reduceat(counted, starts)
        greatest = np.flatnonzero(counted == most[rows])  # of equal ones that of the first place
        return columns[greatest[np.searchsorted(rows[greatest], np.arange(len(scores)))]], most


def folded(label: Label) -> str:
    """A letter without its case and compatibility formatting."""
    return unicodedata.normalize("NFKC", chr(label.codepoint)).casefold()


def _realm(label: Label) -> str:
    """The script, where marks that take that of their base count as common, as punctuation does."""
    script = label.character.script
    return "Zyyy" if script == "Zinh" else script


def _numbers(names: Iterable[str]) -> NDArray[np.intp]:
    """Equal numbers for equal names."""
    return np.unique(list(names), return_inverse=True)[1]


def _groups(names: Iterable[str]) -> list[list[int]]:
    """For each name the places that have it, its own first."""
    listed = list(names)
    places: dict[str, list[int]] = defaultdict(list)
    for place, name in enumerate(listed):
        places[name].append(place)
    return [
        [place, *(other for other in places[name] if other != place)] for place, name in enumerate(listed)
    ]


def _padded(groups: list[list[int]]) -> NDArray[np.intp]:
    """Groups as rows of one length, short ones filled up with their first."""
    most = max(map(len, groups), default=1)
    return np.array([[*group, *[group[0]] * (most - len(group))] for group in groups], np.intp)
