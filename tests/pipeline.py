"""Fixtures that run the pipeline once a session on the small dataset: run, export, bundle.

Training and export are imported inside, so that tests of the other floors do not load torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from glyphs.dataset.store import Dataset
from recognition.bundle import Bundle, seal

if TYPE_CHECKING:
    from export.bundle import Parity


@pytest.fixture(scope="session")
def one_thread() -> Iterator[None]:
    """Sums come out bit for bit only with as many threads; and at these sizes one is the quickest."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny_run(one_thread: None, small_dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of four steps: everything turns, nothing is learned."""
    from training.fit import train
    from training.presets import TINY

    run = tmp_path_factory.mktemp("run")
    train(small_dataset.path, run, TINY, progress=False)
    return run


@pytest.fixture(scope="session")
def tiny_export(
    tiny_run: Path, small_dataset: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Parity]:
    from export.bundle import export_bundle
    from training.checkpoint import load_checkpoint

    out = tmp_path_factory.mktemp("export") / "bundle"
    return out, export_bundle(load_checkpoint(tiny_run), small_dataset.path, out)


@pytest.fixture(scope="session")
def tiny_bundle(tiny_export: tuple[Path, Parity], small_dataset: Dataset) -> Bundle:
    """The export with an index."""
    from index.build import IndexBuilder
    from recognition.recogniser import Recogniser

    path, _ = tiny_export
    bundle = Bundle.load(path)
    recogniser = Recogniser(bundle)
    builder = IndexBuilder(small_dataset, bundle.labels, per_label=1, settings=bundle.manifest.raster)
    for _ in builder.run(lambda rasters, metrics: recogniser.answer(rasters, metrics).embeddings):
        pass
    assert builder.index is not None
    builder.index.save(path)
    seal(path, bundle.manifest)
    return Bundle.load(path)
