from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.layers import Layer, principal_axes
from tests.index.embedded import WIDTH, embedded


def test_axes_turn_without_changing_inner_products() -> None:
    rows = embedded(500, seed=3)
    axes = principal_axes(rows)
    assert axes.T @ axes == pytest.approx(np.eye(WIDTH), abs=1e-5)
    turned = rows @ axes
    assert turned @ turned.T == pytest.approx(rows @ rows.T, abs=1e-5)
    moments = np.square(turned).mean(axis=0)
    assert (np.diff(moments) <= 1e-7).all()


def test_more_steps_leave_less() -> None:
    rows = embedded(2000, seed=3)
    errors = []
    for steps in (16, 64, 128):
        layer = Layer.trained(rows, rows, steps)
        codes = layer.encode(rows, rows)
        assert codes.shape == (2000, layer.bytes) == (2000, steps // 2 + 1)
        errors.append(np.square(layer.decode(codes, WIDTH) - rows).sum(axis=1).mean())
    assert errors[0] > 4 * errors[1] > 16 * errors[2]


def test_numbers_that_vary_more_get_more_steps() -> None:
    rng = np.random.default_rng(0)
    rows = (rng.standard_normal((1000, 4)) * [100, 10, 1, 0.01]).astype(np.float32)
    steps = np.bincount(Layer.trained(rows, rows, 8).axis, minlength=4)
    assert steps[0] > steps[2] > steps[3] == 0


@given(seed=st.integers(0, 2**32), queries=st.integers(1, 4), candidates=st.integers(0, 9))
def test_products_are_those_with_what_codes_stand_for(seed: int, queries: int, candidates: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((50, 6)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    first = np.round(rows, 1)
    layer = Layer.trained(rows, rows - first, 14)
    asked = rng.standard_normal((queries, 6)).astype(np.float32)
    codes = layer.encode(rows, rows - first)
    chosen = rng.integers(50, size=(queries, candidates))
    stored = (first + layer.decode(codes, 6)) * layer.scales[codes[:, -1], None]
    similar = asked @ first.T
    some = np.take_along_axis(similar, chosen, axis=1)
    assert layer.refined(some, asked, codes[chosen]) == pytest.approx(
        np.einsum("ne,nke->nk", asked, stored[chosen]), abs=1e-4
    )
    assert layer.refined(similar, asked, codes) == pytest.approx(asked @ stored.T, abs=1e-4)


def test_a_row_s_own_direction_comes_out_whole() -> None:
    rows = embedded(2000, seed=3)
    layer = Layer.trained(rows, rows, 48)
    codes = layer.encode(rows, rows)
    stored = layer.decode(codes, WIDTH)
    plain = np.abs((rows * stored).sum(axis=1) - 1)
    scaled = np.abs((rows * stored).sum(axis=1) * layer.scales[codes[:, -1]] - 1)
    assert scaled.mean() < plain.mean() / 20


def test_numbers_that_are_all_the_same_come_back() -> None:
    rows = np.full((10, 2), 0.25, np.float32)
    layer = Layer.trained(rows, rows, 2)
    assert layer.decode(layer.encode(rows, rows), 2) == pytest.approx(rows, abs=1e-6)
