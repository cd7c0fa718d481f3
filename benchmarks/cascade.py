"""Would a cascade pay: a fast model answers where it is sure, an accurate one takes the rest?

Both models answer validation glyphs, half of them without metrics, under the font prior. The fast model's
answers stand where its best probability is among the highest; the table has, by how many stand, what the
pair loses in top-1 against the accurate model alone, and its rate beside it. Rates are of batches of 32 on
one thread, both models in turns, in the same run; drawing or reading counts for neither.
Run: `python -m benchmarks.cascade FAST --dataset runs/glyphs.db`.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from bundles import default_bundle
from glyphery import show
from glyphs.labels import Label
from glyphs.splits import Split
from recognition.bundle import Bundle
from recognition.familiarity import posterior
from recognition.recogniser import Recogniser
from training.data import open_source
from training.evaluation import Examined

_BATCH = 32
_SHARES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_LOSSES = (0.001, 0.002, 0.005, 0.01)


def _main(
    fast: Annotated[Path, typer.Argument(help="Folder of the fast model's bundle.")],
    accurate: Annotated[
        Path | None, typer.Option(help="Folder of the accurate one's; the shipped one by default.")
    ] = None,
    dataset: Annotated[Path, typer.Option(help="Dataset of fonts.")] = Path("glyphs.db"),
    glyphs: Annotated[int, typer.Option(help="Validation glyphs, drawn by lot.")] = 10_000,
    rounds: Annotated[int, typer.Option(help="In which rates are measured.")] = 12,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Top-1 lost and rate gained by how often the fast model's answer stands."""
    bundles = [Bundle.load(fast), Bundle.load(accurate or default_bundle())]
    with open_source(dataset) as source:
        examined = Examined.of(source, Split.VALIDATION, bundles[0].labels, limit=glyphs)
    (quick, sure), (right_one, _) = (_answers(bundle, examined, bundles[0].labels) for bundle in bundles)
    truth = examined.truth
    before = right_one == truth
    # What the pair gains or loses by each answer that stands, the surest first.
    order = np.argsort(-sure, kind="stable")
    lost = np.cumsum(before[order].astype(int) - (quick == truth)[order].astype(int)) / len(truth)
    agree = np.cumsum((quick == right_one)[order]) / np.arange(1, len(truth) + 1)
    rates = _rates(bundles, rounds)
    found = []
    for share in sorted({*_SHARES, *(_most(lost, loss) for loss in _LOSSES)}):
        row = max(1, round(share * len(truth))) - 1
        found.append({
            "stand": share, "threshold": float(sure[order[row]]), "lost": float(lost[row]),
            "agree": float(agree[row]), "rate": 1 / (rates[1] / rates[0] + 1 - share),
        })  # fmt: skip
    top1 = [float((answers == truth).mean()) for answers in (quick, right_one)]
    if json:
        show.as_json({"glyphs": len(truth), "top1": top1, "images_per_second": rates, "shares": found})
        return
    names = " and ".join(
        f"{bundle.manifest.name} {100 * share:.1f} % at {rate:.0f}/s"
        for bundle, share, rate in zip(bundles, top1, rates, strict=True)
    )
    show.table(
        f"{len(truth):,} validation glyphs: {names}",
        ("answers that stand", "probability from", "top-1 lost", "same answer", "rate of the pair"),
        [
            (f"{100 * row['stand']:.1f} %", f"{row['threshold']:.3f}", f"{100 * row['lost']:.2f}",
             f"{100 * row['agree']:.1f} %", f"{row['rate']:.2f} x")
            for row in found
        ],
    )  # fmt: skip


def _answers(
    bundle: Bundle, examined: Examined, labels: tuple[Label, ...]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Of each glyph the place of its best label among `labels`, or -1, and that label's probability."""
    among = {label: place for place, label in enumerate(labels)}
    places = np.array([among.get(label, -1) for label in bundle.labels])
    recogniser = Recogniser(bundle, threads=0)
    metrics = examined.table.metrics.copy()
    metrics[::2] = np.nan
    best, sure = [], []
    for rows, rasters in examined.rasters(examined.table, bundle.manifest.raster):
        answers = recogniser.answer(rasters, metrics[rows])
        likely = posterior(answers.logits, bundle.log_prior, bundle.manifest.temperature)
        best.append(places[likely.argmax(1)])
        sure.append(likely.max(1))
    return np.concatenate(best), np.concatenate(sure)


def _most(lost: NDArray[np.float64], loss: float) -> float:
    """The largest share of answers that can stand at this loss."""
    allowed = np.flatnonzero(lost <= loss)
    return float((allowed[-1] + 1) / len(lost)) if len(allowed) else 0.0


def _rates(bundles: list[Bundle], rounds: int) -> list[float]:
    """Images a second of each, medians of rounds in turns."""
    recognisers = [Recogniser(bundle, threads=1) for bundle in bundles]
    seconds = np.zeros((rounds, len(bundles)))
    for turn in range(-1, rounds):  # the first is to warm up
        for place, (bundle, recogniser) in enumerate(zip(bundles, recognisers, strict=True)):
            size = bundle.manifest.raster.size
            rasters = np.random.default_rng(0).integers(0, 256, (_BATCH, size, size), np.uint8)
            began = time.perf_counter()
            for _ in range(4):
                recogniser.answer(rasters)
            seconds[max(turn, 0), place] = (time.perf_counter() - began) / 4
    return [float(_BATCH / median) for median in np.median(seconds, axis=0)]


if __name__ == "__main__":
    typer.run(_main)
