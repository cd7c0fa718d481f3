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


def test_fonts_of_later_releases_come_from_private_sources(tmp_path: Path) -> None:
    """With an apt-get that writes down what it is asked and downloads empty packages."""
    (tmp_path / "list.txt").write_text(
        "# fonts\nfonts-one\nfonts-two/forky\nfonts-three\nfonts-four/trixie\n"
    )
    apt = tmp_path / "apt-get"
    apt.write_text(
        f"""#!/usr/bin/env bash
echo "$*" >> {tmp_path}/asked
case " $* " in
  *" indextargets "*) echo http://mirror.example/debian/ ;;
  *" update "*) cat "${{2#Dir::Etc::SourceList=}}" >> {tmp_path}/sources ;;
  *" download "*) touch "${{@: -1}}_1_all.deb" ;;
esac
"""
    )
    apt.chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run(["scripts/fonts.sh", tmp_path / "list.txt"], cwd=ROOT, env=environment, check=True)
    first, *_, last = (tmp_path / "asked").read_text().splitlines()
    assert first == "install --yes --no-install-recommends fonts-one fonts-three"
    assert (tmp_path / "sources").read_text().splitlines() == [
        "deb http://mirror.example/debian/ forky main",
        "deb http://mirror.example/debian/ trixie main",
    ]
    assert [Path(name).name for name in last.split()[3:]] == ["fonts-four_1_all.deb", "fonts-two_1_all.deb"]

    apt.write_text("#!/bin/sh\nexit 0\n")  # one that knows no mirror
    refused = subprocess.run(
        ["scripts/fonts.sh", tmp_path / "list.txt"], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert refused.returncode == 1
    assert "apt-get update" in refused.stderr
