"""What a verb shows while it works and when it is done: bars on stderr, tables and data on stdout."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from rich.console import Console


class Advance(Protocol):
    """Tells a bar how far the work has come, and perhaps what it is at."""

    def __call__(self, done: int, total: int | None = None, note: str = "") -> None: ...


def console(*, stderr: bool = False) -> Console:
    from rich.console import Console

    class Ours(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # in place of an end with 1, which is a finding of `score`

    found = Ours(stderr=stderr)
    if found.is_terminal and found.width:  # none where COLUMNS is 0
        return found
    # A pipe has no width of its own, and a table cut to 80 columns loses what it says.
    return Ours(stderr=stderr, width=shutil.get_terminal_size((120, 0)).columns)


@contextmanager
def bar(title: str, total: int | None = None) -> Iterator[Advance]:
    """A progress bar on stderr; quiet where stderr is no terminal. Nothing in a text is taken for markup or
    for a control.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from scoring.reports.text import visible

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    err = console(stderr=True)
    with Progress(*columns, console=err, disable=not err.is_terminal) as progress:
        task = progress.add_task(visible(title), total=total, note="")

        def advance(done: int, total: int | None = None, note: str = "") -> None:
            progress.update(task, completed=done, total=total, note=visible(note))  # no total: as it was

        yield advance


def table(title: str, columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """A table on stdout; numbers to the right. Nothing in a text is taken for markup or for a control."""
    from rich.table import Table
    from rich.text import Text

    from scoring.reports.text import visible

    cells = [list(row) for row in rows]
    drawn = Table(title=Text(visible(title), "bold"), title_justify="left")
    for place, column in enumerate(columns):
        numeric = bool(cells) and all(isinstance(row[place], int | float) for row in cells)
        drawn.add_column(column, justify="right" if numeric else "left")
    for row in cells:
        drawn.add_row(*(Text(visible(_cell(value))) for value in row))
    console().print(drawn)


def _cell(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def say(message: str) -> None:
    """One line on stderr, whatever names it repeats."""
    from scoring.reports.text import visible  # loads what --help does without

    print(f"glyphery: {visible(message)}", file=sys.stderr)


def as_json(value: Any) -> None:
    """One JSON document on stdout."""
    print(json.dumps(value, ensure_ascii=False))
