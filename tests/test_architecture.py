from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    "floor", ["glyphs.picture", "recognition.recogniser", "index.build", "service.run", "glyphery.cli"]
)
def test_serving_never_loads_torch(floor: str) -> None:
    heavy = "torch", "lightning", "training", "onnx"
    code = f"import sys, {floor}; print([m for m in {heavy!r} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_evaluation_and_export_load_no_lightning() -> None:
    code = "import sys, training.evaluation, export.bundle; print('lightning' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


def test_imports_go_down_the_floors_only() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_dependency_has_its_reason_in_the_architecture() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    table = (ROOT / "ARCHITECTURE.md").read_text().partition("## Dependencies")[2]
    extras = project["optional-dependencies"].values()
    wanted = [*project["dependencies"], *(requirement for extra in extras for requirement in extra)]
    names = {re.split(r"[\[<>=~! ]", requirement)[0] for requirement in wanted}
    assert {name for name in names if name not in table} == set()


def test_no_committed_file_names_this_or_that_machine() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if path.suffix in {".py", ".md", ".toml", ".json", ".tsv", ".txt", ".yml", ""} and path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            assert not re.search(r"/(home|root)/\w", text), name
