from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from glyphs.folders import is_full
from training.folder import Checkpoints, JsonLines


def test_where_a_disk_is_full_the_checkpoint_that_was_there_stays(small_disk: Path) -> None:
    file = small_disk / "checkpoints" / "last.ckpt"
    Checkpoints().save_checkpoint({"weights": torch.ones(2**16)}, file)
    with pytest.raises(OSError, match="No space") as failed:
        Checkpoints().save_checkpoint({"weights": torch.zeros(2**21)}, file)
    assert is_full(failed.value)
    assert torch.load(file, weights_only=True)["weights"].all()
    assert [path.name for path in file.parent.iterdir()] == ["last.ckpt"]


def test_figures_begin_a_new_line_where_the_last_one_broke_off(tmp_path: Path) -> None:
    log = tmp_path / "metrics.jsonl"
    log.write_text('{"step": 1}\n{"step": 2, "lo')
    for step in (3, 4):
        JsonLines(log).log_metrics({"loss": 0.5}, step)
    first, broken, *lines = log.read_text().splitlines()
    assert (json.loads(first), broken) == ({"step": 1}, '{"step": 2, "lo')
    assert [json.loads(line)["step"] for line in lines] == [3, 4]
