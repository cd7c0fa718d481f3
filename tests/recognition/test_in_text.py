from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glyphs.labels import Label
from recognition.candidates import Prediction, Recognition
from recognition.in_text import in_text


def _glyph(**shares: float) -> Recognition:
    guesses = [Prediction(Label(ord(one)), share, (), one) for one, share in shares.items()]
    return Recognition(True, tuple(sorted(guesses, key=lambda guess: -guess.probability)))


def _words(*words: list[int]) -> Counter[tuple[int, ...]]:
    return Counter(map(tuple, words))


def _best(glyphs: list[Recognition]) -> str:
    return "".join(glyph.predictions[0].label.character.text for glyph in glyphs)


def test_a_letter_is_of_the_script_of_its_word() -> None:
    sure = [_glyph(**{one: 1.0}) for one in "абвn"]
    unsure = _glyph(**{"a": 0.5, "о": 0.2, "o": 0.3})
    [read] = in_text([[*sure, unsure]], _words([0, 1, 4], [4, 2], [4, 1, 4]))
    assert _best(read) == "абвnо"
    [read] = in_text([[*sure, unsure]], _words([3, 4], [4, 3, 4]))
    assert read[4].predictions[0].label.character.script == "Latn"


def test_words_of_capitals_that_two_scripts_draw_alike_are_of_that_of_the_others() -> None:
    alike = [_glyph(**{latin: 0.9, greek: 0.1}) for latin, greek in zip("TOPN", "ΤΟΡΝ", strict=True)]
    font = [*alike, _glyph(**{"Ω": 1.0}), _glyph(**{"Σ": 1.0})]
    assert _best(in_text([font], _words([0, 4, 3], [1, 2, 4, 3], [0, 1, 5], [2, 1, 5]))[0]) == "ΤΟΡΝΩΣ"
    assert _best(in_text([font], _words([0, 1, 2], [1, 3], [4, 5]))[0]) == "TOPNΩΣ"


def test_a_circle_among_digits_is_a_zero() -> None:
    font = [_glyph(**{"1": 1.0}), _glyph(**{"9": 1.0}), _glyph(**{"O": 0.6, "0": 0.4}), _glyph(**{"b": 1.0})]
    assert _best(in_text([font], _words([0, 1, 2], [0, 2, 2]))[0]) == "190b"
    assert _best(in_text([font], _words([2, 3], [2, 3, 3]))[0]) == "19Ob"


def test_the_commonest_letter_is_no_rare_one() -> None:
    font = [_glyph(**{"e": 0.4, "ɘ": 0.6}), _glyph(**{"x": 1.0})]
    assert _best(in_text([font], _words([0] * 50, [1]))[0]) == "ex"


def test_a_font_has_a_label_once_and_fonts_may_share_it() -> None:
    two = [_glyph(**{"l": 0.6, "I": 0.4}), _glyph(**{"l": 0.9, "I": 0.1})]
    pairs = _words([0, 1, 1, 0])
    assert sorted(_best(in_text([two], pairs)[0])) == ["I", "l"]
    assert [_best(font) for font in in_text([[one] for one in two], pairs)] == ["l", "l"]


def test_glyphs_that_stand_nowhere_are_as_they_were() -> None:
    fonts = [[_glyph(a=0.6, b=0.4)], [], [_glyph(c=1.0)]]
    assert in_text(fonts, {}) == fonts
    assert in_text([], {}) == []
    assert in_text([[], []], {}) == [[], []]


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
    places = st.integers(0, len(fonts) - 1)
    words = data.draw(
        st.dictionaries(
            st.lists(places, min_size=1, max_size=400).map(tuple), st.integers(1, 10**6), max_size=8
        )
    )
    for [before], [after] in zip(fonts, in_text(fonts, words), strict=True):
        assert {one.label for one in before.predictions} == {one.label for one in after.predictions}
        shares = [one.probability for one in after.predictions]
        assert shares == sorted(shares, reverse=True)
        if words:
            assert sum(shares) == pytest.approx(1, abs=1e-3)
