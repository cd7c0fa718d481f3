"""A folder of rasters with its `chars.csv`, as `glyphery dataset import` reads it, opened in place."""

from __future__ import annotations

from pathlib import Path

from glyphs.dataset.folder import RASTER_SUFFIXES, family_and_label, read_chars
from glyphs.errors import BadLabel, BadPicture
from glyphs.splits import assign
from training.data.files import Listed, name_within, open_files
from training.data.pictures import PictureSource


def open_rasters(folder: Path, chars: Path) -> PictureSource:
    """Open rasters whose names or folders are labels of `chars`; the split is by family.

    Raises:
        BadDataset: chars.csv is wrong, or fewer than two labels have rasters that can be read.
    """
    labels = read_chars(chars)
    root = folder.resolve()
    found, rejected = [], []
    for file in sorted(folder.rglob("*")):
        if file.suffix.lower() in RASTER_SUFFIXES:
            try:
                name = name_within(root, file)
                family, text = family_and_label(file, labels)
                found.append((name, labels[text], family or name))
            except (BadLabel, BadPicture) as error:
                rejected.append((file.relative_to(folder).as_posix(), error.message))
    splits = assign([family] for family in sorted({family for _, _, family in found}))
    listed = [Listed(name, label, family, splits[family]) for name, label, family in found]
    return open_files(folder, root, listed, rejected, called={}, colour=False)
