"""What `glyphery bench` measures of Glyphery itself, with peers where one is at hand."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from glyphery.rates import Work
from glyphs.errors import BadFont, BadInput
from glyphs.fonts import FontFile, Glyph
from glyphs.outline import Outline
from glyphs.picture import read_picture
from glyphs.raster import RasterSettings, draw, draw_all
from glyphs.shaping import labelled_glyphs
from index.search import FILE, ReferenceIndex
from recognition.bundle import Bundle
from recognition.recogniser import Recogniser
from scoring.sandbox import Sandbox
from scoring.score import Scorer

BATCHES = (1, 8, 32, 256)
RECOGNISE = "recognise"
_PICTURE = RasterSettings(size=160, box=128)  # of pictures that are decoded
_NEIGHBOURS = 10


@dataclass(frozen=True, slots=True)
class Fonts:
    """Fonts with all they draw.

    glyphs: of all of them, distinct ones and repeated ones alike, joining forms included
    """

    files: tuple[FontFile, ...]
    glyphs: tuple[Glyph, ...]

    @classmethod
    def read(cls, paths: Sequence[Path]) -> Fonts:
        """paths: none for the two small ones that come with Glyphery, Latin and Arabic

        Raises:
            BadFont: one of them cannot be read.
            BadInput: they draw nothing.
        """
        shipped = [Path(str(files("glyphery"))) / "data" / name for name in ("sans.ttf", "naskh.ttf")]
        found = tuple(map(FontFile.read, paths or shipped))
        glyphs = tuple(glyph for font in found for glyph in glyphs_of(font))
        if not glyphs:
            raise BadInput("The fonts have no glyph to draw.", "Name another with --font.")
        return cls(found, glyphs)


def glyphs_of(font: FontFile) -> Iterator[Glyph]:
    """Every glyph of every label of every face; broken ones are left out."""
    for face in font.faces():
        for components in labelled_glyphs(face).values():
            try:
                glyph = face.glyph(components)
            except BadFont:
                continue
            if glyph is not None:
                yield glyph


def drawing(fonts: Fonts) -> list[Work]:
    """Outlines, font files and pictures to rasters, on one core."""
    outlines = [glyph.outline for glyph in fonts.glyphs]
    count = len(outlines)
    settings = RasterSettings()
    out = np.empty((count, settings.size, settings.size), np.uint8)
    pictures = [_png(outline) for outline in outlines[:64]]
    letters = "".join(map(chr, range(0x41, 0x5B)))
    painter = ImageFont.truetype(io.BytesIO(fonts.files[0].data), settings.box)

    def from_files() -> None:
        for font in fonts.files:
            found = [glyph.outline for glyph in glyphs_of(font)]
            draw_all(found, settings, out[: len(found)], blanks=True)

    def one_by_one() -> None:
        for outline in outlines:
            with suppress(BadFont):  # it encloses nothing
                draw(outline, settings)

    def by_pillow() -> None:
        for letter in letters:
            picture = Image.new("L", (settings.size, settings.size))
            ImageDraw.Draw(picture).text((8, 8), letter, 255, painter)

    return [
        Work(group="draw", name=name, unit="glyphs/s", items=items, run=run)
        for name, items, run in (
            ("outlines into a batch", count, partial(draw_all, outlines, settings, out, blanks=True)),
            ("outlines one by one", count, one_by_one),
            ("font files, shaped, into a batch", count, from_files),
            ("Pillow's text, for comparison", len(letters), by_pillow),
            ("pictures (PNG) to rasters", len(pictures), lambda: [read_picture(of) for of in pictures]),
        )
    ]


def recognition(bundle: Bundle, called: str, fonts: Fonts, batches: Sequence[int], cores: int) -> list[Work]:
    """The model of a bundle on drawn glyphs, in batches, on one thread and on all cores."""
    rasters, metrics = _inputs(bundle, fonts, max(batches))
    found = []
    for threads in sorted({1, cores}):
        recogniser = Recogniser(bundle, threads=threads)
        found += [
            Work(
                group=RECOGNISE, name=f"batch of {batch}", unit="images/s", items=batch, threads=threads,
                run=partial(recogniser.answer, rasters[:batch], metrics[:batch]), bundle=called,
            )
            for batch in batches
        ]  # fmt: skip
    return found


def scoring(bundle: Bundle, called: str, fonts: Fonts, cores: int, open_: ExitStack) -> list[Work]:
    """The first font scored as a whole, by a reader and a model that are warm; and read and drawn only.

    open_: closes the processes that read fonts
    """
    font = fonts.files[0]
    scorer = open_.enter_context(Scorer(Recogniser(bundle), lanes=0))
    reader = Sandbox().draw_for(bundle.labels, bundle.manifest.raster)
    open_.callback(reader.close)
    count = sum(scorer.score(font.path.name, font.data).counts().values())
    if not count:
        raise BadInput(f"{font.path} cannot be scored.", "Name another with --font.")
    return [
        Work(
            group="score", name=name, unit="glyphs/s", items=count, run=run, threads=cores,
            bundle=called,
        )
        for name, run in (
            (f"{font.path.name}, warm", partial(scorer.score, font.path.name, font.data)),
            ("of that: read and drawn", lambda: list(reader.read(font.data))),
        )
    ]  # fmt: skip


def search(bundle: Bundle, called: str, fonts: Fonts) -> list[Work]:
    """The bundle's index asked with embeddings of drawn glyphs, beside numpy; nothing without an index."""
    if not bundle.has(FILE):
        return []
    index = ReferenceIndex.load(bundle.path)
    queries = Recogniser(bundle, threads=0).answer(*_inputs(bundle, fonts, 32)).embeddings
    stored = index.embeddings

    def by_numpy() -> None:
        np.argpartition(stored @ queries[0], -_NEIGHBOURS)[-_NEIGHBOURS:]

    return [
        Work(group="search", name=name, unit="queries/s", items=items, run=run, bundle=called)
        for name, items, run in (
            (f"{len(stored):,} references", 1, lambda: index.search(queries[:1], _NEIGHBOURS)),
            (f"{len(stored):,} references, 32 at once", 32, lambda: index.search(queries, _NEIGHBOURS)),
            ("all products by numpy, for comparison", 1, by_numpy),
        )
    ]


def _inputs(bundle: Bundle, fonts: Fonts, count: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Rasters and metrics of so many glyphs, the same ones again where there are fewer."""
    chosen = [fonts.glyphs[number % len(fonts.glyphs)] for number in range(count)]
    rasters = draw_all([glyph.outline for glyph in chosen], bundle.manifest.raster, blanks=True)
    metrics = [(of.metrics.width, of.metrics.height, of.metrics.bottom, of.metrics.advance) for of in chosen]
    return rasters, np.array(metrics, np.float32)


def _png(outline: Outline) -> bytes:
    """A dark glyph on white, as it might be posted."""
    (ink,) = draw_all([outline], _PICTURE, blanks=True)
    packed = io.BytesIO()
    Image.fromarray(255 - ink).save(packed, "PNG")
    return packed.getvalue()
