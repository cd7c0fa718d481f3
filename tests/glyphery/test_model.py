from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from glyphs.dataset.store import Dataset
from recognition.bundle import Bundle

Ask = Callable[..., subprocess.CompletedProcess[str]]


def run(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from glyphery.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, timeout=300)


def test_the_resolved_configuration_is_shown_with_flags_and_fields_applied(ask: Ask) -> None:
    done = ask(
        "train", "--preset", "emnist", "--model", "vit_tiny", "--set", "losses.smoothing=0.2", "--limit", 500,
        "--drop-singletons", "--min-label-count", 1, "--show",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    config = json.loads(done.stdout)
    assert config["model"] == "vit_tiny"
    assert config["losses"]["smoothing"] == 0.2
    assert config["limit"] == 500
    assert config["min_count"] == 2
    assert config["size"] == 32


def test_presets_are_listed_with_their_arithmetic(ask: Ask) -> None:
    presets = json.loads(ask("train", "--presets", "--json").stdout)
    default = next(preset for preset in presets if preset["name"] == "default")
    assert default["samples"] == default["steps"] * 512
    assert 0.5 < default["hours on two cores"] < 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--preset", "huge"), "huge"),
        (("--set", "samples"), "field=value"),
        (("--set", "losses.colour=1"), "losses.colour"),
        (("--model", "resnet"), "resnet"),
        (("--set", "distillation.teacher=nowhere"), "nowhere"),
        (("--set", "batch=1"), "pairs"),
        (("--set", "min_families=1000"), "min_families"),
        (("--set", "channels=3"), "channels=1"),
    ],
)
def test_a_mistaken_run_gets_one_line_and_leaves_nothing(
    arguments: tuple[str, ...], said: str, small_dataset: Dataset, tmp_path: Path, ask: Ask
) -> None:
    done = ask("train", "--dataset", small_dataset.path, "--out", "runs/mine", *arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_places_that_cannot_be_written_are_refused_before_anything_is_read(
    tiny_run: Path, tmp_path: Path, ask: Ask
) -> None:
    (tmp_path / "file").write_text("precious")
    (tmp_path / "folder.png").mkdir()
    for arguments in (
        ("train", "--preset", "tiny", "--out", "file/run"),
        ("train", "--preset", "tiny", "--find-rate", "file/rate.png"),
        ("train", "--preset", "tiny", "--find-rate", "folder.png"),
        ("export", tiny_run, "--program", "file/model.pt2"),
    ):
        done = ask(*arguments, "--dataset", "nowhere.db", cwd=tmp_path)
        assert done.returncode == 2, done.stderr
        assert f"{arguments[-1]} cannot be written" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.png"]


def test_a_small_model_learns_from_the_answers_of_a_run(
    tiny_run: Path, small_dataset: Dataset, tmp_path: Path
) -> None:
    done = run(
        "train", "--dataset", small_dataset.path, "--out", tmp_path / "pupil", "--preset", "tiny",
        "--model", "unified_mlp", "--set", f"distillation.teacher={tiny_run}",
        "--set", "distillation.weight=0:0.5", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert Path(json.loads(done.stdout)["checkpoint"]).exists()


def test_a_bundle_is_calibrated_in_a_word_and_nothing_else(
    tiny_bundle: Bundle, small_dataset: Dataset, tmp_path: Path
) -> None:
    wrong = run("export", tiny_bundle.path, "--calibrate", "--precision", "int8", cwd=tmp_path)
    assert wrong.returncode == 2, wrong.stderr
    assert "--calibrate alone" in wrong.stderr
    data = ("--dataset", small_dataset.path)
    done = run("export", tiny_bundle.path, "--calibrate", *data, "--out", "mine", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "mine (fp32): temperature" in done.stdout
    assert Bundle.load(tmp_path / "mine").labels == tiny_bundle.labels


def test_a_bundle_is_made_broad_in_a_word_and_once(
    tiny_bundle: Bundle, small_dataset: Dataset, tmp_path: Path
) -> None:
    wrong = run("export", tiny_bundle.path, "--broaden", "--compact", cwd=tmp_path)
    assert wrong.returncode == 2, wrong.stderr
    assert "--broaden alone" in wrong.stderr
    data = ("--dataset", small_dataset.path)
    done = run("export", tiny_bundle.path, "--broaden", *data, "--out", "broad", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "labels never learned (before: " in done.stdout
    again = run("export", "broad", "--broaden", *data, "--out", "broader", cwd=tmp_path)
    assert again.returncode == 2, again.stderr
    assert "broad already" in again.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["broad"]


def test_a_bundle_is_exported_again_only_in_another_precision(tmp_path: Path, ask: Ask) -> None:
    done = ask("export", Path("bundles/levit_128s").resolve(), "--out", "bundle", cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "--precision" in done.stderr
    assert not list(tmp_path.iterdir())
