"""Which format a path holds."""

from __future__ import annotations

from pathlib import Path

from glyphs.errors import BadDataset
from training.data.emnist import emnist_splits, open_emnist
from training.data.glyphs import GlyphSource
from training.data.images import open_images
from training.data.rasters import open_rasters
from training.data.source import Source


def open_source(path: Path, *, colour: bool = False) -> Source:
    """Open glyphs: a dataset file, EMNIST's files, rasters with `chars.csv`, or images by class.

    EMNIST is asked for by folder and split, `emnist/byclass`; the folder alone will do where it
    holds one split. chars.csv is in the folder of rasters or beside it. Images by class are read
    as ink unless `colour` is asked for, which nothing else has.

    Raises:
        BadDataset: there is nothing there that can be read, or it has no colours.
    """
    if path.is_file():
        if path.suffix == ".json":
            return open_images(path, colour=colour)
        _ink_alone(path, colour)
        return GlyphSource.open(path)
    folder, split = (path, "") if path.is_dir() else (path.parent, path.name)
    if emnist_splits(folder):
        _ink_alone(path, colour)
        return open_emnist(folder, split)
    if not path.is_dir():
        raise BadDataset(f"There is nothing at {path}.", "Make a dataset with `glyphery dataset build`.")
    for chars in (path / "chars.csv", path.parent / "chars.csv"):
        if chars.is_file():
            _ink_alone(path, colour)
            return open_rasters(path, chars)
    return open_images(path, colour=colour)


def _ink_alone(path: Path, colour: bool) -> None:
    if colour:
        raise BadDataset(f"{path} holds ink, no colours.", "Train on it with channels=1.")
