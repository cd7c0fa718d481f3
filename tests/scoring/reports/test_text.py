"""Text for people."""

from __future__ import annotations

import pytest

from glyphs.labels import Form, Label
from scoring.reports.text import file_name, named, specimen
from tests.scoring.records import AIN


@pytest.mark.parametrize(
    ("label", "text"),
    [
        (Label(0x41), "A"),
        (Label(AIN, Form.ISOL), "\u0639"),
        (Label(AIN, Form.INIT), "\u0639\u200d"),
        (Label(AIN, Form.MEDI), "\u200d\u0639\u200d"),
        (Label(AIN, Form.FINA), "\u200d\u0639"),
        (Label(0x301), "\u25cc\u0301"),
        (Label(0x20), "U+0020"),
        (Label(0x202E), "U+202E"),
        (Label(0xE000), "U+E000"),
    ],
)
def test_a_label_is_set_as_text_wherever_text_can_show_it(label: Label, text: str) -> None:
    assert specimen(label) == text


def test_a_label_is_named_with_its_form() -> None:
    assert named(Label(AIN, Form.INIT)) == "ARABIC LETTER AIN, initial"


@pytest.mark.parametrize("font", ["a/b/Test.ttf", "Test.ttf", "C:\\Fonts\\Test.ttf"])
def test_a_font_goes_by_its_files_name(font: str) -> None:
    assert file_name(font) == "Test.ttf"
