from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def _run(module: str, *arguments: str | Path) -> dict:
    command = [sys.executable, "-m", module, *map(str, arguments), "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_stage_of_scoring_is_measured_beside_the_bare_model(font_dir: Path) -> None:
    figures = _run("benchmarks.fonts.speed", font_dir / "mono.otf", "--repeats", 1)
    assert figures["rasters"] > 80
    stages = {"cold, reports included", "warm, reports included", "warm, no reports"}
    stages |= {"warm, recognition alone", "judging alone", "reading and drawing alone"}
    assert stages < set(figures["seconds"])
    assert {f"bare model, 1 thread(s), {batch} at once" for batch in (32, 64, 128)} < set(figures["seconds"])
    assert all(math.isfinite(taken) and taken > 0 for taken in figures["seconds"].values())
    best = min(taken for name, taken in figures["seconds"].items() if name.startswith("bare model"))
    alone = figures["seconds"]["warm, recognition alone"]
    assert figures["recognition beside the bare model"] == pytest.approx(best / alone)
    assert figures["peak MiB of the largest process"] > 50
