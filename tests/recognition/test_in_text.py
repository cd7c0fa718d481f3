from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glyphs.labels import Label
from recognition.candidates import Prediction, Recognition
from recognition.in_text import in_text


def _glyph(**shares: float) -> Recognition:
    guesses = [Prediction(Label(ord(one)), share, (), one) for one, share in shares.items()]
    return Recognition(True, tuple(sorted(guesses, key=lambda guess: -guess.probability)))


def _pairs(*words: list[int]) -> Counter[tuple[int | None, int | None]]:
    return Counter(pair for word in words for pair in pairwise([None, *word, None]))


def _best(glyphs: list[Recognition]) -> str:
    return "".join(glyph.predictions[0].label.character.text for glyph in glyphs)


def test_a_letter_is_of_the_script_of_its_word() -> None:
    sure = [_glyph(**{one: 1.0}) for one in "абвn"]
    unsure = _glyph(**{"a": 0.5, "о": 0.2, "o": 0.3})
    [read] = in_text([[*sure, unsure]], _pairs([0, 1, 4], [4, 2], [4, 1, 4]))
    assert _best(read) == "абвnо"
    [read] = in_text([[*sure, unsure]], _pairs([3, 4], [4, 3, 4]))
    assert read[4].predictions[0].label.character.script == "Latn"


def test_a_circle_among_digits_is_a_zero() -> None:
    font = [_glyph(**{"1": 1.0}), _glyph(**{"9": 1.0}), _glyph(**{"O": 0.6, "0": 0.4}), _glyph(**{"b": 1.0})]
    assert _best(in_text([font], _pairs([0, 1, 2], [0, 2, 2]))[0]) == "190b"
    assert _best(in_text([font], _pairs([2, 3], [2, 3, 3]))[0]) == "19Ob"


def test_the_commonest_letter_is_no_rare_one() -> None:
    font = [_glyph(**{"e": 0.4, "ɘ": 0.6}), _glyph(**{"x": 1.0})]
    assert _best(in_text([font], _pairs([0] * 50, [1]))[0]) == "ex"


def test_a_font_has_a_label_once_and_fonts_may_share_it() -> None:
    two = [_glyph(**{"l": 0.6, "I": 0.4}), _glyph(**{"l": 0.9, "I": 0.1})]
    pairs = _pairs([0, 1, 1, 0])
    assert sorted(_best(in_text([two], pairs)[0])) == ["I", "l"]
    assert [_best(font) for font in in_text([[one] for one in two], pairs)] == ["l", "l"]


def test_glyphs_that_stand_nowhere_are_as_they_were() -> None:
    fonts = [[_glyph(a=0.6, b=0.4)], [], [_glyph(c=1.0)]]
    assert in_text(fonts, {}) == fonts
    assert in_text([], {(None, None): 3}) == []
    assert in_text([[], []], _pairs([])) == [[], []]


@given(st.data())
def test_probabilities_are_of_the_labels_there_were(data: st.DataObject) -> None:
    glyphs = data.draw(
        st.lists(
            st.dictionaries(st.sampled_from("abОO0l1I,.’'б"), st.floats(0.0, 1.0), min_size=1),
            min_size=1,
            max_size=6,
        )
    )
    fonts = [[_glyph(**glyph)] for glyph in glyphs]
    ends = st.none() | st.integers(0, len(fonts) - 1)
    pairs = data.draw(st.dictionaries(st.tuples(ends, ends), st.integers(1, 10**6), max_size=8))
    for [before], [after] in zip(fonts, in_text(fonts, pairs), strict=True):
        assert {one.label for one in before.predictions} == {one.label for one in after.predictions}
        shares = [one.probability for one in after.predictions]
        assert shares == sorted(shares, reverse=True)
        if pairs.keys() - {(None, None)}:
            assert sum(shares) == pytest.approx(1, abs=1e-3)
