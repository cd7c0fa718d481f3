"""Data for training and evaluation: `open_source(path)` for any format, `GlyphData` for Lightning."""

from training.data.formats import open_source
from training.data.module import GlyphData
from training.data.samples import Batch
from training.data.source import Drawable, Source, Vocabulary

__all__ = ["Batch", "Drawable", "GlyphData", "Source", "Vocabulary", "open_source"]
