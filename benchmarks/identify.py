"""How many glyphs of a font without a character map are identified: alone, together, and in their text?

One font of each family of the split, drawn by lot: whole, and as subsets, the characters that a passage of
some text needs, as documents embed them. The texts are ones that nothing was counted over; each is in a
language that the font has nearly all characters of. Glyphs have their metrics. Each is asked by itself under
a prior, all together (`recognition.one_font`), and in the passage (`recognition.in_text`).
Run: `python -m scripts.texts`, then `python -m benchmarks.identify`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from itertools import chain, groupby
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.glyphs.asked import left_out
from benchmarks.tables import Table
from bundles import default_bundle
from glyphery import show
from glyphs.dataset.shapes import Shapes
from glyphs.dataset.store import Dataset, GlyphTable
from glyphs.labels import Label
from glyphs.splits import Split
from glyphs.text import labels_in, read_texts
from recognition.bundle import Bundle
from recognition.candidates import Candidates, Recognition
from recognition.in_text import CONSIDERED, Words, in_text
from recognition.one_font import OneFont
from recognition.priors import Prior
from recognition.recogniser import Answers, Recogniser

Text = Sequence[Sequence[Label]]  # words
WHOLE = "whole font"
PASSAGES = 100, 1000  # characters
_FEWEST = 20  # glyphs of a font: fewer are no font to be read
_COVERED = 0.98  # of a text's characters, that a font has to have
_TEXTS = 3  # passages of each length and script, each of another text, for each font


class Read(StrEnum):
    """How glyphs are."""

    ALONE = "alone"
    TOGETHER = "together"
    IN_TEXT = "in their text"


@dataclass(frozen=True, slots=True)
class ReadFont:
    """A font's distinct glyphs and what the model says of them.

    truth: of each glyph the labels that the font draws with it
    words: of a passage, how often; of numbers of glyphs
    """

    family: str
    truth: Sequence[frozenset[Label]]
    answers: Answers
    words: Words = field(default_factory=dict)

    @property
    def script(self) -> str:
        """Of most of its glyphs."""
        return script_of(label for labels in self.truth for label in labels)

    def some(self, rows: Sequence[int], truth: Sequence[frozenset[Label]], words: Words) -> ReadFont:
        """Some of its glyphs, which stand for these labels."""
        taken = Answers(self.answers.logits[rows], self.answers.embeddings[rows])
        return ReadFont(self.family, truth, taken, words)


@dataclass(frozen=True, slots=True)
class Figures:
    """Shares of all glyphs; `equivalent` and `of_fonts` up to equivalence, the latter the mean over fonts."""

    top1: float
    equivalent: float
    of_fonts: float


@dataclass(frozen=True, slots=True)
class Row:
    situation: str
    fonts: int
    glyphs: int
    read: Read
    prior: Prior
    figures: Figures


def read_fonts(recogniser: Recogniser, opened: Dataset, split: Split) -> Iterator[ReadFont]:
    """One font of each family of a split."""
    bundle = recogniser.bundle
    table, lot = opened.table(split), np.random.default_rng(0)
    table = table.take(~np.isin(table.family, list(left_out(opened))))
    names, places = opened.labels(), opened.places(bundle.labels)
    families = {number: name for number, name, *_ in opened.families()}
    for family in np.unique(table.family):
        font = lot.choice(np.unique(table.font[table.family == family]))
        whole = table.take((table.font == font) & (places[table.label] >= 0))
        glyphs, truth = _distinct(whole, names)
        if len(truth) < _FEWEST:
            continue
        shapes = Shapes(opened, np.unique(glyphs.shape).tolist())
        rasters = shapes.draw_all(glyphs.shape, bundle.manifest.raster)
        yield ReadFont(families[int(family)], truth, recogniser.answer(rasters, glyphs.metrics))


def _distinct(table: GlyphTable, names: Mapping[int, Label]) -> tuple[GlyphTable, list[frozenset[Label]]]:
    """Glyphs of a font that look alike once, with all their labels."""
    held: dict[tuple[float, ...], list[int]] = defaultdict(list)
    for row in range(len(table)):
        held[table.shape[row], *table.metrics[row].round(5).tolist()].append(row)
    first = np.array([rows[0] for rows in held.values()], np.intp)
    return table.take(first), [
        frozenset(names[int(table.label[row])] for row in rows) for rows in held.values()
    ]


def passages(font: ReadFont, texts: Sequence[Text], length: int, seed: int) -> Iterator[ReadFont]:
    """Subsets of a font: the glyphs of passages of that length, each from a text that the font can set, some
    of each script.
    """
    lot = np.random.default_rng(seed)
    glyph = {label: row for row, labels in enumerate(font.truth) for label in labels}
    by_script: dict[str, list[Text]] = defaultdict(list)
    for text in texts:
        labels = list(chain.from_iterable(text))
        if np.mean([label in glyph for label in labels]) >= _COVERED:
            by_script[script_of(labels)].append(text)
    for fit in by_script.values():
        for number in lot.permutation(len(fit))[:_TEXTS]:
            told = [(place, label) for place, word in enumerate(fit[number]) for label in word]
            start = int(lot.integers(max(1, len(told) - length)))
            shown: dict[int, set[Label]] = defaultdict(set)
            places: dict[int, int] = {}
            words: Counter[tuple[int, ...]] = Counter()
            for _, word in groupby(told[start : start + length], lambda one: one[0]):
                drawn = [(glyph[label], label) for _, label in word if label in glyph]
                for row, label in drawn:
                    shown[row].add(label)
                    places.setdefault(row, len(places))
                if drawn:
                    words[tuple(places[row] for row, _ in drawn)] += 1
            yield font.some(list(shown), [frozenset(labels) for labels in shown.values()], words)


def script_of(labels: Iterable[Label]) -> str:
    """That of most of them, but what any text has."""
    scripts = Counter(label.character.script for label in labels)
    return max(scripts, key=lambda script: (script not in ("Zyyy", "Zinh"), scripts[script]))


def figures(bundle: Bundle, fonts: Iterable[ReadFont], prior: Prior, read: Read) -> Figures:
    """What answers to fonts are worth."""
    candidates = Candidates(bundle, prior=prior)
    strict, equivalent = [], []
    for font in fonts:
        found = _read(candidates, font, read)
        best = [one.predictions[0].label for one in found]
        strict.append([label in truth for label, truth in zip(best, font.truth, strict=True)])
        equivalent.append(
            [
                any(bundle.equivalence.same(label, other) for other in truth)
                for label, truth in zip(best, font.truth, strict=True)
            ]
        )
    return Figures(
        top1=float(np.concatenate(strict).mean()), equivalent=float(np.concatenate(equivalent).mean()),
        of_fonts=float(np.mean([np.mean(one) for one in equivalent])),
    )  # fmt: skip


def _read(candidates: Candidates, font: ReadFont, read: Read) -> list[Recognition]:
    if read is Read.ALONE:
        return candidates.recognise(font.answers, 1)
    together = OneFont(candidates)
    together.add(font.answers, [1] * len(font.answers))
    found = [one for [one] in together.recognise(CONSIDERED)]
    return found if read is Read.TOGETHER else in_text([found], font.words)[0]


def measure(bundle: Bundle, fonts: Sequence[ReadFont], texts: Sequence[Text]) -> list[Row]:
    """Every situation, however glyphs are read, under each prior; the longest passages by script, too."""
    situations: dict[str, list[ReadFont]] = {WHOLE: list(fonts)}
    for length in PASSAGES:
        title = f"{length:,} characters"
        situations[title] = [
            subset for seed, font in enumerate(fonts) for subset in passages(font, texts, length, seed)
        ]
    for script in sorted({subset.script for subset in situations[title]}):
        situations[f"{title}, {script}"] = [one for one in situations[title] if one.script == script]
    return [
        Row(
            situation, len(asked), sum(len(font.truth) for font in asked), read, prior,
            figures(bundle, asked, prior, read),
        )
        for situation, asked in situations.items()
        if asked
        for prior in (Prior.FONTS, Prior.TEXT)
        for read in Read
        if read is not Read.IN_TEXT or (prior is Prior.TEXT and situation != WHOLE)
    ]  # fmt: skip


def _main(
    kinds: Annotated[
        list[Path] | None, typer.Argument(help="Folders of texts, LANGUAGE.txt; runs/texts/guide.")
    ] = None,
    dataset: Annotated[Path, typer.Option(help="A finished dataset.")] = Path("runs/glyphs.db"),
    bundle: Annotated[Path | None, typer.Option(help="A bundle; the shipped one by default.")] = None,
    split: Annotated[str, typer.Option(help="Families to draw from: validation or test.")] = "validation",
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Accuracy on fonts without a character map, glyph by glyph and together."""
    recogniser = Recogniser(Bundle.load(bundle or default_bundle()), threads=0)
    texts = [
        [list(labels_in(word)) for word in text.split()]
        for kind in kinds or [Path("runs/texts/guide")]
        for text in read_texts(kind)
    ]
    with Dataset.open(dataset) as opened:
        fonts = list(read_fonts(recogniser, opened, Split(split)))
    rows = measure(recogniser.bundle, fonts, texts)
    if json:
        show.as_json([asdict(row) for row in rows])
        return
    title = f"{recogniser.bundle.manifest.name}, a font of each of {len(fonts)} {split} families"
    columns = (
        "what is asked",
        "subsets",
        "glyphs",
        "prior",
        "read",
        "strict",
        "up to equivalence",
        "mean of them",
    )
    cells = [
        (
            row.situation, f"{row.fonts:,}", f"{row.glyphs:,}", str(row.prior),
            str(row.read),
            *(f"{100 * one:.1f}" for one in (row.figures.top1, row.figures.equivalent, row.figures.of_fonts)),
        )
        for row in rows
    ]  # fmt: skip
    print(Table(title, columns, cells).markdown())


if __name__ == "__main__":
    typer.run(_main)
