"""Data for training and evaluation: `open_source(path)` for any format.

Evaluation and export load no Lightning, so its data module stays in `training.data.module`.
"""

from training.data.formats import open_source
from training.data.samples import Batch
from training.data.source import Class, Drawable, Source, Vocabulary, check_names, classes

__all__ = ["Batch", "Class", "Drawable", "Source", "Vocabulary", "check_names", "classes", "open_source"]
