"""The lists under `data/`: tab-separated rows, lines that begin with "# " being comments."""

from __future__ import annotations

import csv
from importlib.resources import files


def read_list(name: str) -> list[list[str]]:
    """The rows of the list `data/<name>`."""
    return rows_of(files("glyphs").joinpath("data", name).read_text(encoding="utf-8"))


def rows_of(text: str) -> list[list[str]]:
    """The rows of a list. A quotation mark is a character like any other."""
    lines = (line for line in text.split("\n") if line and not line.startswith("# "))
    return list(csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
