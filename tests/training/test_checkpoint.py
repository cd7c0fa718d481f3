from __future__ import annotations

from pathlib import Path

import pytest
import torch

from glyphs.errors import BadCheckpoint
from training.checkpoint import load_checkpoint


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"e", b"PK\x03\x04 truncated archive"])
def test_what_is_no_checkpoint_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "bad.ckpt"
    file.write_bytes(content)
    with pytest.raises(BadCheckpoint) as refused:
        load_checkpoint(file)
    assert str(refused.value) == f"{file} is no usable checkpoint: torch cannot read it."


@pytest.mark.parametrize("content", [{"state_dict": {}}, [1], torch.zeros(2), {"glyphery": []}])
def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path, content: object) -> None:
    file = tmp_path / "other.ckpt"
    torch.save(content, file)
    with pytest.raises(BadCheckpoint) as refused:
        load_checkpoint(file)
    assert "\n" not in str(refused.value)


def test_a_checkpoint_whose_weights_are_no_numbers_is_refused(tiny_run: Path, tmp_path: Path) -> None:
    content = torch.load(tiny_run / "checkpoints" / "best.ckpt", weights_only=True)
    content["state_dict"]["model.classifier.bias"][0] = torch.nan
    torch.save(content, tmp_path / "lost.ckpt")
    with pytest.raises(BadCheckpoint, match="no finite numbers"):
        load_checkpoint(tmp_path / "lost.ckpt")


def test_a_missing_checkpoint_names_the_verb_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(BadCheckpoint, match="glyphery train"):
        load_checkpoint(tmp_path)
