"""Which labels are taken for which: pairs, connected blocks, and the whole matrix where it is small."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from training.evaluation.examined import Examined
from training.evaluation.pictures import Portraits, glyph_ticks, stamp
from training.evaluation.plots import BLUE, GREY, PALE, brief
from training.evaluation.record import Record

_BLOCKS, _BLOCK = 6, 12  # how many blocks are shown, and the labels in each at most
_ACROSS = 3
_STRONGEST = 80  # confusions that groups are made of
_WHOLE = 100  # classes up to which the whole matrix can be read
_BLUES = LinearSegmentedColormap.from_list("blues", ["#ffffff", BLUE])
_LONGEST_CODE = 14
_ALIKE = "#b45309"  # a dark orange that can be read as text
_PAIRS, _MISTAKEN = 14, 6  # pairs shown, and mistaken glyphs of each


@dataclass(frozen=True, slots=True)
class Confusions:
    """Mistakes counted: (M,) truth and answer places and how often, most frequent first."""

    truth: NDArray[np.int64]
    answer: NDArray[np.int64]
    count: NDArray[np.int64]

    @classmethod
    def of(cls, record: Record) -> Confusions:
        wrong = ~record.right
        pairs, count = np.unique(
            np.stack([record.truth[wrong], record.answer[wrong]], axis=1), axis=0, return_counts=True
        )
        order = np.argsort(-count, kind="stable")
        return cls(pairs[order, 0], pairs[order, 1], count[order])

    def blocks(self) -> list[list[int]]:
        """Groups of labels that are taken for one another, the most confused group first.

        These are the connected parts of the strongest confusions (one that happened once is none, if others
        happened twice); where a part would grow too large to read, the weaker links are cut.
        """
        strong = slice(min(_STRONGEST, int((self.count > 1).sum()) or len(self.count)))
        group: dict[int, list[int]] = {}
        for truth, answer in zip(self.truth[strong].tolist(), self.answer[strong].tolist(), strict=True):
            one, other = group.setdefault(truth, [truth]), group.setdefault(answer, [answer])
            if one is not other and len(one) + len(other) <= _BLOCK:
                one += other
                group.update(dict.fromkeys(other, one))
        inside = {id(members): 0 for members in group.values()}
        for truth, answer, count in zip(
            self.truth.tolist(), self.answer.tolist(), self.count.tolist(), strict=True
        ):
            if truth in group and group[truth] is group.get(answer):
                inside[id(group[truth])] += count
        blocks = {id(members): members for members in group.values()}
        confused = (key for key in blocks if inside[key])  # not what was cut off and stands alone
        worst = sorted(confused, key=lambda key: -inside[key])[:_BLOCKS]
        return [sorted(blocks[key]) for key in worst]


def matrix(record: Record, places: list[int]) -> NDArray[np.int64]:
    """(P, P) how often each place (row) is answered as each (column); other answers are left out."""
    place = np.full(len(record.subject.labels), -1, np.int64)
    place[places] = np.arange(len(places))
    row, column = place[record.truth], place[record.answer]
    both = (row >= 0) & (column >= 0)
    flat = np.bincount(row[both] * len(places) + column[both], minlength=len(places) ** 2)
    return flat.reshape(len(places), len(places))


def blocks(record: Record, of: Portraits, *, normalised: bool) -> Figure | None:
    """The most confused groups as small matrices; None where nothing is confused."""
    groups = Confusions.of(record).blocks()
    if not groups:
        return None
    rows = -(-len(groups) // _ACROSS)
    figure = Figure(figsize=(3.5 * _ACROSS, 3.7 * rows))
    for axes, places in zip(figure.subplots(rows, _ACROSS, squeeze=False).flat, groups, strict=False):
        _draw(axes, record, places, of, normalised=normalised)
    for axes in figure.axes[len(groups) :]:
        axes.set_visible(False)
    return figure


def whole(record: Record, of: Portraits, *, normalised: bool) -> Figure | None:
    """The matrix of all classes; None where there are too many to read."""
    found = record.classes
    places = np.flatnonzero(found.count + found.answered).tolist()
    if len(places) > _WHOLE:
        return None
    side = max(4.0, 1.2 + 0.2 * len(places))
    figure = Figure(figsize=(side, side))
    _draw(figure.subplots(), record, places, of, normalised=normalised, written=len(places) <= 2 * _BLOCK)
    return figure


def pairs(record: Record, examined: Examined, of: Portraits) -> Figure | None:
    """The most frequent mistakes: both labels' portraits and the very glyphs; None where there is none."""
    found = Confusions.of(record)
    many = min(_PAIRS, len(found.count))
    if not many:
        return None
    figure = Figure(figsize=(9.2, 0.4 + 0.62 * many))
    axes = figure.subplots()
    axes.set(xlim=(0, 100), ylim=(many - 0.5, -1.0))
    axes.axis("off")
    for at, title in ((2, "is"), (8, "answered"), (14, "name"), (62, "the glyphs")):
        axes.text(at, -0.75, title, color=GREY, ha="left" if at > 10 else "center")
    equal = record.equal
    for row in range(many):
        truth, answer = int(found.truth[row]), int(found.answer[row])
        here = np.flatnonzero((record.truth == truth) & (record.answer == answer))
        stamp(axes, of[truth], (2, row), 28)
        stamp(axes, of[answer], (8, row), 28)
        called = record.subject.called
        axes.text(14, row - 0.17, brief(called(truth)), va="center", fontsize=8)
        axes.text(14, row + 0.17, "→ " + brief(called(answer)), va="center", fontsize=8, color="#374151")
        axes.text(
            56, row, f"{found.count[row]} of {int((record.truth == truth).sum())}", va="center", ha="right",
            color=_ALIKE if equal[here[0]] else "#111827",
        )  # fmt: skip
        rasters = examined.drawn(record.shape[here[:_MISTAKEN]], record.subject.settings)
        for number, raster in enumerate(rasters):
            stamp(axes, raster, (64 + 6.2 * number, row), 28)
        axes.axhline(row + 0.5, color=PALE, linewidth=0.6)
    return figure


def _draw(
    axes: Axes, record: Record, places: list[int], of: Portraits, *, normalised: bool, written: bool = True
) -> None:
    """One matrix: truth down, answers across; numbers in the cells where there is room."""
    counts = matrix(record, places)
    true = np.maximum(record.classes.count[places], 1)[:, None]
    cells = counts / true if normalised else counts
    shade = np.sqrt(counts / counts.max()) if not normalised else cells
    axes.imshow(shade, cmap=_BLUES, vmin=0, vmax=1)
    axes.grid(visible=False)
    points = 13 if len(places) <= 2 * _BLOCK else 9
    for across in (True, False):
        glyph_ticks(axes, places, of, points=points, across=across)
    codes = [_code(record, place) for place in places]
    axes.set_xticks(np.arange(len(places)), codes, rotation=90, fontsize=6)
    axes.set_yticks(np.arange(len(places)), codes, fontsize=6)
    axes.set(xlabel="answered", ylabel="is")
    axes.spines[:].set(visible=True, color=PALE)
    if not written:
        return
    for row, column in zip(*np.nonzero(counts), strict=True):
        text = f"{100 * cells[row, column]:.0f}" if normalised else str(counts[row, column])
        light = shade[row, column] > 0.55
        axes.text(
            column, row, text, ha="center", va="center", fontsize=6.5, color="white" if light else "#111827"
        )


def _code(record: Record, place: int) -> str:
    """A label in few letters: its name where it stands for no character, or code point and form."""
    label = record.subject.labels[place]
    name = record.subject.names.get(label)
    return name[:_LONGEST_CODE] if name else f"{label.codepoint:04X} {label.form}".rstrip()
