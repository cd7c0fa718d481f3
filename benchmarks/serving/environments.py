"""A virtual environment for each peer, made by `venv` and pip with pinned versions, once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from benchmarks.serving.servers import NotMeasured

_INSTALLED = "installed.txt"
# What reading a bundle and a picture takes, in the versions that Glyphery itself is measured with.
_OURS = ("numpy", "pillow", "onnxruntime", "freetype-py", "fonttools")


def requirements(of_peer: Sequence[str]) -> list[str]:
    return [*(f"{name}=={version(name)}" for name in _OURS), *of_peer]


def install(folder: Path, of_peer: Sequence[str]) -> Path:
    """The environment's Python, with everything installed.

    Raises:
        NotMeasured: pip found no way.
    """
    wanted = requirements(of_peer)
    python, stamp = folder / "bin" / "python", folder / _INSTALLED
    if stamp.exists() and stamp.read_text().split() == wanted:
        return python
    # The interpreter itself, not a link into this environment.
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise NotMeasured(f"It could not be installed: {(errors or ['pip failed'])[-1][:200]}")
    stamp.write_text("\n".join(wanted))
    return python
