"""How often are letters read right that come out of documents, and what is each prior worth?

Labels are drawn as often as texts have them that nothing was counted over, each language weighing the same;
each is drawn from a font family of the split that has it, families by lot. Every glyph is asked with its
metrics and without, under each prior. Run: `python -m scripts.texts`, then `python -m benchmarks.text`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks.glyphs.asked import left_out
from benchmarks.tables import Table
from bundles import default_bundle
from glyphery import show
from glyphs.dataset.shapes import Shapes
from glyphs.dataset.store import Dataset, GlyphTable
from glyphs.labels import Label
from glyphs.splits import Split
from glyphs.text import occurrences, read_texts
from recognition.bundle import Bundle
from recognition.candidates import Candidates
from recognition.priors import Prior, log_prior
from recognition.recogniser import Recogniser

Places = NDArray[np.intp]
_BEST = 5


@dataclass(frozen=True, slots=True)
class Drawn:
    """Glyphs as a text has them.

    truth: (N,) the place of each one's label in the bundle
    asked: the share of the text's characters that could be drawn: the bundle knows their labels, and
        families of the split have them
    """

    table: GlyphTable
    truth: Places
    asked: float


@dataclass(frozen=True, slots=True)
class Figures:
    """Shares of the glyphs; bits: how many each label of the text costs under the prior alone."""

    top1: float
    top5: float
    equivalent: float
    bits: float

    @property
    def shares(self) -> tuple[float, float, float]:
        return self.top1, self.top5, self.equivalent


@dataclass(frozen=True, slots=True)
class Told:
    """rows: by whether metrics were given or unknown, and by prior"""

    languages: int
    asked: float
    rows: tuple[tuple[str, Prior, Figures], ...]


def draw_from(
    texts: list[str], table: GlyphTable, places: NDArray[np.int64], labels: tuple[Label, ...], glyphs: int
) -> Drawn:
    """places: of each glyph of the table, that of its label among `labels`, -1 where it is none of them."""
    lot = np.random.default_rng(0)
    shares = {one.label: one.share for one in occurrences([texts])}
    has = set(places.tolist())
    likely = np.array([shares.get(label, 0.0) * (place in has) for place, label in enumerate(labels)])
    asked = float(likely.sum())
    truth = lot.choice(len(labels), size=glyphs, p=likely / asked)
    rows = np.empty(glyphs, np.intp)
    for place in np.unique(truth):
        mine, those = np.flatnonzero(truth == place), np.flatnonzero(places == place)
        families = np.unique(table.family[those])
        for row, family in zip(mine, lot.choice(families, size=len(mine)), strict=True):
            rows[row] = lot.choice(those[table.family[those] == family])
    return Drawn(table.take(rows), truth, asked)


def figures(bundle: Bundle, logits: NDArray[np.float32], truth: Places, prior: Prior) -> Figures:
    """What the answers are worth under a prior."""
    best, _ = Candidates(bundle, prior=prior).best(logits, _BEST)
    pairs = [(bundle.labels[one], bundle.labels[true]) for one, true in zip(best[:, 0], truth, strict=True)]
    weights = np.exp(log_prior(bundle, prior).astype(np.float64))
    return Figures(
        top1=float((best[:, 0] == truth).mean()),
        top5=float((best == truth[:, None]).any(axis=1).mean()),
        equivalent=float(np.mean([bundle.equivalence.same(one, true) for one, true in pairs])),
        bits=float(-np.log2(weights[truth] / weights.sum()).mean()),
    )


def measure(recogniser: Recogniser, opened: Dataset, split: Split, texts: list[str], glyphs: int) -> Told:
    """Every prior with metrics and without, on the same glyphs."""
    bundle = recogniser.bundle
    table = opened.table(split)
    table = table.take(~np.isin(table.family, list(left_out(opened))))
    drawn = draw_from(texts, table, opened.places(bundle.labels)[table.label], bundle.labels, glyphs)
    shapes = Shapes(opened, drawn.table.shape.tolist())
    rasters = shapes.draw_all(drawn.table.shape, bundle.manifest.raster)
    rows = []
    for asked, metrics in (("given", drawn.table.metrics), ("unknown", None)):
        logits = recogniser.answer(rasters, metrics).logits
        rows += [(asked, prior, figures(bundle, logits, drawn.truth, prior)) for prior in Prior]
    return Told(len(texts), drawn.asked, tuple(rows))


def _main(
    kinds: Annotated[
        list[Path] | None, typer.Argument(help="Folders of texts, LANGUAGE.txt; runs/texts/guide and names.")
    ] = None,
    dataset: Annotated[Path, typer.Option(help="A finished dataset.")] = Path("runs/glyphs.db"),
    bundle: Annotated[Path | None, typer.Option(help="A bundle; the shipped one by default.")] = None,
    split: Annotated[str, typer.Option(help="Families to draw from: validation or test.")] = "validation",
    glyphs: Annotated[int, typer.Option(help="Glyphs of each kind of text.")] = 20_000,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Accuracy by prior on glyphs as texts have them."""
    recogniser = Recogniser(Bundle.load(bundle or default_bundle()), threads=0)
    places = kinds or [Path("runs/texts/guide"), Path("runs/texts/names")]
    with Dataset.open(dataset) as opened:
        found = {
            kind.name: measure(recogniser, opened, Split(split), read_texts(kind), glyphs) for kind in places
        }
    if json:
        show.as_json({kind: asdict(told) for kind, told in found.items()})
        return
    for kind, told in found.items():
        title = (
            f"{recogniser.bundle.manifest.name}, {glyphs:,} glyphs of {split} families as {kind} has them in"
            f" {told.languages} languages; {100 * told.asked:.1f} % of its characters can be asked"
        )
        rows = [
            (asked, str(prior), *(f"{100 * one:.1f}" for one in each.shares), f"{each.bits:.2f}")
            for asked, prior, each in told.rows
        ]
        columns = ("metrics", "prior", "top-1", "top-5", "up to equivalence", "bits a character")
        print(Table(title, columns, rows).markdown())


if __name__ == "__main__":
    typer.run(_main)
