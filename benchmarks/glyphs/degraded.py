"""Accuracy on degraded pictures, read as the service reads them; one that cannot be read counts as wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.glyphs.asked import Asked, Truths, outline
from benchmarks.glyphs.baselines import PER_LABEL, SMALL, NearestPixels
from benchmarks.glyphs.contestants import Contestant
from benchmarks.glyphs.degradations import CLEAN, DEGRADATIONS, Degradation
from benchmarks.glyphs.results import Results
from glyphs.errors import BadFont, BadPicture
from glyphs.picture import read_ink
from glyphs.raster import Raster, RasterSettings, fit
from training.evaluation import Examined, Floats

GLYPHS = 2000
EVERY = {"clean": CLEAN, **DEGRADATIONS}
PICTURES = sum(len(degradation.strengths) for degradation in EVERY.values())  # of each glyph
_CHUNK = 250
Places = NDArray[np.int64]
_KNOWN = "with_metrics", "without_metrics"


@dataclass(frozen=True, slots=True)
class Reader:
    """A recogniser that gives its best label.

    digest: stands for all that its answers depend on
    known: what it is told in turn, `with_metrics` or `without_metrics`
    best: (N, S, S) rasters of these settings and (N, 4) metrics -> (N,) places of the best labels
    """

    name: str
    digest: str
    settings: RasterSettings
    known: tuple[str, ...]
    best: Callable[[NDArray[np.uint8], Floats], Places]


def readers(asked: Asked, contestants: Sequence[Contestant], nearest: NearestPixels) -> list[Reader]:
    """The contestants under the font prior, and nearest pixels, which knows no metrics."""

    def of(contestant: Contestant) -> Reader:
        def best(rasters: NDArray[np.uint8], metrics: Floats) -> Places:
            subject = asked.faced(contestant.subject)
            logits, _ = subject.predict(rasters, metrics)
            found: Places = (logits + subject.log_prior).argmax(axis=1)
            return found

        return Reader(contestant.name, contestant.digest, contestant.subject.settings, _KNOWN, best)

    pixels = Reader(
        nearest.name,
        f"{PER_LABEL} a label",
        SMALL,
        _KNOWN[1:],
        lambda rasters, _: nearest.nearest(rasters)[:, 0],
    )
    return [*(of(contestant) for contestant in contestants), pixels]


def degraded(
    asked: Asked,
    readers: Sequence[Reader],
    results: Results,
    glyphs: int = GLYPHS,
    progress: Callable[[int], None] = lambda _: None,
) -> dict[str, dict[str, Any]]:
    """By degradation, `clean` among them, and by reader: figures of every strength.

    Each degradation of each reader is a part of its own; progress counts pictures, those of finished parts
    too.
    """
    found: dict[str, dict[str, Any]] = {}
    examined: Examined | None = None
    done = 0
    for name, degradation in EVERY.items():
        parts = {reader.name: f"degraded-{name}-{reader.name.replace(' ', '-')}" for reader in readers}
        inputs = {
            reader.name: {"digest": reader.digest, "strengths": degradation.strengths, "glyphs": glyphs}
            for reader in readers
        }
        kept = {reader.name: results.get(parts[reader.name], **inputs[reader.name]) for reader in readers}
        missing = [reader for reader in readers if kept[reader.name] is None]
        if missing:
            examined = examined or asked.fewer(glyphs)
            made = _measured(degradation, examined, missing, asked.alike, partial(_further, progress, done))
            for reader in missing:
                kept[reader.name] = results.put(parts[reader.name], made[reader.name], **inputs[reader.name])
        done += len(degradation.strengths) * glyphs
        progress(done)
        found[name] = kept
    return found


def _further(progress: Callable[[int], None], before: int, done: int) -> None:
    progress(before + done)


def _measured(
    degradation: Degradation,
    examined: Examined,
    readers: Sequence[Reader],
    alike: Truths,
    progress: Callable[[int], None],
) -> dict[str, dict[str, Any]]:
    """By reader: `strengths`, a list of figures, and how many glyphs were asked."""
    glyphs = len(examined.table)
    strengths: dict[str, list[dict[str, Any]]] = {reader.name: [] for reader in readers}
    for number, strength in enumerate(degradation.strengths):
        # By reader and by what is known: whether each glyph is right, strictly and up to equivalence.
        right = {
            (reader.name, known): np.zeros((2, glyphs), bool) for reader in readers for known in reader.known
        }
        unreadable = 0
        for rows, inks in _inks(degradation, strength, examined):
            legible = np.array([ink is not None for ink in inks])
            unreadable += int((~legible).sum())
            for reader in readers:
                rasters = np.stack([_fitted(ink, reader.settings) for ink in inks])
                metrics, truth = examined.table.metrics[rows], examined.truth[rows]
                for known in reader.known:
                    given = metrics if known == "with_metrics" else np.full_like(metrics, np.nan)
                    best = reader.best(rasters, given)
                    right[reader.name, known][:, rows] = (
                        (best == truth) & legible,
                        alike[truth, best] & legible,
                    )
            progress(number * glyphs + rows.stop)
        for reader in readers:
            figures: dict[str, Any] = {"strength": strength, "unreadable": unreadable}
            for known in reader.known:
                strict, equal = right[reader.name, known].mean(axis=1).tolist()
                figures[known] = {"top1": strict, "equivalent": equal}
            strengths[reader.name].append(figures)
    return {name: {"glyphs": glyphs, "strengths": figures} for name, figures in strengths.items()}


def _inks(
    degradation: Degradation, strength: float, examined: Examined
) -> Iterator[tuple[slice, list[NDArray[np.uint8] | None]]]:
    """Rows of the asked glyphs with the ink of their pictures, None where it cannot be read."""
    for start in range(0, len(examined.table), _CHUNK):
        rows = slice(start, min(start + _CHUNK, len(examined.table)))
        yield rows, [_ink(degradation, strength, examined, row) for row in range(rows.start, rows.stop)]


def _ink(degradation: Degradation, strength: float, examined: Examined, row: int) -> NDArray[np.uint8] | None:
    try:
        return read_ink(degradation.picture(outline(examined, row), strength, row))
    except (BadFont, BadPicture):
        return None


def _fitted(ink: NDArray[np.uint8] | None, settings: RasterSettings) -> Raster:
    """What `read_picture` makes of the ink."""
    return np.zeros((settings.size, settings.size), np.uint8) if ink is None else fit(ink, settings)
