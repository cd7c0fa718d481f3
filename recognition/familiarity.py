"""Whether a glyph is like anything that was learned: both heads have to tell the same story.

The classifier says which labels a glyph may be, the embedding head says what it looks like. For a
glyph that was learned, the embedding lies near those of the labels it is taken for; for another
it lies anywhere. One head alone is fooled more often: a sure classifier by a strange letter that
resembles one part of a known one, the nearest embedding by whatever is plain and round.
Prototypes are the class means of Snell et al., "Prototypical Networks", NeurIPS 2017.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
_NEXT_TO_NOTHING = 1e-5  # a probability; thousands of such change the expectation by thousandths


def posterior(logits: Floats, log_prior: Floats, temperature: float) -> Floats:
    """(N, L) logits, (L,) log prior -> (N, L) probabilities; rows sum to 1.

    The temperature (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017) is applied to
    both together, so that it never changes which label is best.
    """
    out: Floats = logits + log_prior
    out -= out.max(axis=1, keepdims=True)
    out *= np.float32(1 / temperature)  # in place: most of the time would go into new memory
    np.exp(out, out=out)
    out /= out.sum(axis=1, keepdims=True)
    return out


def familiarity(probabilities: Floats, embeddings: Floats, prototypes: Floats) -> Floats:
    """Expected cosine between a glyph's embedding and the prototype of its label, -1 to 1.

    (N, L) probabilities of the labels, (N, E) unit embeddings, (L, E) unit prototypes -> (N,).
    """
    out = np.empty(len(probabilities), np.float32)
    for row, (shares, embedding) in enumerate(zip(probabilities, embeddings, strict=True)):
        likely = np.flatnonzero(shares > _NEXT_TO_NOTHING)  # some hundreds, of thousands of labels
        out[row] = shares[likely] @ (prototypes[likely] @ embedding)
    return out
