from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def _run(module: str, *arguments: str | Path) -> dict:
    command = [sys.executable, "-m", module, *map(str, arguments), "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_stage_of_scoring_is_measured_beside_the_bare_model(font_dir: Path) -> None:
    figures = _run("benchmarks.fonts.speed", font_dir / "mono.otf", "--repeats", 1)
    assert figures["rasters"] > 80
    seconds = figures["seconds"]
    assert seconds["cold, reports included"] > seconds["warm, no reports"] > 0
    assert seconds["warm, no reports"] > seconds["warm, recognition alone"]
    assert 0.1 < figures["recognition beside the bare model"] < 10
    assert figures["peak MiB of the largest process"] > 50
