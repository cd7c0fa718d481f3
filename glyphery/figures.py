"""The figures of `glyphery bench`: as tables for the terminal, as Markdown, as JSON and as a picture."""

from __future__ import annotations

import math
import os
import platform
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from glyphery.ceilings import FLOAT, INTEGER, ceiling
from glyphery.rates import Rate
from glyphery.workloads import RECOGNISE
from glyphs.folders import written
from recognition.bundle import Bundle
from recognition.layers import Layer

_BUSY = 0.25  # processes that want to run, for each processor, from which a machine counts as busy
_OPERATORS = 12  # of a model that are listed


@dataclass(frozen=True, slots=True)
class Machine:
    """Where figures are from.

    cores: that we may use; load: processes that wanted to run in the minute before
    """

    processor: str
    cores: int
    load: float
    versions: dict[str, str]

    @classmethod
    def here(cls, cores: int) -> Machine:
        names = ("glyphery", "onnxruntime", "numpy", "faiss-cpu", "freetype-py")
        try:
            load = os.getloadavg()[0]
        except OSError:  # it cannot be told
            load = 0.0
        return cls(_processor(), cores, round(load, 2), {name: version(name) for name in names})

    @property
    def busy(self) -> bool:
        return self.load > _BUSY * self.cores


@dataclass(frozen=True, slots=True)
class Model:
    """A bundle's model.

    name: what it is called here, and in rates
    floats, integers: multiply-adds for one image, by the kind of its numbers; layers: one after the other
    is_cascade: whether a faster model is in front of it, which is not counted
    """

    name: str
    digest: str
    precision: str
    floats: int
    integers: int
    layers: tuple[Layer, ...]
    is_cascade: bool = False

    @classmethod
    def of(cls, bundle: Bundle, called: str, layers: Sequence[Layer]) -> Model:
        integers = sum(layer.multiply_adds for layer in layers if layer.integers)
        floats = sum(layer.multiply_adds for layer in layers) - integers
        manifest = bundle.manifest
        return cls(
            called, bundle.digest, manifest.precision, floats, integers, tuple(layers), bool(manifest.cascade)
        )


@dataclass(frozen=True, slots=True)
class Table:
    """A table; numbers are still numbers."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]

    def markdown(self) -> str:
        lines = [
            self.columns,
            ("---",) * len(self.columns),
            *(tuple(_text(cell).strip() for cell in row) for row in self.rows),
        ]
        return f"### {self.title}\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)


class Figures:
    """What was measured, with what follows from it."""

    def __init__(
        self,
        machine: Machine,
        models: tuple[Model, ...],
        rates: tuple[Rate, ...],
        *,
        seconds: float,
        rounds: int,
        profiled: bool,
    ) -> None:
        """seconds: of each measurement, spread over the rounds; profiled: whether layers are told of"""
        self.machine, self.models = machine, models
        self.seconds, self.rounds, self.profiled = seconds, rounds, profiled
        self.rates = tuple(self._with_share(rate, rates) for rate in rates)

    def _with_share(self, rate: Rate, rates: Sequence[Rate]) -> Rate:
        """The share of the machine's products that a recogniser's rate is."""
        model = next((model for model in self.models if model.name == rate.bundle), None)
        if rate.group != RECOGNISE or model is None or model.is_cascade:
            return rate
        return replace(rate, share=rate.median * _floor(model, rates, rate.threads))

    def sentences(self) -> list[str]:
        """What a model multiplies, and what the machine would need for that at least."""
        said = []
        for model in self.models:
            ways = [(model.floats, "float"), (model.integers, "8-bit integer")]
            counts = " and ".join(f"{count / 1e6:,.1f} M {kind}" for count, kind in ways if count)
            floor = _floor(model, self.rates, 1) * 1e3
            if model.is_cascade:
                said.append(
                    f"{model.name}: {counts} multiply-adds an image of the accurate model, which only those"
                    " images take of which the fast one is not sure."
                )
                continue
            said.append(
                f"{model.name}: {counts or 'no'} multiply-adds an image; at the rate of"
                f" large products on one thread {floor:.2f} ms."
            )
        if self.machine.busy:
            said.append(
                f"The machine was busy (load {self.machine.load:g} on {self.machine.cores} processors):"
                " shares and ratios mean more than rates."
            )
        return said

    def tables(self) -> list[Table]:
        """Rates, and for each model where its time goes if that was asked for."""
        cores = self.machine.cores
        several = len(self.models) > 1
        rows = [
            (
                rate.group, f"{rate.name}, {rate.bundle}" if several and rate.bundle else rate.name,
                rate.threads, _text(_rounded(rate.median)).rjust(8), rate.unit,
                f"{_text(_rounded(rate.low))} to {_text(_rounded(rate.high))}",
                "" if rate.share is None else f"{rate.share:.0%}",
                *(["" if rate.beside is None else f"{rate.beside:.2f} x"] if several else []),
            )
            for rate in self.rates
        ]  # fmt: skip
        columns = ["", "what", "threads", "median", "", "slowest to fastest round", "of the ceiling"]
        if several:
            columns.append("beside the first")
        tables = [Table(f"{self.machine.processor}, {cores} processors", tuple(columns), rows)]
        if self.profiled:
            tables += [_by_operator(model, self.rates) for model in self.models]
        return tables

    def markdown(self) -> str:
        """Tables and sentences for a document."""
        versions = ", ".join(f"{name} {number}" for name, number in self.machine.versions.items())
        how = f"{self.rounds} rounds, {self.seconds:g} s a measurement; {versions}."
        said = [table.markdown() for table in self.tables()]
        return "\n".join([*said, *(f"- {sentence}" for sentence in self.sentences()), f"- {how}", ""])

    def to_dict(self) -> dict[str, Any]:
        models = []
        for model in self.models:
            values = asdict(model)
            if not self.profiled:
                del values["layers"]
            models.append(values | {"floor_seconds": _floor(model, self.rates, 1)})
        return {
            "machine": asdict(self.machine) | {"busy": self.machine.busy},
            "seconds": self.seconds,
            "rounds": self.rounds,
            "models": models,
            "rates": [asdict(rate) for rate in self.rates],
        }


def write_plot(figures: Figures, path: Path) -> None:
    """Rates as bars, each beside the fastest of its kind, and shares of the ceiling.

    Raises:
        BadInput: the picture cannot be written.
    """
    line, bar_width, margin, font = 22, 360, 20, ImageFont.load_default(size=14)
    rates = figures.rates
    names = [f"{rate.group}: {rate.name}, {rate.threads} thr. {rate.bundle}" for rate in rates]
    name_width = math.ceil(max(map(font.getlength, names))) + 2 * margin
    best: dict[tuple[str, str], float] = defaultdict(float)
    for rate in rates:
        best[rate.group, rate.unit] = max(best[rate.group, rate.unit], rate.median)
    picture = Image.new("RGB", (name_width + bar_width + 300, line * (len(rates) + 2) + 2 * margin), "white")
    pen = ImageDraw.Draw(picture)
    pen.text(
        (margin, margin), f"{figures.machine.processor}, {figures.machine.cores} processors", "black", font
    )
    for row, (rate, name) in enumerate(zip(rates, names, strict=True), 2):
        y = margin + row * line
        pen.text((margin, y), name, "black", font)
        length = round(bar_width * rate.median / best[rate.group, rate.unit])
        pen.rectangle((name_width, y + 2, name_width + max(1, length), y + line - 5), "#4a7fb5")
        share = "" if rate.share is None else f", {rate.share:.0%} of the ceiling"
        told = f"{_text(_rounded(rate.median))} {rate.unit}{share}"
        pen.text((name_width + length + 8, y), told, "black", font)
    with written(path):
        picture.save(path, "PNG")


def _floor(model: Model, rates: Sequence[Rate], threads: int) -> float:
    """Seconds that an image takes at least: its multiply-adds at the rate of large products."""
    floats, integers = (ceiling(rates, kind, threads) for kind in (FLOAT, INTEGER))
    return model.floats / floats + model.integers / integers


def _by_operator(model: Model, rates: Sequence[Rate]) -> Table:
    """Operators by what they take together, with the rate of those that multiply."""
    floats, integers = (ceiling(rates, kind, 1) for kind in (FLOAT, INTEGER))
    grouped: dict[tuple[str, bool], list[Layer]] = defaultdict(list)
    for layer in model.layers:
        grouped[layer.operator, layer.integers].append(layer)
    total = sum(layer.seconds for layer in model.layers)
    rows = []
    for (operator, whole), layers in grouped.items():
        seconds = sum(layer.seconds for layer in layers)
        products = sum(layer.multiply_adds for layer in layers)
        reached = (
            f"{products / max(seconds, 1e-12) / (integers if whole else floats):.0%}" if products else ""
        )
        rows.append((operator, len(layers), seconds * 1e6, f"{seconds / total:.1%}", products / 1e6, reached))
    rows.sort(key=lambda row: -row[2])
    shown = [(*row[:2], round(row[2]), row[3], f"{row[4]:,.1f}" if row[4] else "", row[5]) for row in rows]
    columns = ("operator", "times", "µs an image", "share", "M multiply-adds", "of the ceiling")
    return Table(f"{model.name}, batch of 32 on one thread, by operator", columns, shown[:_OPERATORS])


def _rounded(value: float) -> float | int:
    """With as many places as matter."""
    return round(value) if value >= 100 else round(value, 1 if value >= 10 else 2)


def _text(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int | float) else str(value).replace("|", "\\|")


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
