"""Tesseract on the characters that it knows, and a recogniser held to the same characters.

It is made for lines of text; one character by itself (`--psm 10`) is its hardest case and our only one.
It is helped where the benchmark can: a list of the possible characters, dark ink on white with a margin, and
of what it reads the first character alone counts.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.glyphs.asked import Asked, faced, outline
from benchmarks.glyphs.contestants import Contestant
from glyphs.errors import BadPicture, GlypheryError
from glyphs.labels import Label
from glyphs.picture import read_picture
from glyphs.raster import Raster, RasterSettings, draw
from training.evaluation import Examined

CHARACTERS = "".join(map(chr, range(0x21, 0x7F)))
GLYPHS = 2000
MISSING = "Tesseract is not installed and is left out; get it with `apt-get install tesseract-ocr`."
_PAINTED = RasterSettings(size=104, box=64)  # 64 px of glyph, 20 px of margin
_PAGES = 100  # pictures a process
Figures = dict[str, Any]


def version() -> str | None:
    """What the program calls itself, or None where there is none."""
    if shutil.which("tesseract") is None:
        return None
    said = subprocess.run(["tesseract", "--version"], capture_output=True, text=True, check=True)
    return (said.stdout or said.stderr).splitlines()[0].strip()


def measured(
    asked: Asked, contestants: Sequence[Contestant], progress: Callable[[int], None] = lambda _: None
) -> Figures:
    """Share right, strictly and up to case, of Tesseract and of each contestant on the same pictures.

    Contestants read the very pictures, and answer under the font prior among the same characters.
    Tesseract is told no metrics: `without_metrics` is the figure to compare.

    Raises:
        BadDataset: the split has no glyph of those characters.
        GlypheryError: Tesseract failed.
    """
    labels = tuple(label for label in asked.labels if _is_known(label))
    characters = np.array([chr(label.codepoint) for label in labels])
    examined = asked.fewer(GLYPHS, labels)
    pictures = [_painted(examined, row) for row in range(len(examined.table))]
    truth = characters[examined.truth].tolist()
    figures: Figures = {
        "glyphs": len(truth),
        "labels": len(labels),
        "tesseract": _shares(truth, read(pictures, progress)),
        "contestants": {},
    }
    metrics = examined.table.metrics
    given = {"with_metrics": metrics, "without_metrics": np.full_like(metrics, np.nan)}
    for contestant in contestants:
        subject = faced(contestant.subject, labels, asked.equivalence)
        rasters = np.stack([_raster(picture, subject.settings) for picture in pictures])
        figures["contestants"][contestant.name] = {
            known: _shares(truth, characters[best.argmax(axis=1)].tolist())
            for known, some in given.items()
            for best in [subject.predict(rasters, some)[0] + subject.log_prior]
        }
    return figures


def read(pictures: Sequence[bytes], progress: Callable[[int], None] = lambda _: None) -> list[str]:
    """The first character that Tesseract reads in each PNG, or ''.

    Raises:
        GlypheryError: it failed, or did not answer for every picture.
    """
    answers: list[str] = []
    for start in range(0, len(pictures), _PAGES):
        answers += _read_pages(pictures[start : start + _PAGES])
        progress(len(answers))
    return answers


def _read_pages(pictures: Sequence[bytes]) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        names = [f"{number}.png" for number in range(len(pictures))]
        for name, picture in zip(names, pictures, strict=True):
            (Path(folder) / name).write_bytes(picture)
        (Path(folder) / "list.txt").write_text("\n".join(names) + "\n")
        done = subprocess.run(
            [
                "tesseract", "list.txt", "read", "--psm", "10", "-l", "eng", "--dpi", "300",
                "-c", f"tessedit_char_whitelist={CHARACTERS}",
            ],
            cwd=folder, capture_output=True, text=True, check=False,
            env=os.environ | {"OMP_THREAD_LIMIT": "1"},
        )  # fmt: skip
        if done.returncode:
            raise GlypheryError(f"Tesseract failed: {done.stderr.strip()}.", "Try it on one picture by hand.")
        pages = (Path(folder) / "read.txt").read_text(encoding="utf-8").split("\f")
    if len(pages) != len(pictures):
        raise GlypheryError(f"Tesseract read {len(pages)} of {len(pictures)} pictures.")
    return ["".join(page.split())[:1] for page in pages]


def _is_known(label: Label) -> bool:
    return not label.form and chr(label.codepoint) in CHARACTERS


def _painted(examined: Examined, row: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(255 - draw(outline(examined, row), _PAINTED)).save(out, "PNG")
    return out.getvalue()


def _raster(picture: bytes, settings: RasterSettings) -> Raster:
    """The picture as the service reads it; blank, and so as good as wrong, where it cannot be read."""
    try:
        return read_picture(picture, settings)
    except BadPicture:
        return np.zeros((settings.size, settings.size), np.uint8)


def _shares(truth: Sequence[str], said: Sequence[str]) -> dict[str, float]:
    pairs = list(zip(truth, said, strict=True))
    return {
        "top1": float(np.mean([true == answer for true, answer in pairs])),
        "cased": float(np.mean([true.lower() == answer.lower() for true, answer in pairs])),
        "silent": float(np.mean([not answer for _, answer in pairs])),
    }
