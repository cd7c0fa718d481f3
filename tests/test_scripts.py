"""The script for lent machines, on this one: a thin dataset goes in, a bundle in pieces comes out."""

from __future__ import annotations

import json
import lzma
import os
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

from glyphs.dataset.store import Dataset
from glyphs.dataset.thin import thin
from recognition.bundle import Bundle

ROOT = Path(__file__).parents[1]


def test_a_bundle_comes_back_from_a_lent_machine(small_dataset: Dataset, tmp_path: Path) -> None:
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
    pieces = b"".join(piece.read_bytes() for piece in sorted(out.glob("bundle.tar.*")))
    with tarfile.open(fileobj=BytesIO(pieces)) as tar:
        tar.extractall(tmp_path / "back", filter="data")
    bundle = Bundle.load(tmp_path / "back" / "bundle")
    assert json.loads((out / "validation.json").read_text())["split"] == "validation"
    assert bundle.labels
    assert (out / "metrics.jsonl").read_text()
    assert all(piece.stat().st_size <= 15 << 20 for piece in out.iterdir())
