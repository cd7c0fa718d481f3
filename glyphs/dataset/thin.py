"""A smaller dataset, to carry to a machine that trains: fewer styles, rarer labels left out, no test.

A font system has dozens of styles of one letter; the next family teaches more than the next
style. Test families stay behind, so that whoever trains far away cannot even look at them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from glyphs.dataset.store import Dataset, GlyphTable
from glyphs.errors import BadDataset
from glyphs.labels import Label
from glyphs.splits import Split


def thin(
    dataset: Dataset,
    out: Path,
    *,
    families: int = 15,
    labels: Sequence[Label] | None = None,
    styles: int = 1,
    validation: int = 20_000,
    seed: int = 0,
) -> int:
    """Write `out`; returns how many glyphs it holds.

    families: labels that fewer training families have are left out
    labels: keep these alone, for a model that is to go on with what it knows; None for all
    styles: glyphs kept of one label in one training family, drawn at random
    validation: validation glyphs kept, drawn at random from those that no training family has

    Raises:
        BadDataset: nothing is left, or `out` cannot be written.
    """
    training = dataset.table(Split.TRAIN)
    pairs = np.unique(np.stack([training.label, training.family], axis=1), axis=0)
    common = np.bincount(pairs[:, 0], minlength=max(dataset.labels(), default=0) + 1) >= families
    if labels is not None:
        common &= dataset.places(labels) >= 0
    training = training.take(common[training.label])
    if not len(training):
        wanted = "No label" if labels is None else "None of those labels"
        raise BadDataset(f"{wanted} of {dataset.path} is in {families} training families.", "Ask for fewer.")
    training = training.some(styles, "label", "family", seed=seed)
    unseen = dataset.table(Split.VALIDATION)
    unseen = unseen.take(common[unseen.label])
    unseen = unseen.take(np.random.default_rng(seed).permutation(len(unseen))[:validation])
    both = GlyphTable(
        *(
            np.concatenate([getattr(part, name) for part in (training, unseen)])
            for name in GlyphTable.__slots__
        )
    )
    dataset.copy(out, both)
    return len(both)
