"""The picture of a run: rates and latencies over the number of callers."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.serving.rounds import DECODING, INFERENCE
from benchmarks.serving.statistics import Figures, spread
from benchmarks.serving.subjects import SINGLE
from training.evaluation.plots import COLOURS, GREY, calm

_BARE = {INFERENCE: "--", DECODING: ":"}


def rounds_plot(of: Figures, path: Path) -> None:
    """Glyphs a second and p99 of everybody who was asked for single pictures, with quartiles."""
    rounds = of["rounds"]
    ways = {name: len(by_callers) for one in rounds for name, by_callers in one["served"].items()}
    names = [name for name in ways if name == SINGLE or not name.startswith("Glyphery")]
    names.sort(key=lambda name: name != SINGLE)
    with calm():
        figure = Figure(figsize=(9, 3.8))
        rates, tails = figure.subplots(1, 2)
        for colour, name in zip(COLOURS, names, strict=False):
            measured = [one["served"][name] for one in rounds if name in one["served"]]
            callers = list(measured[0])
            for axes, key in ((rates, "rate"), (tails, "p99")):
                spreads = [spread([one[count][key] for one in measured]) for count in callers]
                middle = [each["median"] for each in spreads]
                reach = [
                    [each["median"] - each["low"] for each in spreads],
                    [each["high"] - each["median"] for each in spreads],
                ]
                axes.errorbar(
                    [int(count) for count in callers], middle, reach, color=colour, marker="o", markersize=3,
                    capsize=2, label=name,
                )  # fmt: skip
        for kind, style in _BARE.items():
            rate = spread([one["bare"][kind] for one in rounds])["median"]
            rates.axhline(rate, color=GREY, linestyle=style, linewidth=1, label=kind)
        rates.set(title="Glyphs a second", xlabel="callers", xscale="log", ylim=(0, None))
        tails.set(title="p99, ms", xlabel="callers", xscale="log", yscale="log")
        for axes in (rates, tails):
            axes.set_xticks([1, 16, 64], ["1", "16", "64"])
            axes.minorticks_off()
        figure.legend(*rates.get_legend_handles_labels(), loc="outside lower center", ncols=4)
        figure.savefig(path)
