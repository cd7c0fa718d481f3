from __future__ import annotations

import pytest

from glyphs.labels import Label
from scoring.skeletons import same_skeleton


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("1576_isol", "1578_isol", True),  # beh, teh
        ("1576_init", "1606_init", True),  # beh, noon: a tooth each
        ("1576_isol", "1606_isol", False),  # which have tails of their own
        ("1601_medi", "1602_medi", True),  # feh, qaf
        ("1593_isol", "1594_isol", True),  # ain, ghain
        ("233", "101", True),
        ("305", "105", True),
        ("322", "108", True),  # l with stroke
        ("101", "99", False),
        ("46", "44", False),
        ("65", "65", False),
    ],
)
def test_labels_that_differ_in_dots_or_marks_share_a_body(first: str, second: str, same: bool) -> None:
    assert same_skeleton(Label.parse(first), Label.parse(second)) is same
    assert same_skeleton(Label.parse(second), Label.parse(first)) is same
