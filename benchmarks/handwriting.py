"""How often is real handwriting read right by a model of printed glyphs?

Pictures of EMNIST's files (digits and letters that people wrote, 28 pixels a side) are read as the service
reads a posted one. A letter alone on a small picture shows neither its case nor which of its twins it is, so
an answer is right up to case and equivalence. Each is asked twice: with every label possible, and with the
characters of the files only. `--treat` asks again with pictures that a sender has made clearer.
Run: `python -m benchmarks.handwriting --emnist FOLDER`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from bundles import default_bundle
from glyphery import show
from glyphs.equivalence import Equivalence
from glyphs.errors import BadPicture
from glyphs.labels import Label
from glyphs.picture import read_picture
from glyphs.raster import RasterSettings
from glyphs.splits import Split
from recognition.bundle import Bundle
from recognition.candidates import Candidates
from recognition.priors import Prior
from recognition.recogniser import LARGEST_BATCH, Recogniser
from training.data.emnist import open_emnist

Ink = NDArray[np.uint8]  # (H, W), 255 on 0
Treatment = Callable[[Image.Image], Image.Image]
_BEST = 5
_TIMES = 8


def _enlarged(picture: Image.Image) -> Image.Image:
    size = (picture.width * _TIMES, picture.height * _TIMES)
    return picture.resize(size, Image.Resampling.BICUBIC)


def _sharpened(picture: Image.Image) -> Image.Image:
    return _enlarged(picture).filter(ImageFilter.UnsharpMask(radius=_TIMES, percent=200, threshold=0))


def _hardened(picture: Image.Image) -> Image.Image:
    """A smooth edge half way between ink and paper, as a pen leaves it."""
    steep = np.asarray(_enlarged(picture), np.float32)
    return Image.fromarray(np.clip((steep - 128) * 4 + 128, 0, 255).astype(np.uint8))


def _thinned(picture: Image.Image) -> Image.Image:
    """The same with half a pixel of the stroke gone on either side: it is dark, so the light grows."""
    return _hardened(picture).filter(ImageFilter.MaxFilter(2 * (_TIMES // 2) + 1))


AS_THEY_ARE = "as they are"
TREATMENTS: dict[str, Treatment] = {
    AS_THEY_ARE: lambda picture: picture,
    "enlarged": _enlarged,
    "enlarged, sharpened": _sharpened,
    "enlarged, edges steep": _hardened,
    "enlarged, edges steep, strokes thinner": _thinned,
}


def _main(
    emnist: Annotated[Path, typer.Option(help="Folder of EMNIST's files.")],
    split: Annotated[str, typer.Option(help="Which of EMNIST's splits, where the folder has several.")] = "",
    bundle: Annotated[
        Path | None, typer.Option(help="Folder of a bundle; the shipped one by default.")
    ] = None,
    pictures: Annotated[int, typer.Option(help="Test pictures, drawn by lot; 0 for all.")] = 0,
    prior: Annotated[Prior, typer.Option(help="What is likely.")] = Prior.FONTS,
    treat: Annotated[
        bool, typer.Option("--treat", help="Also pictures that a sender has made clearer.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Per cent of handwritten pictures read right, up to case and equivalence."""
    recogniser = Recogniser(Bundle.load(bundle or default_bundle()), threads=0)
    source = open_emnist(emnist, split)
    table = source.table(Split.TEST)
    rows = np.random.default_rng(0).permutation(len(table))[: pictures or len(table)]
    truth = [source.all_labels[int(label)] for label in table.label[rows]]
    inks = [np.asarray(source.gallery[int(shape)], np.uint8) for shape in table.shape[rows]]
    charset = "".join(chr(label.codepoint) for label in source.all_labels)
    possible = {
        "any label": Candidates(recogniser.bundle, prior=prior),
        f"{len(charset)} characters": Candidates(recogniser.bundle, prior=prior, charset=charset),
    }
    found = {
        name: _shares(recogniser, possible, inks, truth, treatment)
        for name, treatment in TREATMENTS.items()
        if treat or name == AS_THEY_ARE
    }
    if json:
        show.as_json({"pictures": len(rows), **found})
        return
    title = f"Handwriting read right by {recogniser.bundle.manifest.name}, per cent of {len(rows):,} pictures"
    shown = [(name, *(f"{100 * share:.1f}" for share in shares.values())) for name, shares in found.items()]
    show.table(title, ("pictures", *found[AS_THEY_ARE]), shown)


def _shares(
    recogniser: Recogniser,
    possible: dict[str, Candidates],
    inks: Iterable[Ink],
    truth: list[Label],
    treatment: Treatment,
) -> dict[str, float]:
    """Of each kind of question the shares that are right at once, and among the five best."""
    settings = recogniser.bundle.manifest.raster
    rasters = np.stack([_read(treatment(Image.fromarray(255 - ink)), settings) for ink in inks])
    parts = [
        recogniser.answer(rasters[start : start + LARGEST_BATCH])
        for start in range(0, len(rasters), LARGEST_BATCH)
    ]
    equivalence = recogniser.bundle.equivalence
    shares: dict[str, float] = {}
    for asked, candidates in possible.items():
        ranks = []
        answers = (found for part in parts for found in candidates.recognise(part, _BEST))
        for raster, wanted, recognition in zip(rasters, truth, answers, strict=True):
            labels = [prediction.label for prediction in recognition.predictions]
            hits = [place for place, label in enumerate(labels) if is_right(equivalence, label, wanted)]
            ranks.append(hits[0] if hits and raster.any() else _BEST)
        shares[f"{asked}: top 1"] = float(np.mean(np.array(ranks) == 0))
        shares[f"{asked}: top {_BEST}"] = float(np.mean(np.array(ranks) < _BEST))
    return shares


def _read(picture: Image.Image, settings: RasterSettings) -> Ink:
    """The raster of a posted picture; blank, and so counted wrong, where it cannot be read."""
    file = io.BytesIO()
    picture.save(file, "PNG")
    try:
        return read_picture(file.getvalue(), settings)
    except BadPicture:
        return np.zeros((settings.size, settings.size), np.uint8)


def is_right(equivalence: Equivalence, label: Label, wanted: Label) -> bool:
    """Whether a label is the wanted character in either case, or a twin of either."""
    character = chr(wanted.codepoint)
    either = {Label(ord(case)) for case in (character, character.lower(), character.upper())}
    return label in either or any(equivalence.same(label, one) for one in either)


if __name__ == "__main__":
    typer.run(_main)
