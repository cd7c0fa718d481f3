"""`evaluate` and `compare` as a person meets them: each test runs the installed program."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from recognition.bundle import Bundle

Ask = Callable[..., subprocess.CompletedProcess[str]]


def run(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("glyphery")
    return subprocess.run(
        [program, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=300, check=False
    )


def test_an_ensemble_is_measured_on_moved_copies_and_reported(
    tiny_run: Path, tiny_bundle: Bundle, dataset_file: Path, tmp_path: Path
) -> None:
    done = run(
        "evaluate", tiny_run, tiny_bundle.path, "--dataset", dataset_file, "--split", "test", "--limit", 40,
        "--tta", 2, "--out", "report", "--json", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["glyphs"] == 40
    assert "retrieval_top10" not in figures
    written = json.loads((tmp_path / "report" / "metrics.json").read_text())
    assert written["separation"] == figures["separation"]
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert "2 copies" in page
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_models_are_compared_in_a_table_and_a_folder(
    tiny_run: Path, tiny_bundle: Bundle, dataset_file: Path, tmp_path: Path
) -> None:
    done = run(
        "compare", tiny_run, tiny_bundle.path, "--dataset", dataset_file, "--split", "test", "--limit", 40,
        "--out", "compared", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert tiny_run.name in done.stdout
    assert "glyphs/s, batch of 32" in done.stdout
    models = json.loads((tmp_path / "compared" / "metrics.json").read_text())["models"]
    assert models[0]["parameters"] == models[1]["parameters"] > 1_000_000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("compare", "nowhere"), "nowhere"),
        (("compare", "nowhere", "--split", "train"), "Choose validation or test"),
        (("evaluate", "one", "two", "--record"), "Leave --record out"),
        (("evaluate", "levit_128s", "--record"), "not changed in place"),
    ],
)
def test_a_mistake_gets_one_line_and_an_exit_code(
    arguments: tuple[str, ...], said: str, tmp_path: Path, ask: Ask
) -> None:
    done = ask(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert said in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_folder_of_other_classes_or_a_model_of_other_pictures_is_refused(tmp_path: Path) -> None:
    for folder, names in (("trained", ("elm", "oak")), ("asked", ("oak", "yew"))):
        for part in ("train", "validation"):
            for width, name in enumerate(names, 2):
                for number in range(4):
                    file = tmp_path / folder / part / name / f"{number}.png"
                    file.parent.mkdir(parents=True, exist_ok=True)
                    picture = Image.new("L", (32, 32), 255)
                    ImageDraw.Draw(picture).line((4, 4, 28, 20 + number), fill=0, width=width)
                    picture.save(file)
    tiny = (
        "--preset", "tiny", "--model", "residual_cnn", "--set", "size=32", "--set", "box=28",
        "--set", "batch=8", "--set", "samples=8", "--set", "epoch_samples=8",
    )  # fmt: skip
    trained = run("train", "--dataset", "trained", "--out", "run", *tiny, cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    right = run("evaluate", "run", "--dataset", "trained", "--json", cwd=tmp_path)
    assert json.loads(right.stdout)["labels"] == 2
    wrong = run("evaluate", "run", "--dataset", "asked", cwd=tmp_path)
    assert wrong.returncode == 2
    assert "'elm'" in wrong.stderr or "'oak'" in wrong.stderr
    assert wrong.stderr.count("\n") == 1

    colour = run(
        "train", "--dataset", "trained", "--out", "colour", *tiny, "--set", "channels=3", cwd=tmp_path
    )
    assert colour.returncode == 0, colour.stderr
    both = run("compare", "colour", "run", "--dataset", "trained", cwd=tmp_path)
    assert both.returncode == 2
    assert "others ink" in both.stderr
    assert both.stderr.count("\n") == 1
