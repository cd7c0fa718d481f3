from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from glyphs.dataset.store import Dataset
from glyphs.errors import BadInput
from training.checkpoint import load_checkpoint
from training.config import TINY
from training.fit import train


def test_a_run_leaves_its_configuration_figures_and_checkpoints(tiny_run: Path) -> None:
    assert json.loads((tiny_run / "run.json").read_text())["config"]["batch"] == TINY.batch
    lines = [json.loads(line) for line in (tiny_run / "metrics.jsonl").read_text().splitlines()]
    assert any("val_top1" in line for line in lines)
    assert {file.name for file in (tiny_run / "checkpoints").iterdir()} >= {
        "best.ckpt", "last.ckpt", "epoch-000.ckpt", "epoch-001.ckpt"
    }  # fmt: skip


def test_a_resumed_run_ends_with_the_weights_of_one_that_never_stopped(
    tiny_run: Path, small_dataset: Dataset, tmp_path: Path
) -> None:
    killed = tmp_path / "killed"
    (killed / "checkpoints").mkdir(parents=True)
    shutil.copy(tiny_run / "run.json", killed)
    shutil.copy(tiny_run / "checkpoints" / "epoch-000.ckpt", killed / "checkpoints" / "last.ckpt")
    train(small_dataset.path, killed, TINY, progress=False)
    whole = torch.load(tiny_run / "checkpoints" / "last.ckpt", weights_only=True)
    resumed = torch.load(killed / "checkpoints" / "last.ckpt", weights_only=True)
    assert whole["global_step"] == resumed["global_step"] == 4
    for name, tensor in whole["state_dict"].items():
        assert torch.equal(tensor, resumed["state_dict"][name]), name


def test_a_folder_of_another_run_is_left_alone(tiny_run: Path, small_dataset: Dataset) -> None:
    with pytest.raises(BadInput, match="another configuration"):
        train(small_dataset.path, tiny_run, replace(TINY, seed=1), progress=False)


def test_a_checkpoint_alone_with_its_run_gives_the_model_back(tiny_run: Path) -> None:
    trained = load_checkpoint(tiny_run)
    assert trained.config == TINY
    assert trained.model.classifier.out_features == len(trained.vocabulary.labels)
    assert not trained.model.training
