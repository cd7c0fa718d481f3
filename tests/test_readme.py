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

from scripts.readme import ENVIRONMENT, README, commands, looks_like_root, renewed

# The checkout under test is the clone.
COMMANDS = [
    (command, shown)
    for command, shown in commands(README.read_text("utf-8"))
    if not command.startswith("git clone")
]
PROGRAMS = re.findall(r"^```python\n(.*?)^```", README.read_text("utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that looks like the repository's root, where commands may leave files."""
    return looks_like_root(tmp_path_factory.mktemp("readme"))


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    programs = Path(sys.executable).parent
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    return os.environ | ENVIRONMENT | {"PATH": path}


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


def test_what_is_shown_is_renewed_word_by_word_and_keeps_its_lines() -> None:
    shown = '{"name": "an ain",\n "known": [0.9]}'
    assert renewed(shown, '{"name":"a noon","known":[0.25]}') == '{"name": "a noon",\n "known": [0.25]}'
    assert renewed(shown, '{"name": "a noon"}') is None


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
