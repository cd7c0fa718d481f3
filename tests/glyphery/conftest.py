from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest

from glyphery.cli import main

Ask = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Ask:
    """The command line in this process, which takes milliseconds where a program of its own takes seconds."""

    def asked(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        told = [str(argument) for argument in arguments]
        monkeypatch.setattr(sys, "argv", ["glyphery", *told])
        if cwd is not None:
            monkeypatch.chdir(cwd)
        with mock.patch.dict(os.environ), pytest.raises(SystemExit) as end:
            main()
        return subprocess.CompletedProcess(told, int(end.value.code or 0), *capsys.readouterr())

    return asked
