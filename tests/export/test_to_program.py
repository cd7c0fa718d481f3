from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
import torch

from export.to_program import to_program
from training.checkpoint import load_checkpoint


def test_a_program_answers_as_the_model_does(tiny_run: Path, tmp_path: Path) -> None:
    trained = load_checkpoint(tiny_run)
    to_program(trained.model, tmp_path / "new" / "model.pt2", size=trained.config.size)
    program = torch.export.load(tmp_path / "new" / "model.pt2").module()
    image = torch.randint(0, 256, (3, 1, trained.config.size, trained.config.size), dtype=torch.uint8)
    metrics = torch.tensor([[0.5, 0.5, 0.0, 0.6], [torch.nan] * 4, [0.1, torch.nan, 0.2, 0.3]])
    with torch.no_grad():
        ours, theirs = program(image, metrics), trained.model.eval()(image, metrics)
    assert torch.allclose(ours["logits"], theirs["logits"], atol=1e-3)
    assert torch.allclose(ours["embedding"], theirs["embedding"], atol=1e-4)
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["model.pt2"]


def test_a_full_disk_leaves_nothing_of_a_program(tiny_run: Path, small_disk: Path) -> None:
    trained = load_checkpoint(tiny_run)
    with (small_disk / "fill").open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass
    with pytest.raises(OSError, match="No space"):
        to_program(trained.model, small_disk / "model.pt2", size=trained.config.size)
    assert [file.name for file in small_disk.iterdir()] == ["fill"]
