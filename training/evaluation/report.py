"""The report: a folder with every figure, answer and class, and one HTML page that holds all pictures.

report.html       the page; it needs nothing beside it
metrics.json      every figure as a number
predictions.npz   the answers (`Record.save`)
per_class.csv     one line a label
*.png             the pictures of the page
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from glyphs import folders
from glyphs.errors import BadInput
from training.data.source import Source
from training.evaluation import confusion, insight, plots
from training.evaluation.examined import Examined
from training.evaluation.measures import reliability
from training.evaluation.pictures import Portraits
from training.evaluation.record import Record

MARK, CLASSES, COMPARISON = "metrics.json", "per_class.csv", "comparison.csv"
_LOOKED_INTO = 12  # glyphs whose attention or primitives are drawn


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure of the page: the PNG's name, its heading, and what to see in it."""

    name: str
    title: str
    says: str
    draw: Callable[[], Figure | None]


@dataclass(frozen=True, slots=True)
class Report:
    """What `examine` found, ready to be written.

    figures: of `examine`, perhaps with `split`; histories: metrics.jsonl of the runs among the subjects
    """

    title: str
    figures: dict[str, Any]
    record: Record
    examined: Examined
    source: Source
    histories: Sequence[Path] = ()

    def write(self, folder: Path) -> None:
        """Write the folder at once or not at all; a report that is there already is replaced.

        Raises:
            BadInput: the folder holds something else.
        """
        with replacing(folder) as work:
            numbers = self.figures | {"title": self.title, "reliability": self._reliability()}
            (work / MARK).write_text(json.dumps(numbers, indent=1, ensure_ascii=False), encoding="utf-8")
            self.record.save(work / "predictions.npz")
            self.record.save_classes(work / CLASSES)
            drawn = [
                {
                    "title": picture.title,
                    "says": picture.says,
                    "image": _png(figure, work / f"{picture.name}.png"),
                }
                for picture in self._pictures()
                if (figure := picture.draw()) is not None
            ]
            page(
                work / "report.html", "report.html.j2", title=self.title, figures=self.figures, pictures=drawn
            )

    def _reliability(self) -> list[dict[str, float]]:
        return reliability(self.record.probabilities[:, 0], self.record.right)

    def _pictures(self) -> Iterator[Picture]:
        record, figures = self.record, self.figures
        subject = record.subject
        seen = np.union1d(record.truth, record.answer)
        portraits = Portraits(self.source, subject.labels, seen, subject.settings)
        separated, histogram = record.separation()
        yield Picture(
            "parts", "Where it is right",
            "Strict accuracy (dot) and accuracy up to equivalence (diamond); the bar between them is what"
            " look-alikes cost. In brackets: glyphs asked.",
            partial(plots.parts, figures),
        )  # fmt: skip
        yield Picture(
            "calibration", "Calibration",
            "A calibrated model is as often right as it is sure: its points lie on the dashed line. Below"
            " it, it is too sure of itself.",
            partial(plots.calibration, record),
        )  # fmt: skip
        yield Picture(
            "classes", "Accuracy of each class",
            "Left, every class counts the same, however common. Right, the lowest of those that were asked"
            " often enough to tell; in brackets, how often.",
            partial(plots.class_accuracy, record, portraits),
        )  # fmt: skip
        yield Picture(
            "f1", "Best and worst classes by F1",
            "F1 falls when a class is missed, and also when it is answered where it should not be.",
            partial(plots.class_f1, record, portraits),
        )  # fmt: skip
        yield Picture(
            "pairs", "Most confused pairs",
            "What the glyph is, what was answered, how many of the class's glyphs went that way (orange where"
            " the two count as equivalent), and some of those very glyphs.",
            partial(confusion.pairs, record, self.examined, portraits),
        )  # fmt: skip
        for name, normalised, cells in (
            ("", False, "Cells count glyphs."),
            (
                "_normalised",
                True,
                "Cells are per cent of the row's glyphs, those answered elsewhere included.",
            ),
        ):
            whole = f"What each glyph is (down) and what was answered (across). {cells}"
            yield Picture(
                f"confusion{name}", "Confusion matrix" + (", normalised" if normalised else ""), whole,
                partial(confusion.whole, record, portraits, normalised=normalised),
            )  # fmt: skip
            yield Picture(
                f"confused_blocks{name}", "Most confused groups" + (", normalised" if normalised else ""),
                f"The groups of labels that are taken for one another most. {whole}",
                partial(confusion.blocks, record, portraits, normalised=normalised),
            )  # fmt: skip
        yield Picture(
            "similarity", "Similarity of embeddings",
            "Glyphs of one label should be more alike than glyphs of different ones: the less the two"
            " overlap, the better the embedding retrieves.",
            partial(plots.similarity, separated, histogram),
        )  # fmt: skip
        yield Picture(
            "tsne", "The embedding from above",
            "t-SNE: neighbours on the page are neighbours in the embedding; distances between groups mean"
            " nothing.",
            partial(insight.tsne, record),
        )  # fmt: skip
        if self.histories:
            yield Picture(
                "training",
                "Training",
                "What the run logged as it learned.",
                partial(plots.history, self.histories),
            )
        if subject.model is not None:
            model, rows = subject.model, record.sample(_LOOKED_INTO)
            rasters = self.examined.drawn(record.shape[rows], subject.settings)
            yield Picture(
                "attention", "Attention",
                "Coloured: what is attended to most, averaged over heads, queries and blocks.",
                partial(insight.attention, model, rasters, subject.channels),
            )  # fmt: skip
            yield Picture(
                "primitives", "Primitives",
                "The primitive seen in each cell; equal colours are equal primitives or close ones, and the"
                " commonest, empty ground, is left clear.",
                partial(insight.primitives, model, rasters, subject.channels),
            )  # fmt: skip


def page(path: Path, template: str, **values: Any) -> None:
    """Fill one of the templates beside this module; everything in it is escaped."""
    environment = Environment(
        loader=PackageLoader("training.evaluation", "."), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["part"] = plots.part
    environment.filters["percent"] = lambda share: "–" if share is None else f"{100 * share:.1f}"
    environment.filters["whole"] = lambda number: f"{number:,}"
    environment.filters["fixed"] = lambda number: "–" if number is None else f"{number:.2f}"
    path.write_text(environment.get_template(template).render(**values), encoding="utf-8")


def check_free(folder: Path) -> None:
    """Raises BadInput where `folder` holds something that is no report, and so is left alone."""
    if not folders.is_free(folder, _is_report):
        raise BadInput(f"{folder} is there already and is no report.", "Choose another --out.")


def _is_report(folder: Path) -> bool:
    """Whether a folder holds what a report, or a comparison, does."""
    return (folder / MARK).exists() and any((folder / name).exists() for name in (CLASSES, COMPARISON))


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """A folder to write a report in, with our way of drawing; it becomes `folder` if the block ends well.

    Raises:
        BadInput: as `check_free`.
    """
    check_free(folder)
    with folders.replacing(folder) as work, plots.calm():
        yield work


def _png(figure: Figure, path: Path) -> str:
    """Save a figure; returns it as a data URI, so that the page can be mailed alone."""
    content = io.BytesIO()
    figure.savefig(content, format="png", bbox_inches="tight", pad_inches=0.15)
    path.write_bytes(content.getvalue())
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"
