"""Models side by side on the same glyphs: how good, how large, how fast on one thread."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from glyphs.errors import BadInput
from glyphs.labels import Label
from glyphs.splits import Split
from training.data.source import Source
from training.evaluation.asking import examine
from training.evaluation.examined import Examined, Subject
from training.evaluation.plots import BLUE, COLOURS, GREY, percent
from training.evaluation.report import COMPARISON, MARK, replacing

if TYPE_CHECKING:
    from training.models.inventory import ModelCard

_BATCH = 32
_SECONDS = 1.0  # that one latency is measured for
_ROUNDS = 5  # at least
# What a figure is called, and how it is written.
_FIGURES = {
    "top1": ("top-1", "{:.1%}"),
    "top5": ("top-5", "{:.1%}"),
    "equivalent": ("top-1 up to equivalence", "{:.1%}"),
    "retrieval": ("same label among the ten nearest", "{:.1%}"),
    "effect_size": ("effect size (Cohen's d)", "{:.2f}"),
    "parameters": ("parameters", "{:,}"),
    "megabytes": ("MB on disk", "{:.1f}"),
    "flops": ("FLOPs of one glyph", "{:,}"),
    "milliseconds": ("ms for one glyph", "{:.2f}"),
    "per_second": ("glyphs/s, batch of 32", "{:,.0f}"),
}


@dataclass(frozen=True, slots=True)
class Compared:
    """One model's line. Shares between 0 and 1, under one prior, with metrics where there are any.

    retrieval, effect_size: of `measures.separation`; flops: of one glyph; megabytes: of the file that is
    loaded; milliseconds: median for one glyph; per_second: glyphs, median over batches of 32
    """

    name: str
    top1: float
    top5: float
    equivalent: float
    retrieval: float | None
    effect_size: float | None
    parameters: int | None
    megabytes: float
    flops: int | None
    milliseconds: float
    per_second: float


@dataclass(slots=True)
class Comparison:
    """Examined glyphs, and a line for every model that was asked about them."""

    examined: Examined
    labels: tuple[Label, ...]
    title: str
    prior: str = "fonts"
    rows: list[Compared] = field(default_factory=list)

    @classmethod
    def on(
        cls, source: Source, split: Split, labels: tuple[Label, ...], *, limit: int, prior: str = "fonts"
    ) -> Self:
        """prior: `fonts` or `uniform`. Raises BadDataset where the split holds none of the labels."""
        examined = Examined.of(source, split, labels, limit=limit)
        glyphs = len(examined.table)
        title = f"{glyphs:,} glyphs of {split} families, {len(labels):,} labels, {prior} prior; one thread"
        return cls(examined, labels, title, prior)

    def add(self, name: str, subject: Subject, card: ModelCard | None, size: int) -> None:
        """Ask a subject that knows all the labels; size: bytes of its file."""
        figures, _ = examine(self.examined.among(self.labels, subject.labels), subject)
        best, apart = figures[next(iter(self.examined.ceiling))][self.prior], figures["separation"]
        row = Compared(
                name,
                best["top1"],
                best["top5"],
                best["equivalent"],
                apart["retrieval"]["top10"],
                apart["effect_size"],
                card.parameters if card else None,
                size / 1e6,
                card.flops if card else None,
                1000 * seconds(subject, 1),
                _BATCH / seconds(subject, _BATCH),
        )  # fmt: skip
        self.rows.append(row)

    def to_dict(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "glyphs": len(self.examined.table),
            "models": [asdict(row) for row in self.rows],
        }

    def table(self) -> tuple[list[str], list[list[str]]]:
        """As people read it: headings, one for each model, and a row for each figure."""
        rows = [
            [
                name,
                *("–" if (value := getattr(row, key)) is None else form.format(value) for row in self.rows),
            ]
            for key, (name, form) in _FIGURES.items()
        ]
        return ["", *(row.name for row in self.rows)], rows

    def write(self, folder: Path) -> None:
        """Write metrics.json, comparison.csv and comparison.png; the whole folder or nothing.

        Raises:
            BadInput: the folder holds something else than a report.
        """
        with replacing(folder) as work:
            (work / MARK).write_text(json.dumps(self.to_dict(), indent=1), encoding="utf-8")
            with (work / COMPARISON).open("w", encoding="utf-8", newline="") as file:
                lines = csv.writer(file)
                lines.writerow([column.name for column in fields(Compared)])
                lines.writerows(asdict(row).values() for row in self.rows)
            self._plot().savefig(work / "comparison.png", bbox_inches="tight", pad_inches=0.15)

    def _plot(self) -> Figure:
        """Accuracy over latency, and bars of what else matters."""
        many = len(self.rows)
        figure = Figure(figsize=(9.2, 3.6 + 0.32 * many))
        grid = figure.add_gridspec(2, 4, height_ratios=(3.2, 0.5 + 0.32 * many))
        scatter = figure.add_subplot(grid[0, :])
        for number, (row, colour) in enumerate(zip(self.rows, _colours(many), strict=True)):
            at = row.milliseconds, row.top1
            scatter.plot(*at, "o", color=colour, markersize=8)
            # Above and below by turns: equally good neighbours would write over each other.
            scatter.annotate(
                row.name, at, (7, 6 if number % 2 else -6), textcoords="offset points", va="center"
            )
        scatter.margins(y=0.25)
        scatter.set(title=self.title, xlabel="milliseconds for one glyph", ylabel="strict top-1")
        scatter.set_xlim(0, 1.3 * max(row.milliseconds for row in self.rows))
        percent(scatter, "y")
        kinds = (("equivalent", 100, "equivalent, %"), ("retrieval", 100, "retrieval, %"),
                 ("megabytes", 1, "MB on disk"), ("per_second", 1, "glyphs/s at 32"))  # fmt: skip
        for place, (key, by, title) in enumerate(kinds):
            axes = figure.add_subplot(grid[1, place])
            _bars(axes, [getattr(row, key) for row in self.rows], by, title)
            axes.set_yticks(range(many), [row.name for row in self.rows] if place == 0 else [""] * many)
        return figure


def common_labels(subjects: Sequence[Subject]) -> tuple[Label, ...]:
    """The labels that all of them know, in label order.

    Raises:
        BadInput: there is none.
    """
    labels = set.intersection(*(set(subject.labels) for subject in subjects))
    if not labels:
        raise BadInput("No label is known to all of these models.", "Compare models of one dataset.")
    return tuple(sorted(labels))


def seconds(subject: Subject, batch: int) -> float:
    """Median time of one answer to so many glyphs, after one that does not count."""
    size, colour = subject.settings.size, (3,) if subject.channels == 3 else ()
    rasters = np.random.default_rng(0).integers(0, 256, (batch, *colour, size, size), np.uint8)
    metrics = np.full((batch, 4), np.nan, np.float32)
    subject.predict(rasters, metrics)
    times: list[float] = []
    while sum(times) < _SECONDS or len(times) < _ROUNDS:
        start = time.perf_counter()
        subject.predict(rasters, metrics)
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def _bars(axes: Axes, values: Sequence[float | None], by: float, title: str) -> None:
    lengths = [by * (value or 0.0) for value in values]
    axes.barh(range(len(values)), lengths, color=_colours(len(values)), height=0.6)
    for row, (length, value) in enumerate(zip(lengths, values, strict=True)):
        text = "–" if value is None else f"{length:,.0f}" if length >= 100 else f"{length:.1f}"
        axes.text(length, row, f" {text}", va="center", fontsize=8)
    axes.set_title(title, fontsize=8.5)
    axes.set(xlim=(0, 1.3 * max(*lengths, 1e-9)), xticks=[])
    axes.grid(visible=False)
    axes.invert_yaxis()
    axes.spines[["bottom"]].set_visible(False)
    axes.tick_params(length=0, colors=GREY)


def _colours(many: int) -> list[str]:
    return [COLOURS[number % len(COLOURS)] for number in range(many)] if many > 1 else [BLUE]
