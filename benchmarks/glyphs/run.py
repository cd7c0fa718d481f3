"""A whole run: recognition, baselines, Tesseract, degraded pictures, leaks; then tables and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from benchmarks.glyphs import leaks, plots, report, tesseract
from benchmarks.glyphs.accuracy import accuracy
from benchmarks.glyphs.asked import Asked, near_duplicates
from benchmarks.glyphs.baselines import PER_LABEL, NearestPixels, outline_lookup
from benchmarks.glyphs.contestants import Contestant
from benchmarks.glyphs.degraded import GLYPHS, PICTURES, degraded, readers
from benchmarks.glyphs.labels import AskedLabels
from benchmarks.glyphs.results import Figures, Results
from glyphery import show
from glyphs.splits import Split
from training.data.glyphs import GlyphSource


def run(
    dataset: Path,
    contestants: Sequence[Contestant],
    split: Split,
    limit: int,
    out: Path,
    *,
    pictures: Path,
    labels: AskedLabels,
    degraded_glyphs: int = GLYPHS,
) -> Figures:
    """Measure what is not there yet, write everything into `out` and the pictures into `pictures`.

    degraded_glyphs: of those asked, how many are also asked in degraded pictures

    Raises:
        BadDataset: it cannot be used, or its split holds none of the labels.
        BadInput: a contestant knows too few of the labels.
    """
    with GlyphSource.open(dataset) as source:
        inputs = {"dataset": source.digest, "split": str(split), "limit": limit, "labels": labels.digest}
        inputs["equivalence"] = sha256(source.equivalence().to_json().encode()).hexdigest()
        inputs["left_out"] = sha256("\n".join(sorted(near_duplicates())).encode()).hexdigest()
        results = Results(out / "parts", inputs)
        asked = Asked(source, split, labels, limit)
        figures = inputs | {"contestants": {c.name: c.digest for c in contestants}}
        figures |= _measured(asked, contestants, results, degraded_glyphs)
        report.write(figures, out)
        _draw(asked, contestants, figures, results, pictures)
    return figures


def _measured(asked: Asked, contestants: Sequence[Contestant], results: Results, glyphs: int) -> Figures:
    nearest = NearestPixels(asked)
    figures: Figures = {"recognition": {}}
    for contestant in contestants:
        figures["recognition"][contestant.name] = _recognition(asked, contestant, results)
    figures["outlines"] = results.part("outlines", lambda: outline_lookup(asked))

    def pixels() -> Figures:
        with show.bar("Nearest pixels", len(asked.examined.table)) as advance:
            return nearest.measured(advance)

    figures["pixels"] = results.part("pixels", pixels, per_label=PER_LABEL)
    figures["tesseract"] = _tesseract(asked, contestants, results)
    with show.bar("Degraded pictures", PICTURES * glyphs) as advance:
        reading = readers(asked, contestants, nearest)
        figures["degraded"] = degraded(asked, reading, results, glyphs, advance)

    def leaking() -> Figures:
        with show.bar("Leaks") as advance:
            return leaks.leaks(asked, advance)

    figures["leaks"] = results.part("leaks", leaking)
    return figures


def _recognition(asked: Asked, contestant: Contestant, results: Results) -> Figures:
    def make() -> Figures:
        with show.bar(f"Asking {contestant.name}", len(asked.examined.table)) as advance:
            return accuracy(asked, contestant.subject, _answers(results, contestant), advance)

    return results.part(f"recognition-{contestant.name}", make, digest=contestant.digest)


def _tesseract(asked: Asked, contestants: Sequence[Contestant], results: Results) -> Figures | None:
    version = tesseract.version()
    if version is None:
        print(tesseract.MISSING)
        return None

    def make() -> Figures:
        with show.bar("Tesseract", tesseract.GLYPHS) as advance:
            return tesseract.measured(asked, contestants, advance)

    digests = {contestant.name: contestant.digest for contestant in contestants}
    return results.part("tesseract", make, version=version, contestants=digests)


def _answers(results: Results, contestant: Contestant) -> Path:
    """Where the answers of a contestant lie, beside its figures."""
    return results.path(f"recognition-{contestant.name}").with_suffix(".npz")


def _draw(
    asked: Asked, contestants: Sequence[Contestant], figures: Figures, results: Results, folder: Path
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    plots.degraded_plot(figures["degraded"], folder / "benchmark-degraded.png")
    plots.degradations_sheet(asked.examined, asked.labels, folder / "benchmark-degradations.png")
    if contestants:
        plots.answers_sheet(asked, _answers(results, contestants[0]), folder / "benchmark-answers.png")
