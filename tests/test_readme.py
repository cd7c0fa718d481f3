"""Every command that the README shows is run, and answers as the README says.

Commands stand in ```console blocks behind `$ `, with what they print below; ```python blocks say it in
comments. Numbers may differ in their last places from machine to machine, so only the words are compared,
in order.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
_BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)


def _commands() -> list[tuple[str, str]]:
    """(command, what the README says it prints), in order."""
    found = []
    for block in _BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8")):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, printed = part.partition("\n")
            while command.endswith("\\"):
                line, _, printed = printed.partition("\n")
                command = command[:-1] + line.strip()
            if not command.startswith("git clone"):  # the checkout under test is the clone
                found.append((command, printed.strip()))
    return found


COMMANDS = _commands()
PROGRAMS = re.findall(
    r"^```python\n(.*?)^```", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that looks like the repository's root, where commands may leave files."""
    folder = tmp_path_factory.mktemp("readme")
    for name in ("docs", "tests", "Makefile", "pyproject.toml"):
        (folder / name).symlink_to(ROOT / name)
    return folder


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    programs = Path(sys.executable).parent
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "COLUMNS": "100", "NO_COLOR": "1"}


@pytest.fixture(scope="module")
def server(place: Path, environment: dict[str, str]) -> Iterator[str]:
    """Address of a server of the shipped bundle, on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(["glyphery", "serve", "--port", str(port)], cwd=place, env=environment)
    try:
        for _ in range(300):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz"):
                    break
            except OSError:
                assert process.poll() is None
                time.sleep(0.1)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def test_the_readme_shows_commands() -> None:
    assert len(COMMANDS) > 8
    assert any(command.startswith("curl") for command, _ in COMMANDS)


@pytest.mark.parametrize(("command", "printed"), COMMANDS, ids=[command[:60] for command, _ in COMMANDS])
def test_a_command_of_the_readme_does_what_it_says(
    command: str, printed: str, place: Path, environment: dict[str, str], server: str
) -> None:
    if command.startswith(("make ", "glyphery serve")):
        # These set up this very environment, run these very tests or never end: see that they resolve.
        command = f"{command} -n" if command.startswith("make") else f"{command} --help"
        printed = ""
    if command.startswith("curl") and not shutil.which("curl"):
        pytest.skip("curl is not installed")
    command = command.replace("localhost:8000", server)
    done = subprocess.run(command, shell=True, cwd=place, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = iter(_words(done.stdout))
    missing = [word for word in _words(printed) if word not in said]
    assert not missing, f"{missing} not in:\n{done.stdout}"


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_of_the_readme_prints_what_its_comments_say(
    program: str, place: Path, environment: dict[str, str], server: str
) -> None:
    command = [sys.executable, "-c", program.replace("localhost:8000", server)]
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert _words(done.stdout) == _words(" ".join(re.findall(r"  # (.*)", program)))


def _words(text: str) -> list[str]:
    """Words of three letters or more, without numbers, dashes of tables and what varies by machine."""
    return re.findall(r"[A-Za-z_]{3,}", text)
