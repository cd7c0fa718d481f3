"""The script for lent machines, on this one: a thin dataset goes in, a checkpoint in pieces comes out."""

from __future__ import annotations

import lzma
import os
import subprocess
import sys
from pathlib import Path

import torch

from glyphs.dataset.store import Dataset
from glyphs.dataset.thin import thin
from training.checkpoint import load_checkpoint

ROOT = Path(__file__).parents[1]


def test_a_checkpoint_comes_back_from_a_lent_machine(small_dataset: Dataset, tmp_path: Path) -> None:
    thin(small_dataset, tmp_path / "thin.db", families=1)
    (tmp_path / "thin.db.xz").write_bytes(lzma.compress((tmp_path / "thin.db").read_bytes()))
    (tmp_path / "thin.db").unlink()
    out = tmp_path / "results"
    environment = {
        "DATA": str(tmp_path / "thin.db"), "RUN": str(tmp_path / "run"), "OUT": str(out),
        "PYTHON": sys.executable, "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    subprocess.run(
        ["scripts/train-on-lent-gpu.sh", "300", "--preset", "tiny"],
        cwd=ROOT, env=os.environ | environment, check=True, capture_output=True,
    )  # fmt: skip
    pieces = sorted(out.glob("run.ckpt.*"))
    assert all(piece.stat().st_size <= 15 << 20 for piece in pieces)
    back = tmp_path / "back.ckpt"
    back.write_bytes(b"".join(piece.read_bytes() for piece in pieces))
    ours, theirs = load_checkpoint(back), load_checkpoint(tmp_path / "run" / "checkpoints" / "last.ckpt")
    assert ours.samples == theirs.samples > 0
    for one, other in zip(ours.model.parameters(), theirs.model.parameters(), strict=True):
        assert torch.allclose(one, other, rtol=2**-11, atol=1e-7)
    assert (out / "run.jsonl").read_text()
    assert (out / "run.json").read_text()
