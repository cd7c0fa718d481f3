"""What a model's operators cost."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from recognition.bundle import Bundle
from recognition.layers import layers, multiply_adds


def test_the_operators_of_a_bundle_come_with_their_times_and_products(tiny_bundle: Bundle) -> None:
    found = layers(tiny_bundle, batch=2, runs=2)
    assert all(layer.name and layer.operator and layer.seconds >= 0 for layer in found)
    assert sum(layer.seconds for layer in found) > 0
    manifest = tiny_bundle.manifest
    assert sum(layer.multiply_adds for layer in found) >= manifest.embedding * manifest.labels
    assert not any(layer.integers for layer in found)


def test_an_addition_and_a_normalisation_stay_two_layers_on_a_cpu() -> None:
    bundle = Bundle.load(Path(__file__).parents[2] / "bundles" / "unified_mlp")
    operators = {layer.operator for layer in layers(bundle, batch=1, runs=1)}
    assert {"Add", "LayerNormalization"} <= operators
    assert "SkipLayerNormalization" not in operators


def test_products_do_not_depend_on_the_batch(tiny_bundle: Bundle) -> None:
    one, several = (layers(tiny_bundle, batch=batch, runs=1) for batch in (1, 3))
    assert [layer.multiply_adds for layer in one] == [layer.multiply_adds for layer in several]


@pytest.mark.parametrize(
    ("operator", "inputs", "output", "expected"),
    [
        ("Conv", [(1, 3, 8, 8), (16, 3, 5, 5)], (1, 16, 4, 4), 16 * 4 * 4 * 3 * 5 * 5),
        ("Conv", [(1, 16, 8, 8), (16, 1, 3, 3)], (1, 16, 8, 8), 16 * 8 * 8 * 9),  # depthwise
        ("QLinearConv", [(1, 3, 8, 8), (), (), (16, 3, 5, 5), ()], (1, 16, 4, 4), 16 * 4 * 4 * 75),
        ("MatMul", [(1, 64, 128), (128, 256)], (1, 64, 256), 64 * 128 * 256),
        ("MatMul", [(1, 4, 64, 16), (1, 4, 16, 64)], (1, 4, 64, 64), 4 * 64 * 16 * 64),
        ("FusedMatMul", [(1, 128, 64), (128, 256)], (1, 64, 256), 64 * 128 * 256),  # the left one transposed
        ("Gemm", [(1, 384), (384, 5000)], (1, 5000), 384 * 5000),
        ("MatMulInteger", [(8,), (8, 3)], (3,), 24),
        ("Softmax", [(1, 4, 64, 64)], (1, 4, 64, 64), 0),
    ],
)
def test_products_are_counted_from_shapes(
    operator: str, inputs: list[tuple[int, ...]], output: tuple[int, ...], expected: int
) -> None:
    assert multiply_adds(operator, inputs, output) == expected
    assert math.prod(output) > 0
