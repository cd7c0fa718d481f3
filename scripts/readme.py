"""What the README shows of each command's output, made anew: `python -m scripts.readme [--write]`.

Run where the fonts are (`make fonts`), once the shipped bundles are others. Lines are broken as they were;
what has become longer or shorter than what is shown is told, to be changed by hand.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from benchmarks.page import served

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
# How the README's own examples are printed: as wide as its page, without colours.
ENVIRONMENT = {"COLUMNS": "100", "NO_COLOR": "1"}
_BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\w.+-]+|\S')
# These set up an environment, run tests, or never end.
ENDLESS = ("make ", "git clone", "glyphery serve")


def commands(text: str) -> list[tuple[str, str]]:
    """(command, what it is said to print), in order."""
    found = []
    for block in _BLOCK.findall(text):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, printed = part.partition("\n")
            while command.endswith("\\"):
                line, _, printed = printed.partition("\n")
                command = command[:-1] + line.strip()
            found.append((command, printed.strip("\n")))
    return found


def looks_like_root(folder: Path) -> Path:
    """A folder that has what commands read of the repository; what they write is left there."""
    for name in ("docs", "tests", "Makefile", "pyproject.toml"):
        (folder / name).symlink_to(ROOT / name)
    return folder


def renewed(shown: str, said: str) -> str | None:
    """What is shown with the words that are said now, its own spaces between them; None where the two do not
    have equally many.
    """
    now = iter(_TOKEN.findall(said))
    if len(_TOKEN.findall(shown)) != len(_TOKEN.findall(said)):
        return None
    return _TOKEN.sub(lambda _: next(now), shown)


def _main(write: Annotated[bool, typer.Option("--write", help="Change the README.")] = False) -> None:
    """Run the README's commands and put what they print where it is shown."""
    text = README.read_text(encoding="utf-8")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with served(None) as url, TemporaryDirectory() as folder:
        place = looks_like_root(Path(folder))
        address = url.removeprefix("http://").rstrip("/")
        for command, shown in commands(text):
            if not shown or command.startswith(ENDLESS):
                continue
            done = subprocess.run(
                command.replace("localhost:8000", address), shell=True, cwd=place, check=False,
                env=os.environ | ENVIRONMENT | {"PATH": path}, capture_output=True, text=True,
            )  # fmt: skip
            now = renewed(shown, done.stdout)
            if done.returncode or now is None:
                print(f"By hand: {command}\n{done.stdout}{done.stderr}")
            elif now != shown:
                print(f"Changed: {command}")
                text = text.replace(shown, now)
    if write:
        README.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    typer.run(_main)
