from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scoring.verdicts import CHECKS
from tests.scoring.conftest import edited, emptied


def test_without_fontbakery_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['fontbakery'] = None; import glyphery.profile"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "glyphery.profile is for fontbakery" in done.stderr
    assert done.stderr.rstrip().endswith("pip install fontbakery")


def test_fontbakery_finds_the_checks_and_what_they_find(font_dir: Path, tmp_path: Path) -> None:
    pytest.importorskip("fontbakery", reason="it wants another freetype-py than Glyphery: docs/CI.md")
    (tmp_path / "Good.ttf").write_bytes((font_dir / "sans.ttf").read_bytes())
    (tmp_path / "Empty.ttf").write_bytes(edited(font_dir / "sans.ttf", emptied("z")))
    told = tmp_path / "told.json"
    # Fonts before options: its -c, -l and the like would swallow them.
    command = [sys.executable, "-m", "fontbakery", "check-profile", "glyphery.profile"]
    command += [str(tmp_path / "Good.ttf"), str(tmp_path / "Empty.ttf")]
    command += ["--json", str(told), "--quiet", "--loglevel", "PASS"]
    assert subprocess.run(command, check=False).returncode == 1
    results = [check for section in json.loads(told.read_text())["sections"] for check in section["checks"]]
    found = {
        (Path(check["filename"]).name, check["key"][1].strip("<>").partition(":")[2]): check["result"]
        for check in results
    }
    assert set(found) == {
        (font, f"glyphery/{check}") for font in ("Good.ttf", "Empty.ttf") for check in CHECKS
    }
    assert {key for key, result in found.items() if result == "FAIL"} == {("Empty.ttf", "glyphery/empty")}
