"""`python -m benchmarks.fonts.quantiles OLD NEW`: where scoring's thresholds go when the model changes.

Doubt is measured in a model's own terms, so a threshold that was chosen with one bundle means something else
with the next. Both score the same published faces of training families, and each threshold of doubt moves to
where as many of their glyphs lie on either side as before; `distinct` to where as many pairs of labels do.
Held-out families are not asked: a threshold is then weighed on validation (`python -m benchmarks.fonts`).
"""

from __future__ import annotations

import sqlite3
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks.fonts.choice import spread
from benchmarks.fonts.freeze import rank
from benchmarks.tables import Table
from glyphery import show
from glyphs.dataset.build import find_fonts
from glyphs.errors import BadInput, GlypheryError
from glyphs.processes import affinity
from glyphs.splits import Split
from recognition.bundle import Bundle
from scoring.judge import Thresholds
from scoring.local import Setup, score_all
from scoring.mapper import doubt
from scoring.verdicts import FontScore

MOVED = ("fail", "strange", "supported", "warn", "usual", "suspicious", "upright", "plain")  # doubts
FAMILIES = 220
_PAIRS = 2_000_000  # of labels, drawn at random
Doubts = dict[tuple[str, int, int], float]  # by font, face and claim


def training_faces(dataset: Path, fonts: Path, families: int = FAMILIES) -> list[Path]:
    """A font of each of so many training families, spread over their names; of each the most regular style.

    Raises:
        BadInput: none of them is below the folder of fonts.
    """
    places = {path.name: path for path in find_fonts([fonts])}
    files: dict[str, list[tuple[int, str]]] = defaultdict(list)
    with closing(sqlite3.connect(f"file:{dataset}?mode=ro", uri=True)) as database:
        rows = database.execute(
            "SELECT name, file, style FROM fonts JOIN families ON families.id = fonts.family"
            " WHERE split = ? AND excluded IS NULL AND face = 0 AND instance = 0",
            (Split.TRAIN,),
        )
        for family, file, style in rows:
            if file in places:
                files[family].append((rank(style), file))
    if not files:
        raise BadInput(f"No font of a training family is below {fonts}.", "`make fonts` installs them.")
    return [places[min(files[family])[1]] for family in spread(sorted(files), families)]


def doubts(scores: Iterable[FontScore]) -> Doubts:
    """What the model doubts of glyphs as they were published."""
    return {
        (score.sha256, face.face, number): doubt(verdict.margin, verdict.likeness)
        for score in scores
        for face in score.faces
        for number, verdict in enumerate(face.glyphs)
        if verdict.margin is not None and verdict.likeness is not None
    }


def _doubts_of(faces: Sequence[Path], bundle: Bundle) -> Doubts:
    title = f"Scoring with {bundle.manifest.name} {bundle.manifest.version}"
    with show.bar(title, len(faces)) as advance:

        def scores() -> Iterator[FontScore]:
            for score in score_all(faces, Setup(bundle.path), affinity()):
                yield score
                advance(1)

        return doubts(scores())


def moved(threshold: float, before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    """Where as large a share of `after` lies below as of `before` did below the threshold."""
    return float(np.quantile(after, float((before < threshold).mean())))


def likenesses(prototypes: Sequence[NDArray[np.floating]], seed: int = 0) -> Iterator[NDArray[np.float64]]:
    """For each bundle's (L, E) prototypes, cosines of the same pairs of different labels, drawn at random."""
    rng = np.random.default_rng(seed)
    labels = min(len(of) for of in prototypes)
    first = rng.integers(labels, size=_PAIRS)
    second = (first + rng.integers(1, labels, size=_PAIRS)) % labels
    for of in prototypes:
        yield np.einsum("pe,pe->p", of[first], of[second]).astype(np.float64)


def _main(
    old: Annotated[Path, typer.Argument(help="The bundle that the thresholds were chosen with.")],
    new: Annotated[Path, typer.Argument(help="The bundle that they are to serve.")],
    dataset: Annotated[Path, typer.Option(help="A finished dataset.")] = Path("runs/glyphs.db"),
    fonts: Annotated[Path, typer.Option(help="Folder in which the fonts are.")] = Path("/usr/share/fonts"),
    families: Annotated[int, typer.Option(help="Training families whose fonts are scored.")] = FAMILIES,
) -> None:
    """Say where scoring's thresholds of doubt go, for scoring/judge.py."""
    try:
        bundles = [Bundle.load(path) for path in (old, new)]
        if bundles[0].labels != bundles[1].labels:
            raise BadInput("The two bundles know different labels.", "Compare bundles of the same labels.")
        faces = training_faces(dataset, fonts, families)
        before_all, after_all = (_doubts_of(faces, bundle) for bundle in bundles)
    except GlypheryError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(error.exit_code) from None
    both = sorted(before_all.keys() & after_all.keys())
    before, after = (np.array([of[key] for key in both]) for of in (before_all, after_all))
    limits = Thresholds()
    rows = [
        (name, f"{getattr(limits, name):g}", f"{moved(getattr(limits, name), before, after):.2f}")
        for name in MOVED
    ]
    pairs = list(likenesses([bundle.prototypes for bundle in bundles]))
    rows.append(("distinct", f"{limits.distinct:g}", f"{moved(limits.distinct, *pairs):.3f}"))
    table = Table(
        f"{len(both):,} glyphs of {len(faces)} fonts of training families", ("threshold", "now", "then"), rows
    )
    show.table(table.title, table.columns, table.rows)


if __name__ == "__main__":
    typer.run(_main)
