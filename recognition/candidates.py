"""From logits to predictions: which labels are possible, which are likely, and the top k.

The network scores shapes evenly. What is likely is the caller's context: a prior is added as
its logarithm, labels that are not possible are left out, and probabilities are normalised over
the rest. Whether a glyph is known at all does not depend on the caller: that is judged over all
labels, under the font prior.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glyphs.errors import BadInput
from glyphs.labels import Label, fold
from recognition.bundle import Bundle
from recognition.familiarity import familiarity, posterior
from recognition.priors import Prior, log_prior
from recognition.recogniser import Answers

_FEW = 100  # of the likeliest labels that are found one by one


class NoCandidates(BadInput):
    """The restrictions leave no label that the model knows."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """A label with its probability among the candidates, and the known labels that look the same.

    name: of the character, or what the bundle calls a label that stands for none
    """

    label: Label
    probability: float
    equivalents: tuple[Label, ...]
    name: str


@dataclass(frozen=True, slots=True)
class Recognition:
    """known: whether the glyph looks like anything the model learned; best prediction first."""

    known: bool
    predictions: tuple[Prediction, ...]


class Candidates:
    """The possible labels of a bundle with their prior; made once, used for many rasters.

    Attributes:
        bundle: that they are of
        prior: which it is
        places: (C,) of the candidates in the bundle
        log_prior: (C,) float32, up to a constant
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        prior: Prior = Prior.FONTS,
        scripts: Iterable[str] = (),
        charset: str = "",
        labels: Iterable[Label] = (),
    ) -> None:
        """scripts: ISO 15924 codes; charset: the possible characters, in all their forms;
        labels: the possible labels. Each restricts further; empty means no restriction.

        Raises:
            NoCandidates: nothing is left.
        """
        self.bundle = bundle
        allowed = np.ones(len(bundle.labels), bool)
        script_set, character_set, label_set = (
            {s.title() for s in scripts},
            {fold(ord(character)).codepoint for character in charset},
            set(labels),
        )
        for i, label in enumerate(bundle.labels):
            allowed[i] = (
                (not script_set or label.character.script in script_set)
                and (not character_set or label.codepoint in character_set)
                and (not label_set or label in label_set)
            )
        self.prior, self.places = prior, np.flatnonzero(allowed)
        if not self.places.size:
            raise NoCandidates(
                f"None of the {len(bundle.labels)} labels of {bundle.manifest.name} is possible here.",
                "Allow more scripts, characters or labels.",
            )
        self._font_prior = bundle.log_prior
        self.log_prior = log_prior(bundle, prior)[self.places]
        self._unrestricted = prior is Prior.FONTS and bool(allowed.all())

    def probabilities(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, L) logits -> (N, candidates), rows sum to 1."""
        # As `logits[:, places]` lays them out rows would be added up otherwise in a batch than alone.
        here = logits.take(self.places, axis=1)
        return posterior(here, self.log_prior, self.bundle.manifest.temperature)

    def best(self, logits: NDArray[np.float32], k: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """The k best labels of each of N rows, fewer where fewer are possible, best first: their places
        in the bundle, (N, k), and their probabilities, (N, k).
        """
        return self._best(self.probabilities(logits), k)

    def _best(
        self, probabilities: NDArray[np.float32], k: int
    ) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        columns, shares = likeliest(probabilities, k)
        return self.places[columns], shares

    def recognise(self, answers: Answers, k: int) -> list[Recognition]:
        """The k best labels of each of N answers; fewer where fewer are possible."""
        anywhere = self._anywhere(answers)
        here = anywhere if self._unrestricted else self.probabilities(answers.logits)
        return self.recognitions(self._known(answers, anywhere), *self._best(here, k))

    def known(self, answers: Answers) -> NDArray[np.bool_]:
        """(N,) whether each looks like anything the model learned."""
        return self._known(answers, self._anywhere(answers))

    def recognitions(
        self, known: NDArray[np.bool_], places: NDArray[np.intp], probabilities: NDArray[np.float32]
    ) -> list[Recognition]:
        """Of N glyphs: (N,) whether known, (N, k) places of labels in the bundle, best first, and (N, k)."""
        return [
            Recognition(bool(is_known), tuple(map(self._prediction, best, shares)))
            for is_known, best, shares in zip(known, places, probabilities, strict=True)
        ]

    def _anywhere(self, answers: Answers) -> NDArray[np.float32]:
        """(N, L) probabilities over all labels under the font prior."""
        return posterior(answers.logits, self._font_prior, self.bundle.manifest.temperature)

    def _known(self, answers: Answers, anywhere: NDArray[np.float32]) -> NDArray[np.bool_]:
        familiar = familiarity(anywhere, answers.embeddings, self.bundle.prototypes)
        known: NDArray[np.bool_] = familiar >= self.bundle.manifest.known_threshold
        return known

    def _prediction(self, place: np.intp, probability: np.float32) -> Prediction:
        label = self.bundle.labels[place]
        name = self.bundle.names.get(label, label.character.name)
        return Prediction(label, float(probability), self.bundle.equivalence.equivalents(label), name)


def likeliest(probabilities: NDArray[np.float32], k: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Of each row of (N, L) the k greatest (or L), greatest first: their columns and values, (N, k).

    Of equal values, where few are asked for, the one in the first column comes first.
    """
    k = min(k, probabilities.shape[1])
    if k > _FEW:
        columns = np.argpartition(-probabilities, k - 1, axis=1)[:, :k]
        order = np.argsort(-np.take_along_axis(probabilities, columns, 1), axis=1, kind="stable")
        columns = np.take_along_axis(columns, order, 1)
        return columns, np.take_along_axis(probabilities, columns, 1)
    # To look for the greatest is vectorised, to partition is not: ten times as fast for five of 5,000.
    left, rows = probabilities.copy(), np.arange(len(probabilities))
    columns = np.empty((len(probabilities), k), np.intp)
    for place in range(k):
        columns[:, place] = left.argmax(axis=1)
        left[rows, columns[:, place]] = -np.inf
    return columns, np.take_along_axis(probabilities, columns, 1)


def described(recognition: Recognition) -> dict[str, object]:
    """A recognition as clients see it, by HTTP and with `--json`."""
    predictions: Sequence[dict[str, object]] = [
        {
            **prediction.label.describe(),
            "name": prediction.name,
            "probability": round(prediction.probability, 6),
            "equivalents": [str(label) for label in prediction.equivalents],
        }
        for prediction in recognition.predictions
    ]
    return {"known": recognition.known, "predictions": predictions}
