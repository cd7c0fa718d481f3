"""What verbs print: tables and their widths."""

from __future__ import annotations

import pytest

from glyphery import show


@pytest.mark.parametrize(
    ("columns", "width"), [(None, 120), ("0", 120), ("", 120), ("wide", 120), ("90", 90)]
)
def test_a_table_is_as_wide_as_it_is_told_or_wide_enough(
    columns: str | None, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)
    assert show.console().width == width


def test_nor_is_it_without_width_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "0")
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes anything for a terminal then
    assert show.console().width > 0


def test_what_controls_a_terminal_is_shown_as_its_code(capsys: pytest.CaptureFixture[str]) -> None:
    show.table("a\x1b[31m", ("file",), [("b\x1b]0;\x07\u202e.ttf",), ("\udcff\n",)])
    shown = capsys.readouterr().out
    assert "a⟨U+001B⟩[31m" in shown
    assert "b⟨U+001B⟩]0;⟨U+0007⟩⟨U+202E⟩.ttf" in shown
    assert "⟨U+DCFF⟩⟨U+000A⟩" in shown
    assert not set("\x1b\x07\u202e") & set(shown)


def test_so_it_is_beside_a_bar_and_nothing_there_is_markup(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with show.bar("{a}[bold]\x1b]0;", 2) as advance:
        advance(1, note="[red]b\x1b]0;\x07.ttf")
    shown = capsys.readouterr().err
    assert "{a}[bold]⟨U+001B⟩]0;" in shown
    assert "[red]b⟨U+001B⟩]0;⟨U+0007⟩.ttf" in shown
    assert "\x1b]" not in shown
    assert "\x07" not in shown
