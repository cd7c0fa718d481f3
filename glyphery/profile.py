"""A profile of fontbakery with a check for each of ours: `fontbakery check-profile glyphery.profile A.ttf`.

fontbakery is no dependency: whoever uses this has it. Other profiles take the checks in by naming
this module in `check_definitions` and `glyphery/identity` and so on in their sections. Settings come
from its configuration file:

    glyphery:
      baseline: glyphery-baseline.json
      bundle: path/to/a/bundle
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Lock
from typing import Any

try:
    from fontbakery.prelude import ERROR, FAIL, PASS, SKIP, WARN, Message
    from fontbakery.prelude import check as fontbakery_check
    from fontbakery.utils import bullet_list
except ImportError as error:
    raise ImportError(
        f"glyphery.profile is for fontbakery, which cannot be imported ({error}). pip install fontbakery"
    ) from error

from bundles import default_bundle
from glyphery.outcomes import Outcome, outcomes
from scoring.baseline import Baseline
from scoring.local import Setup, score_file
from scoring.score import Scorer
from scoring.verdicts import CHECKS, Check, Status

_STATUS = {
    Status.PASS: PASS,
    Status.SKIP: SKIP,
    Status.WARN: WARN,
    Status.FAIL: FAIL,
    Status.ERROR: ERROR,
}


class _Scores:
    """What was said of fonts, each scored once however many checks, or threads, ask."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._scorers: dict[Path, Scorer] = {}
        self._said: dict[tuple[object, ...], dict[str, list[Outcome]]] = {}

    def of(self, path: Path, face: int | None, settings: Mapping[str, str]) -> dict[str, list[Outcome]]:
        """By check."""
        bundle = Path(settings.get("bundle") or default_bundle())
        baseline = settings.get("baseline")
        key = (path, _version(path), face, bundle, baseline)
        with self._lock:
            if key not in self._said:
                if bundle not in self._scorers:
                    self._scorers[bundle] = Setup(bundle).scorer(lanes=0)
                score = score_file(self._scorers[bundle], path)
                if baseline:
                    score = Baseline.read(Path(baseline)).apply(score)
                self._said[key] = {check: outcomes(score, check, face) for check in CHECKS}
            return self._said[key]


def _version(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


_scores = _Scores()


def _checked_by(ours: Check) -> Any:
    def run(font: Any, config: Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
        face = getattr(font, "index", None)  # of a member of a collection
        for outcome in _scores.of(Path(font.file), face, config.get("glyphery") or {})[ours.id]:
            text = outcome.summary
            if outcome.items:
                text = f"{text}\n\n{bullet_list(config, outcome.items)}"
            yield _STATUS[outcome.status], Message(ours.id, text)

    identifier = f"glyphery/{ours.id}"
    return fontbakery_check(id=identifier, description=f"{ours.title}?", rationale=ours.rationale)(run)


# fontbakery looks for checks among a module's members.
globals().update({f"check_{ours.id.replace('-', '_')}": _checked_by(ours) for ours in CHECKS.values()})

PROFILE = {
    "name": "Glyphery",
    "sections": {"Glyphery": [f"glyphery/{check}" for check in CHECKS]},
    "check_definitions": [__name__],
}
