from __future__ import annotations

import math

import pytest

from export.agreement import Agreement


@pytest.mark.parametrize(
    ("before", "after", "same", "passes"),
    [(900, 897, 990, True), (900, 896, 995, False), (900, 900, 989, False), (900, 910, 990, True)],
)
def test_the_gate_asks_for_accuracy_and_for_agreement(
    before: int, after: int, same: int, passes: bool
) -> None:
    assert Agreement(1000, before, after, same, 0.0, 1.0).passes is passes


def test_a_model_that_answers_no_numbers_passes_no_gate() -> None:
    for figures in ((math.nan, 1.0), (0.0, math.nan)):
        agreement = Agreement(1000, 800, 800, 1000, *figures)
        assert not agreement.passes
        assert not agreement.keeps(0.0)
