"""What all pages have in common: one file that needs nothing, and lets nothing in.

Styles and script are in the page, and its content security policy names them by hash, so that nothing
else could run or load even if a name from a font got past the escaping.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from glyphs.characters import code
from scoring.reports.report import Draft
from scoring.reports.text import file_name, visible
from scoring.verdicts import CHECKS, Status, check_title


def write_page(path: Path, template: str, **values: Any) -> None:
    """Render a template of this package into a file, at once or not at all."""
    draft = Draft(path)
    try:
        draft.text.writelines(_environment().get_template(template).generate(**values))
        draft.publish()
    finally:
        draft.discard()


def rendered(template: str, **values: Any) -> str:
    """A part of a page."""
    return _environment().get_template(template).render(**values)


def thousands(number: int) -> str:
    """1,234."""
    return f"{number:,}"


def plain(value: Any) -> str:
    """A value of `made_with`: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def chance(probability: float) -> str:
    """A probability in per cent, with as many digits as tell it from certainty."""
    if probability < 0.001:
        return "< 0.1 %"
    if 0.999 < probability < 1:
        return "> 99.9 %"
    return f"{100 * probability:.1f} %"


def bar(counts: Mapping[Status, int]) -> list[tuple[Status, float, float]]:
    """A stacked bar's parts that are not empty: status, beginning and width in per cent."""
    total = sum(counts.values())
    parts, at = [], 0.0
    for status in Status:
        width = 100 * counts.get(status, 0) / total if total else 0.0
        if width:
            parts.append((status, round(at, 2), round(width, 2)))
        at += width
    return parts


def _finalize(value: Any) -> Any:
    """Nothing that changes its surroundings unseen gets into a page, whatever template it goes through."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _asset(name: str) -> str:
    return files("scoring.reports").joinpath(name).read_text(encoding="utf-8")


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("scoring.reports", "."), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, finalize=_finalize,
    )  # fmt: skip
    style, script = _asset("style.css.j2"), _asset("script.js.j2")
    policy = (
        f"default-src 'none'; style-src {_source(style)}; script-src {_source(script)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    environment.globals.update(
        style=Markup(style), script=Markup(script), policy=Markup(policy),
        statuses=list(Status), bar=bar, checks=CHECKS, check_title=check_title, code=code,
    )  # fmt: skip
    environment.filters.update(thousands=thousands, chance=chance, plain=plain, file_name=file_name)
    return environment
