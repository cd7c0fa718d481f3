"""The notebook runs from top to bottom, at tiny size, in a kernel of its own."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parent.parent / "notebooks" / "glyphery.ipynb"


def test_the_notebook_trains_and_shows_predictions_and_primitives(
    font_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLYPHERY_FONTS", str(font_dir))
    monkeypatch.setenv("GLYPHERY_WORK", str(tmp_path / "work"))
    monkeypatch.setenv("GLYPHERY_SAMPLES", "256")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(NOTEBOOK.parent)}}).execute()
    drawn = [
        index
        for index, cell in enumerate(notebook.cells)
        if any("image/png" in output.get("data", {}) for output in cell.get("outputs", []))
    ]
    assert len(drawn) == 4  # glyphs, curves, answers, primitives
    assert (tmp_path / "work" / "run" / "checkpoints" / "best.ckpt").exists()


def test_the_notebook_is_committed_without_outputs() -> None:
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    assert not any(cell.get("outputs") for cell in cells)
