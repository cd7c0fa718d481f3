"""Would a cascade pay: a fast model answers where it is sure, and both where it is not?

Both models answer validation glyphs, half of them without metrics, under the font prior. The fast model's
answers stand where its best probability is among the highest, of other glyphs the logits of both are
averaged; the table has, by how many stand, what the pair gains in top-1 over the accurate model alone, and
its rate beside it. Rates are of batches of 32 on one thread, both models in turns, in the same run; drawing
or reading counts for neither. Run: `python -m benchmarks.cascade FAST --dataset runs/glyphs.db`.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from bundles import default_bundle
from export.cascade import outcomes
from glyphery import show
from glyphery.rates import Work, measure
from glyphs.splits import Split
from recognition.bundle import Bundle
from recognition.recogniser import Recogniser
from training.data import open_source
from training.evaluation import Examined

_BATCH = 32
_SECONDS = 4.0  # that the rate of a model is measured
_SHARES = (0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0)


def _main(
    fast: Annotated[Path, typer.Argument(help="Folder of the fast model's bundle.")],
    accurate: Annotated[
        Path | None, typer.Option(help="Folder of the accurate one's; the shipped one by default.")
    ] = None,
    dataset: Annotated[Path, typer.Option(help="Dataset of fonts.")] = Path("runs/glyphs.db"),
    glyphs: Annotated[int, typer.Option(help="Validation glyphs, drawn by lot.")] = 10_000,
    rounds: Annotated[int, typer.Option(help="In which rates are measured.")] = 12,
    plot: Annotated[Path | None, typer.Option(help="Draw top-1 over rate here (PNG).")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Top-1 and rate by how often the fast model's answer stands."""
    bundles = [Bundle.load(fast), Bundle.load(accurate or default_bundle())]
    quick, main = (Recogniser(bundle, threads=0) for bundle in bundles)
    with open_source(dataset) as source:
        examined = Examined.of(source, Split.VALIDATION, bundles[0].labels, limit=glyphs)
    outcome = outcomes(quick, main, examined, bundles[0].manifest.temperature)
    top1, probabilities = outcome.top1(), -np.sort(-outcome.sure)
    alone = [float(outcome.fast.mean()), float(outcome.accurate.mean())]
    rates = _rates(bundles, rounds)
    found = []
    for share in _SHARES:
        many = round(share * len(outcome.sure))
        found.append({
            "stand": share, "threshold": float(probabilities[many - 1]) if many else 1.0,
            "top1": float(top1[many]), "gained": float(top1[many]) - alone[1],
            "rate": 1 / (rates[1] / rates[0] + 1 - share),
        })  # fmt: skip
    if plot is not None:
        _drawn(found, alone, rates, [bundle.manifest.name for bundle in bundles], plot)
    if json:
        show.as_json(
            {"glyphs": len(outcome.sure), "top1": alone, "images_per_second": rates, "shares": found}
        )
        return
    names = " and ".join(
        f"{bundle.manifest.name} {100 * share:.1f} % at {rate:.0f}/s"
        for bundle, share, rate in zip(bundles, alone, rates, strict=True)
    )
    show.table(
        f"{len(outcome.sure):,} validation glyphs: {names}",
        ("answers that stand", "probability from", "top-1", "gained", "rate of the pair"),
        [
            (f"{row['stand']:.0%}", f"{row['threshold']:.3f}", f"{100 * row['top1']:.2f}",
             f"{100 * row['gained']:+.2f}", f"{row['rate']:.2f} x")
            for row in found
        ],
    )  # fmt: skip


def _drawn(
    found: list[dict[str, float]], alone: list[float], rates: list[float], names: list[str], plot: Path
) -> None:
    """Top-1 over rate, of the pair at several thresholds and of either model."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5))
    axes = figure.subplots()
    axes.plot([row["rate"] for row in found], [100 * row["top1"] for row in found], marker="o", label="both")
    for row in found:
        axes.annotate(
            f"{row['stand']:.0%}", (row["rate"], 100 * row["top1"]), textcoords="offset points", xytext=(4, 5)
        )
    for name, share, rate in zip(names, alone, rates, strict=True):
        axes.plot([rate / rates[1]], [100 * share], marker="s", linestyle="", label=name)
    axes.set_xlabel(f"rate beside {names[1]}")
    axes.set_ylabel("top-1 on validation, per cent")
    axes.set_title("A fast model where it is sure, both where not; by the share where it is", fontsize=10)
    axes.grid(alpha=0.3)
    axes.legend()
    plot.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(plot, dpi=120, bbox_inches="tight")


def _rates(bundles: list[Bundle], rounds: int) -> list[float]:
    """Images a second of each on one thread, medians of rounds in turns."""
    rng = np.random.default_rng(0)
    works = []
    for bundle in bundles:
        size = bundle.manifest.raster.size
        rasters = rng.integers(0, 256, (_BATCH, size, size), np.uint8)
        run = partial(Recogniser(bundle, threads=1).answer, rasters)
        works.append(
            Work(group="recognise", name=bundle.manifest.name, unit="images/s", items=_BATCH, run=run)
        )
    return [rate.median for rate in measure(works, _SECONDS, rounds)]


if __name__ == "__main__":
    typer.run(_main)
