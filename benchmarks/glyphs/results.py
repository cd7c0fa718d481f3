"""Parts of a run that are there already: one JSON a part, with the inputs that it was made of."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Raise it when a figure comes to mean something else: results of older rules are made anew.
RULES = 1
Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Results:
    """Results in a folder; `inputs` are those of every part: dataset, split, limit, labels, equivalence."""

    folder: Path
    inputs: Mapping[str, Any]

    def path(self, part: str) -> Path:
        return self.folder / f"{part}.json"

    def get(self, part: str, **inputs: Any) -> Figures | None:
        """The figures of a part that was made of the very inputs, or None."""
        try:
            kept = json.loads(self.path(part).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        if not isinstance(kept, dict) or kept.get("inputs") != self._all(inputs):
            return None
        figures: Figures = kept["figures"]
        return figures

    def put(self, part: str, figures: Figures, **inputs: Any) -> Figures:
        path = self.path(part)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".tmp")
        unfinished.write_text(json.dumps({"inputs": self._all(inputs), "figures": figures}, indent=1))
        os.replace(unfinished, path)
        return figures

    def part(self, part: str, make: Callable[[], Figures], **inputs: Any) -> Figures:
        """The figures that are there, or those that `make` makes now."""
        kept = self.get(part, **inputs)
        return self.put(part, make(), **inputs) if kept is None else kept

    def _all(self, inputs: Mapping[str, Any]) -> Figures:
        # Through JSON, so that a tuple equals the list it is read back as.
        every: Figures = json.loads(json.dumps({"rules": RULES, **self.inputs, **inputs}))
        return every
