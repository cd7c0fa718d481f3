"""What other tools find here: the hook of pre-commit."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from glyphs.dataset.build import FONT_SUFFIXES
from tests.scoring.conftest import edited, emptied

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def hook() -> dict[str, str]:
    [found] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert found["id"] == "glyphery-score"
    return dict(found)


def test_the_hook_takes_every_kind_of_font_and_nothing_else(hook: dict[str, str]) -> None:
    pattern = re.compile(hook["files"])
    assert all(pattern.search(f"fonts/A{suffix}") for suffix in FONT_SUFFIXES)
    assert pattern.search("A.TTF")
    assert not any(pattern.search(name) for name in ("ttf.py", "A.ttf.md", "A.ufo/layerinfo.plist"))


def test_the_hook_fails_a_commit_with_a_broken_glyph_only(
    hook: dict[str, str], font_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "Good.ttf").write_bytes((font_dir / "sans.ttf").read_bytes())
    (tmp_path / "Empty.ttf").write_bytes(edited(font_dir / "sans.ttf", emptied("z")))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for font, code in (("Good.ttf", 0), ("Empty.ttf", 1)):
        done = subprocess.run(
            [*shlex.split(hook["entry"]), font], cwd=tmp_path, env={**os.environ, "PATH": path},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
