"""What every server is asked: pictures of glyphs, and the best label of each, worked out beforehand."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from glyphs.fonts import FontFile
from glyphs.picture import read_picture
from glyphs.raster import RasterSettings, draw
from recognition.bundle import Bundle
from recognition.candidates import Candidates
from recognition.priors import Prior
from recognition.recogniser import Recogniser

FONTS = tuple(Path("tests/data/fonts") / name for name in ("sans.ttf", "serif.otf", "naskh.ttf"))
_PAINTED = RasterSettings(size=128, box=104)
_CLEAR = 1.1  # times the second best's probability: no rounding turns the order round


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """N pictures.

    pictures: PNG, dark on white, 128 px
    rasters: (N, S, S), what the pictures are read to
    best: under the font prior, as Glyphery answers unless told otherwise
    plain: by the network's logits alone, as the peers answer
    """

    bundle: Bundle
    pictures: tuple[bytes, ...]
    rasters: NDArray[np.uint8]
    best: tuple[str, ...]
    plain: tuple[str, ...]


def paint(fonts: Sequence[Path] = FONTS) -> list[bytes]:
    """A picture of each glyph of the fonts, no two alike, none empty."""
    found = []
    for path in fonts:
        face = next(FontFile.read(path).faces())
        for index in dict.fromkeys(face.characters().values()):
            glyph = face.glyph(index)
            if glyph is None:
                continue
            ink = draw(glyph.outline, _PAINTED)
            if ink.any():
                file = io.BytesIO()
                Image.fromarray(255 - ink).save(file, "PNG")
                found.append(file.getvalue())
    return list(dict.fromkeys(found))


def asked(bundle: Bundle, most: int) -> Asked:
    """Pictures whose best label is beyond doubt, under either prior."""
    # Spread over all fonts, the same every time; of every three pictures at least one has a clear label.
    painted = paint()
    order = np.random.default_rng(0).permutation(len(painted))[: 3 * most]
    painted = [painted[row] for row in order]
    rasters = np.stack([read_picture(png, bundle.manifest.raster) for png in painted])
    answers = Recogniser(bundle, threads=0).answer(rasters)
    best: list[list[str]] = []
    clear = np.ones(len(rasters), bool)
    for prior in (Prior.FONTS, Prior.UNIFORM):
        rows = Candidates(bundle, prior=prior).recognise(answers, 2)
        best.append([str(row.predictions[0].label) for row in rows])
        first, second = (np.array([row.predictions[place].probability for row in rows]) for place in (0, 1))
        clear &= first > _CLEAR * second
    chosen = np.flatnonzero(clear)[:most].tolist()
    fonts, uniform = (tuple(of[row] for row in chosen) for of in best)
    return Asked(bundle, tuple(painted[row] for row in chosen), rasters[chosen], fonts, uniform)
