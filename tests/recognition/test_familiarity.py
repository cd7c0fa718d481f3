"""Known or not: the two heads compared."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from recognition.familiarity import familiarity, posterior

LOGITS = arrays(np.float32, (3, 5), elements=st.floats(-20, 20, width=32))


@given(LOGITS, st.floats(0.2, 5))
def test_a_posterior_is_a_distribution_of_the_same_order(logits: np.ndarray, temperature: float) -> None:
    prior = np.log(np.array([1, 2, 3, 4, 5], np.float32))
    found = posterior(logits, prior, temperature)
    assert found.sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    scores = logits + prior
    best = np.take_along_axis(scores, found.argmax(axis=1)[:, None], 1)[:, 0]
    assert best == pytest.approx(scores.max(axis=1), abs=1e-4)


@given(LOGITS, st.integers(0, 100))
def test_familiarity_is_a_cosine(logits: np.ndarray, seed: int) -> None:
    rng = np.random.default_rng(seed)
    embeddings, prototypes = (rng.standard_normal((n, 4)).astype(np.float32) for n in (3, 5))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    prototypes /= np.linalg.norm(prototypes, axis=1, keepdims=True)
    found = familiarity(posterior(logits, np.zeros(5, np.float32), 1.0), embeddings, prototypes)
    assert found.shape == (3,)
    assert (np.abs(found) <= 1 + 1e-5).all()


def test_a_sure_answer_is_as_familiar_as_its_prototype_is_near() -> None:
    prototypes = np.array([[1, 0], [0, 1]], np.float32)
    sure = np.array([[1, 0], [1, 0], [0.5, 0.5]], np.float32)
    seen = np.array([[1, 0], [0, 1], [0, 1]], np.float32)
    assert familiarity(sure, seen, prototypes) == pytest.approx([1.0, 0.0, 0.5])


def test_one_glyph_is_as_familiar_as_among_others() -> None:
    rng = np.random.default_rng(0)
    logits, prior = 4 * rng.standard_normal((20, 3000)).astype(np.float32), np.zeros(3000, np.float32)
    embeddings, prototypes = (rng.standard_normal((n, 8)).astype(np.float32) for n in (20, 3000))
    shares = posterior(logits, prior, 1.0)
    alone = [familiarity(shares[[n]], embeddings[[n]], prototypes)[0] for n in range(20)]
    assert alone == pytest.approx(familiarity(shares, embeddings, prototypes), abs=1e-6)
