"""Pictures of a run: accuracy over degradation, what the degradations look like, right and wrong answers."""

from __future__ import annotations

import io
import math
import unicodedata
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from PIL import Image

from benchmarks.glyphs.asked import Asked, Truths, outline
from benchmarks.glyphs.baselines import NearestPixels
from benchmarks.glyphs.degradations import DEGRADATIONS
from glyphs.errors import BadFont
from glyphs.labels import Label
from glyphs.raster import RasterSettings
from training.evaluation import Examined
from training.evaluation.pictures import shown
from training.evaluation.plots import COLOURS, GREY, calm, percent

_ALLOWED = 0.05  # below clean, at the middle strength
_RIGHT, _ALIKE, _WRONG = "#166534", "#a16207", "#b91c1c"
_ROWS, _COLUMNS = 8, 12
_DRAWN = RasterSettings(size=96, box=84)
_LETTER = Label(ord("g"))  # what the contact sheet shows, where it is asked


def degraded_plot(of: dict[str, dict[str, Any]], path: Path) -> None:
    """A panel for each degradation: accuracy up to equivalence over strength, weakest on the left.

    Solid with metrics, dotted without; dashed five points below the same recogniser on clean pictures.
    """
    with calm():
        across = 4
        down = math.ceil(len(DEGRADATIONS) / across)
        figure = Figure(figsize=(10.5, 2.5 * down + 0.5))
        panels = figure.subplots(down, across, sharey=True).ravel()
        for axes, (name, degradation) in zip(panels, DEGRADATIONS.items(), strict=False):
            for colour, reader in zip(COLOURS, of[name], strict=False):
                _lines(axes, of["clean"][reader], of[name][reader], reader, colour)
            place = degradation.strengths.index(degradation.middle)
            axes.axvline(place, color=GREY, linewidth=0.8, alpha=0.5)
            axes.set_xticks(range(len(degradation.strengths)), [f"{s:g}" for s in degradation.strengths])
            axes.set(title=degradation.title, xlabel=degradation.unit, ylim=(0, 1))
            percent(axes, "y")
        for axes in panels[len(DEGRADATIONS) :]:
            axes.set_axis_off()
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
        figure.savefig(path)


def _lines(axes: Axes, clean: dict[str, Any], degraded: dict[str, Any], reader: str, colour: str) -> None:
    def shares(known: str) -> list[float]:
        return [figures[known]["equivalent"] for figures in degraded["strengths"]]

    if reader == NearestPixels.name:  # which knows no metrics
        axes.plot(shares("without_metrics"), color=GREY, marker="o", markersize=3, label=reader)
        return
    allowed = clean["strengths"][0]["with_metrics"]["equivalent"] - _ALLOWED
    axes.plot(
        shares("with_metrics"), color=colour, marker="o", markersize=3, label=f"{reader}, metrics given"
    )
    axes.plot(shares("without_metrics"), ":", color=colour, label=f"{reader}, metrics unknown")
    axes.axhline(allowed, color=colour, linestyle="--", linewidth=0.9, label=f"{reader}, clean less 5 points")


def degradations_sheet(examined: Examined, labels: tuple[Label, ...], path: Path) -> None:
    """One glyph under every degradation and strength, as the recognisers are shown it."""
    wanted = np.flatnonzero(np.array([labels[place] == _LETTER for place in examined.truth]))
    row = int(wanted[0]) if wanted.size else 0
    shape = outline(examined, row)
    most = max(len(degradation.strengths) for degradation in DEGRADATIONS.values())
    with calm():
        figure = Figure(figsize=(1.3 * (most + 1) + 1.6, 1.25 * len(DEGRADATIONS)))
        panels = figure.subplots(len(DEGRADATIONS), most + 1)
        for axes in panels.ravel():
            axes.set(xticks=[], yticks=[])
            axes.grid(visible=False)
            axes.set_axis_off()
        for line, degradation in zip(panels, DEGRADATIONS.values(), strict=True):
            line[0].text(0, 0.5, f"{degradation.title}\n{degradation.unit}", va="center", fontsize=8)
            for axes, strength in zip(line[1:], degradation.strengths, strict=False):
                axes.set_title(f"{strength:g}", fontsize=8, loc="center")
                if strength == degradation.middle:
                    axes.title.set_bbox({"facecolor": "#e5e7eb", "edgecolor": "none", "pad": 2})
                try:
                    picture = degradation.picture(shape, strength, row)
                except BadFont:
                    continue  # nothing is left of it
                pixels = np.asarray(Image.open(io.BytesIO(picture)).convert("L"))
                axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        figure.savefig(path)


def answers_sheet(asked: Asked, record: Path, path: Path) -> None:
    """Half the glyphs answered rightly, half wrongly, drawn at random, with truth and answer below each.

    record: the .npz of `training.evaluation.Record`, of the same glyphs
    """
    with np.load(record) as kept:
        truth, answer = kept["truth"], kept["places"][:, 0]
    right = truth == answer
    each = _ROWS * _COLUMNS // 2
    rng = np.random.default_rng(0)
    halves = [rng.permutation(np.flatnonzero(of))[:each] for of in (right, ~right)]
    with calm():
        figure = Figure(figsize=(_COLUMNS, _ROWS * 1.35))
        panels = figure.subplots(_ROWS, _COLUMNS)
        for axes in panels.ravel():
            axes.set_axis_off()
        for rows, half in zip(halves, np.split(panels, 2), strict=True):
            for axes, row in zip(half.ravel(), rows, strict=False):
                _answer(axes, asked, int(row), truth[row], answer[row], asked.alike)
        figure.savefig(path)


def _answer(axes: Axes, asked: Asked, row: int, truth: np.int64, answer: np.int64, alike: Truths) -> None:
    colour = _RIGHT if truth == answer else _ALIKE if alike[truth, answer] else _WRONG
    raster = asked.examined.shapes.draw(int(asked.examined.table.shape[row]), _DRAWN)
    axes.imshow(shown(raster))
    labels = asked.labels[truth], asked.labels[answer]
    scripts = [label.character.script for label in labels]
    # Letters of two scripts look the same in the caption too.
    codes = scripts if scripts[0] != scripts[1] else ("", "")
    is_, said = (f"{_written(label)} {code}".strip() for label, code in zip(labels, codes, strict=True))
    lines = (f"is {is_}", "black"), (f"said {said}", colour)
    for place, (text, ink) in enumerate(lines):
        down = -0.02 - 0.16 * place
        axes.text(0.5, down, text, transform=axes.transAxes, ha="center", va="top", fontsize=8, color=ink)


def _written(label: Label) -> str:
    """The character with its form, or the label itself where the figures' font has no such character."""
    character = chr(label.codepoint)
    font = get_font(findfont(FontProperties(family=mpl.rcParams["font.family"])))
    if not font.get_char_index(label.codepoint) or unicodedata.category(character)[0] not in "LNPSM":
        return f"U+{label.codepoint:04X} {label.form}".strip()
    if character == "$":
        character = r"\$"  # not the start of a formula
    carried = "\u25cc" + character if unicodedata.category(character[-1])[0] == "M" else character
    return f"{carried} {label.form}".strip()
