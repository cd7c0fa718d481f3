"""The figures of a report that show numbers: one style, colours that colour-blind people tell apart."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from cycler import cycler
from fontTools.unicodedata import script_name
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from training.evaluation.measures import PerClass, reliability
from training.evaluation.pictures import Portraits, stamp
from training.evaluation.record import Record

# Okabe and Ito, "Color Universal Design", 2008; the last four after Tol's "muted" scheme.
BLUE, ORANGE, GREEN, RED = "#0072b2", "#e69f00", "#009e73", "#d55e00"
COLOURS = (BLUE, ORANGE, GREEN, RED, "#56b4e9", "#cc79a7", "#a6761d", "#332288", "#999933", "#44aa99")
GREY, PALE = "#6b7280", "#e5e7eb"
_NAMED = 30  # classes named one by one
_LONGEST_NAME = 44


def calm() -> AbstractContextManager[None]:
    """The style of every figure."""
    return mpl.rc_context(
        {
            "figure.dpi": 150, "savefig.dpi": 150, "figure.facecolor": "white",
            "figure.constrained_layout.use": True,
            "font.family": "sans-serif", "font.size": 9, "axes.titlesize": 10, "axes.titlelocation": "left",
            "axes.titleweight": "bold", "axes.edgecolor": GREY, "axes.labelcolor": "#374151",
            "text.color": "#111827",
            "xtick.color": GREY, "ytick.color": GREY, "xtick.labelcolor": "#374151",
            "ytick.labelcolor": "#374151",
            "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": PALE,
            "grid.linewidth": 0.6, "axes.axisbelow": True, "legend.frameon": False, "lines.linewidth": 1.6,
            "axes.prop_cycle": cycler(color=COLOURS),
        }
    )  # fmt: skip


def percent(axes: Axes, *which: str) -> None:
    """Write an axis of shares in per cent."""
    for axis in which:
        getattr(axes, f"{axis}axis").set_major_formatter(lambda share, _: f"{100 * share:.0f} %")


def part(name: str) -> str:
    """A script or character class by its English name: Grek, grek_uppercase -> Greek, Greek uppercase."""
    code, _, kind = name.partition("_")
    script = script_name(code.capitalize(), default=name)
    return f"{script} {kind}" if kind and script != name else script


def brief(name: str) -> str:
    """A name short enough for a tick, without what every name says."""
    name = name.replace("LETTER ", "").replace("CHARACTER ", "").capitalize()
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"


def calibration(record: Record) -> Figure:
    """Accuracy over confidence, and where the confidences lie."""
    bins = reliability(record.probabilities[:, 0], record.right)
    sure, right, share = (np.array([b[name] for b in bins]) for name in ("confidence", "accuracy", "share"))
    figure = Figure(figsize=(4.6, 4.6))
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--", label="as sure as right")
    upper.plot(sure, right, marker="o", markersize=4, color=BLUE, label="this model")
    upper.set(ylabel="accuracy", ylim=(0, 1.02), xlim=(0, 1.02))
    upper.legend(loc="upper left")
    lower.bar(sure, share, width=0.05, color=BLUE)
    lower.set(xlabel="confidence of the answer", ylabel="glyphs")
    percent(upper, "x", "y")
    percent(lower, "y")
    return figure


def similarity(figures: dict[str, Any], histogram: NDArray[np.int64]) -> Figure:
    """Cosines of glyphs of one label beside those of different labels."""
    figure = Figure(figsize=(6.4, 3.2))
    axes = figure.subplots()
    edges = np.linspace(-1, 1, histogram.shape[1] + 1)
    named = (
        ("same label, another family", "intra", BLUE), ("different labels", "inter", ORANGE)
    )  # fmt: skip
    for counts, (name, key, colour) in zip(histogram, named, strict=True):
        share = counts / max(1, counts.sum())
        axes.stairs(share, edges, color=colour, fill=True, alpha=0.35)
        axes.stairs(share, edges, color=colour, label=f"{name} ({figures[key]['pairs']:,} pairs)")
    axes.set(xlabel="cosine similarity", ylabel="share of pairs", xlim=(-1, 1))
    percent(axes, "y")
    axes.legend(loc="upper center")
    return figure


def parts(figures: dict[str, dict[str, dict[str, float]]]) -> Figure:
    """Strict accuracy and accuracy up to equivalence of each script and each character class."""
    kinds = [
        (title, sorted(of.items(), key=lambda item: item[1]["glyphs"])[-16:])
        for key, title in (("by_script", "By script"), ("by_char_class", "By character class"))
        for of in [figures[key]]
    ]
    figure = Figure(figsize=(8.6, 1.3 + 0.22 * max(len(rows) for _, rows in kinds)))
    for axes, (title, rows) in zip(figure.subplots(1, 2), kinds, strict=True):
        height = np.arange(len(rows))
        strict, equal = (np.array([of[key] for _, of in rows]) for key in ("top1", "equivalent"))
        axes.hlines(height, strict, equal, color=PALE, linewidth=5)
        axes.plot(strict, height, "o", color=BLUE, markersize=5, label="strict")
        axes.plot(equal, height, "D", color=ORANGE, markersize=4, label="up to equivalence")
        axes.set_yticks(height, [f"{part(name)}  ({of['glyphs']:,})" for name, of in rows])
        axes.set(title=title, xlim=(0, 1.03))
        axes.grid(axis="y", visible=False)
        percent(axes, "x")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def class_accuracy(record: Record, of: Portraits) -> Figure:
    """Every class's own accuracy, sorted; and the worst of them by name."""
    found = record.classes
    own = np.sort(found.recall[found.present])
    worst = _ranked(found, found.recall)[:_NAMED]
    figure = Figure(figsize=(9.2, 1.0 + 0.24 * len(worst)))
    left, right = figure.subplots(1, 2)
    left.set_box_aspect(1)
    left.set_anchor("N")
    left.fill_between(np.linspace(0, 1, len(own)), own, step="mid", color=BLUE, alpha=0.3)
    left.step(np.linspace(0, 1, len(own)), own, where="mid", color=BLUE)
    left.axhline(own.mean(), color=GREY, linewidth=1, linestyle="--")
    left.text(0.01, own.mean() + 0.01, f"mean {own.mean():.1%}", color="#374151")
    left.set(
        title=f"All {len(own):,} classes, worst to best", xlabel="share of the classes", ylabel="accuracy"
    )
    left.set(xlim=(0, 1), ylim=(0, 1.02))
    percent(left, "x", "y")
    _named_bars(right, record, worst, found.recall, of, RED)
    right.set_title(f"The worst {len(worst)}")
    return figure


def class_f1(record: Record, of: Portraits) -> Figure:
    """The classes of the highest and the lowest F1."""
    found = record.classes
    highest, lowest = (_ranked(found, by)[: _NAMED // 2] for by in (-found.f1, found.f1))
    figure = Figure(figsize=(9.2, 1.0 + 0.24 * len(lowest)))
    best, worst = figure.subplots(1, 2)
    _named_bars(best, record, highest, found.f1, of, GREEN)
    _named_bars(worst, record, lowest, found.f1, of, RED)
    best.set_title("Highest F1")
    worst.set_title("Lowest F1")
    return figure


def history(paths: Sequence[Path]) -> Figure | None:
    """What the runs logged over their steps: losses beside shares of right answers; None if nothing."""
    figure = Figure(figsize=(9.2, 3.4))
    losses, shares = figure.subplots(1, 2)
    for path in paths:
        lines = [line for text in path.read_text().splitlines() if (line := _logged(text))]
        keys = sorted({key for line in lines for key in line} - {"step", "seconds", "epoch"})
        for key in keys:
            points = np.array(
                [(line["step"], line[key]) for line in lines if line.get(key) is not None], float
            )
            axes = shares if "top" in key or "equivalent" in key else losses if _is_loss(key) else None
            if axes is None or not len(points):
                continue
            name = f"{path.parent.name}: {key}" if len(paths) > 1 else key
            axes.plot(*points.T, label=name, marker="o" if len(points) < 30 else "", markersize=3)
    if not losses.lines and not shares.lines:
        return None
    losses.set(title="Losses", xlabel="step")
    shares.set(title="Right answers", xlabel="step", ylim=(0, 1.02))
    percent(shares, "y")
    for axes in (losses, shares):
        if axes.lines:
            axes.legend()
        else:
            axes.set_visible(False)
    return figure


def _logged(text: str) -> dict[str, Any]:
    """A line of the log; nothing of one that broke off, as where a run was killed or the disk full."""
    try:
        return dict(json.loads(text))
    except ValueError:
        return {}


def _is_loss(key: str) -> bool:
    return any(part in key for part in ("loss", "contrast", "entropy", "primitive", "distil"))


def _ranked(found: PerClass, by: NDArray[np.float64]) -> NDArray[np.int64]:
    """Places of classes from the least to the greatest, of equal ones the commoner first.

    Rare ones say little and are left out as long as enough others remain.
    """
    least = next((n for n in (10, 5, 3, 2) if (found.count >= n).sum() >= 2 * _NAMED), 1)
    places = np.flatnonzero(found.count >= least)
    return places[np.lexsort((-found.count[places], by[places]))]


def _named_bars(
    axes: Axes, record: Record, places: NDArray[np.int64], by: NDArray[np.float64], of: Portraits, colour: str
) -> None:
    """One bar a class: portrait, name and how many glyphs there were."""
    height = np.arange(len(places))
    count = record.classes.count
    axes.barh(height, by[places], color=colour, height=0.6)
    names = [f"{brief(record.subject.called(place))}  ({count[place]})" for place in places]
    axes.set_yticks(height, names, fontsize=7.5)
    axes.tick_params(axis="y", length=0, pad=18)
    for row, place in enumerate(places):
        stamp(
            axes, of[place], (0, row), 11, xybox=(-10, 0), xycoords=("axes fraction", "data"),
            boxcoords="offset points",
        )  # fmt: skip
    axes.set(xlim=(0, 1.0), ylim=(len(places) - 0.4, -0.6))
    axes.grid(axis="y", visible=False)
    percent(axes, "x")
