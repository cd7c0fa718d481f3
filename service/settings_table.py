"""The one table of settings: for `glyphery serve --show-settings`, and as docs/SETTINGS.md.

`python -m service.settings_table` prints the latter; a test holds that the file is what it prints.
"""

from __future__ import annotations

import json
import os
from typing import Any, Final

from pydantic.fields import FieldInfo

from service.settings import FILE, PREFIX, Resolved, Settings

# Defaults that are found out at the start, in words.
_IN_WORDS: Final = {
    "bundles": "the shipped one",
    "processes": "1 on a GPU, else one a processor, at most 8",
    "executors": "the processors, shared out among the processes",
    "pin": "true, unless a quota leaves less than the processors' whole time",
    "jobs": "`$XDG_STATE_HOME/glyphery/jobs`, or `~/.local/state/glyphery/jobs`",
}
# What the client of the command line reads.
_OF_THE_CLIENT: Final = frozenset({"GLYPHERY_SERVER", "GLYPHERY_API_KEY"})
_FLAGS: Final = {
    "bundles": "--bundle", "host": "--host", "port": "--port", "processes": "--processes", "keys": "--keys",
    "open_access": "--open-access", "device": "--device",
}  # fmt: skip
_HEADINGS: Final = {  # before the setting that each stands over
    "bundles": "What is served, and where",
    "max_body_bytes": "Limits of what is posted",
    "device": "Recognition",
    "jobs": "Jobs",
    "keys": "Access",
    "log_format": "Logs",
}
_BOUNDS: Final = {"ge": "at least", "gt": "more than", "le": "at most"}  # as pydantic keeps them
_HEAD: Final = f"""# Settings

<!-- Made by `make settings` from service/settings.py. -->

Each setting has a name, an environment variable and a flag of `glyphery serve`. Where it is set in several
places, the flag holds, then the environment, then the file, then the default.

- **Flags**: `--set NAME=VALUE` for any of them, repeated for more; those that are needed most have their own.
- **Environment**: `{PREFIX}` and the name in capitals.
- **File**: TOML, `NAME = VALUE` a line, which `--settings FILE` or `{FILE}` names; a name that is no
  setting's is refused. Lists are arrays, or text with commas. Relative paths start at the folder that the
  service is started in.

`glyphery serve --show-settings` prints what would hold and where each value comes from, `--json` as well for
programs, and serves nothing. It also tells of variables that begin with `{PREFIX}` and set nothing.

**Secrets** are no settings. API keys are in a file that `keys` names, as hashes, and nothing prints them.
What OpenTelemetry sends to get into a collector is in its own variables (`OTEL_EXPORTER_OTLP_HEADERS`), which
are not printed either.
"""


def as_text(resolved: Resolved) -> str:
    """A line a setting: its name, its value, and where that comes from."""
    rows = [
        (name, shown(value), _origin(name, resolved)) for name, value in resolved.settings if name != "shared"
    ]
    names, values = (max(len(row[column]) for row in rows) for column in (0, 1))
    lines = [f"{name:{names}}  {value:{values}}  {origin}" for name, value, origin in rows]
    return "\n".join([*lines, *(f"{name} sets nothing." for name in idle_variables())])


def as_json(resolved: Resolved) -> str:
    """The same for programs."""
    values = json.loads(resolved.settings.model_dump_json(exclude={"shared"}))
    return json.dumps(
        {
            "file": str(resolved.file) if resolved.file else None,
            "settings": {
                name: {"value": value, "from": resolved.origins[name]} for name, value in values.items()
            },
            "idle": idle_variables(),
        },
        ensure_ascii=False,
    )


def as_markdown() -> str:
    """docs/SETTINGS.md."""
    parts = [_HEAD]
    for name, field in Settings.model_fields.items():
        if name in _HEADINGS:
            parts.append(
                f"\n## {_HEADINGS[name]}\n\n| name | variable | default | |\n| --- | --- | --- | --- |\n"
            )
        if name != "shared":
            flag = f" `{_FLAGS[name]}`" if name in _FLAGS else ""
            parts.append(
                f"| `{name}`{flag} | `{PREFIX}{name.upper()}` | {_default(name, field)} | {_about(field)} |\n"
            )
    return "".join(parts)


def idle_variables() -> list[str]:
    """Variables that look like settings and are none: misspelt, most likely."""
    known = {PREFIX + name.upper() for name in Settings.model_fields} | {FILE} | _OF_THE_CLIENT
    return sorted(
        name for name in os.environ if name.upper().startswith(PREFIX) and name.upper() not in known
    )


def shown(value: Any) -> str:
    """A value as the environment would have it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _origin(name: str, resolved: Resolved) -> str:
    origin = resolved.origins[name]
    where = {"environment": f" {PREFIX}{name.upper()}", "file": f" {resolved.file}"}
    return origin + where.get(origin, "")


def _default(name: str, field: FieldInfo) -> str:
    if name in _IN_WORDS:
        return _IN_WORDS[name]
    text = shown(field.default)
    return f"`{text}`" if text else "none"


def _about(field: FieldInfo) -> str:
    """What a setting is for, and its bounds."""
    bounds = [
        f"{words} {getattr(rule, bound)}"
        for rule in field.metadata
        for bound, words in _BOUNDS.items()
        if hasattr(rule, bound)
    ]
    return (field.description or "") + (f" ({', '.join(bounds)})" if bounds else "")


if __name__ == "__main__":
    print(as_markdown(), end="")
