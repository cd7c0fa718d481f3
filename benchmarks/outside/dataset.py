"""The dataset of the outside test: the one that was trained on, and the families from elsewhere as its test.

All that was there trains, be it a family that validates or tests otherwise: what shares outlines with any of
them is not asked about, nor what draws nearly alike (`benchmarks.glyphs.leaks`). Of families from elsewhere
that share outlines with one another, dozens at times, one is asked about.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from glyphs.dataset.build import Progress, build
from glyphs.dataset.store import Dataset
from glyphs.errors import BadDataset
from glyphs.splits import Split, clusters


def outside_dataset(fonts: Path, inside: Path, out: Path) -> Iterator[Progress]:
    """Read fonts into a copy of a dataset, `out`, yielding after each file.

    Raises:
        BadDataset: `inside` is none that is finished, `out` is there already, or no font can be used.
    """
    with Dataset.open(inside) as dataset:
        known = {name for _, name, _, _ in dataset.families()}
    if out.exists():
        raise BadDataset(f"{out} is there already.", "Choose another place, or remove it.")
    unfinished = out.with_name(f".{out.name}.unfinished")
    shutil.copyfile(inside, unfinished)
    try:
        yield from build([fonts], unfinished)
        with Dataset.create(unfinished) as dataset, dataset.transaction():
            splits, siblings = judged(clusters(dataset.shapes_by_family()), known)
            reasons = {name: reason for _, name, _, reason in dataset.families() if reason is not None}
            dataset.set_splits(splits)
            dataset.exclude(siblings | reasons)
            dataset.set_meta("digest", dataset.content_digest())
        unfinished.rename(out)
    finally:
        unfinished.unlink(missing_ok=True)


def judged(groups: Iterable[list[str]], known: set[str]) -> tuple[dict[str, Split], dict[str, str]]:
    """Of families that share outlines: the split of each, and why some are set aside."""
    splits, siblings = dict[str, Split](), dict[str, str]()
    for group in groups:
        if known.intersection(group):
            splits |= dict.fromkeys(group, Split.TRAIN)
            continue
        first, *others = group
        splits |= dict.fromkeys(group, Split.TEST)
        siblings |= dict.fromkeys(others, f"shares outlines with {first}")
    return splits, siblings
