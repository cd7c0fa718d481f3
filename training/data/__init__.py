"""Data for training and evaluation: `open_source(path)` for any format, `GlyphData` for Lightning."""

from training.data.formats import open_source
from training.data.module import GlyphData
from training.data.samples import Batch
from training.data.source import Class, Drawable, Source, Vocabulary, check_names, classes

__all__ = [
    "Batch", "Class", "Drawable", "GlyphData", "Source", "Vocabulary", "check_names", "classes",
    "open_source",
]  # fmt: skip
