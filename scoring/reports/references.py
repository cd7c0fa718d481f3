"""How a label usually looks: pictures of references, each in a page once."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from glyphs.characters import code
from glyphs.labels import Label
from scoring.reports.text import named, specimen

Reference = Callable[[Label], bytes | None]  # a small PNG, ink dark on white, or None


@dataclass(frozen=True, slots=True)
class Named:
    """A label as a page shows it.

    picture: `id` of its reference picture, or None; text: what any font may set in its place
    """

    code: str
    name: str
    text: str
    picture: str | None


class References:
    """Asks for each label's picture once; `pictures` then holds what a page has to define."""

    def __init__(self, reference: Reference | None) -> None:
        self._reference = reference
        self._named: dict[Label, Named] = {}
        self._pictures: dict[str, str] = {}

    @property
    def pictures(self) -> Mapping[str, str]:
        """`id` to `data:` URI."""
        return self._pictures

    def named(self, label: Label) -> Named:
        """A label that the page names and shows."""
        if label not in self._named:
            png = self._reference(label) if self._reference else None
            picture = f"r{label}" if png else None
            if png and picture:
                self._pictures[picture] = "data:image/png;base64," + base64.b64encode(png).decode()
            self._named[label] = Named(code(label.codepoint), named(label), specimen(label), picture)
        return self._named[label]
