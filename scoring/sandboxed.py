"""What runs in the sandbox: fonts are read and drawn as they come, and told as `scoring.sandbox` says."""

from __future__ import annotations

import json
import math
import resource
from collections.abc import Container
from dataclasses import fields
from itertools import islice
from operator import attrgetter
from pathlib import Path

from glyphs.confined import limit, serve
from glyphs.errors import BadFont
from glyphs.fonts import FontFile
from glyphs.labels import Label
from glyphs.outline import Outline, outline_hash, svg_paths
from glyphs.pipe import receive, send
from glyphs.raster import RasterSettings, draw_all
from scoring.composition import bears_marks
from scoring.pieces import Piece, pieces_of
from scoring.reader import ReadFace, TooManyGlyphs, read_faces
from scoring.sandbox import CHUNK, DrawnGlyph, Limits

_PATHS = 1024  # that are written at once
_MIB = 2**20
_values = attrgetter(*(field.name for field in fields(DrawnGlyph)))  # `astuple` would copy each of them


def _answer(source: int, to: int) -> None:
    try:
        setting, _ = receive(source)
    except EOFError:
        return
    labels = None if setting["labels"] is None else frozenset(map(Label.parse, setting["labels"]))
    settings, limits = RasterSettings(**setting["raster"]), Limits(**setting["limits"])
    limit(resource.RLIMIT_AS, limits.max_memory)
    limit(resource.RLIMIT_CORE, 0)
    while True:
        try:
            _, data = receive(source)
        except EOFError:
            return
        used = resource.getrusage(resource.RUSAGE_SELF)
        allowed = math.ceil(used.ru_utime + used.ru_stime + limits.seconds)
        limit(resource.RLIMIT_CPU, allowed, for_good=False)
        error, too_many, spoilt = "", False, False
        try:
            # Its name and hash are the parent's business.
            told = 0
            font, every_glyph = FontFile(Path(), data, ""), labels is None
            for face in read_faces(font, limits.max_glyphs, every_glyph=every_glyph):
                told += _tell(to, face, labels, settings, limits.max_answer - told)
        except BadFont as problem:
            error, too_many = str(problem), isinstance(problem, TooManyGlyphs)
        except MemoryError:
            error = f"It takes more than {limits.max_memory // _MIB} MiB of memory."
            spoilt = True
        except OSError:  # nobody listens any more
            return
        except Exception as problem:  # of what a hostile font draws, too
            error = f"It broke a parser: {type(problem).__name__}."
        end = {"kind": "end", "error": error, "too_many": too_many, "spoilt": spoilt}
        send(to, json.dumps(end).encode())
        if spoilt:
            return


def _tell(
    to: int, face: ReadFace, labels: frozenset[Label] | None, settings: RasterSettings, most: int
) -> int:
    """Send a face, which may have so many bytes at most, and its rasters; return how many bytes it has.

    labels: which claims get rasters, paths and pieces; None: all drawings get rasters, and nothing else

    Raises:
        BadFont: it has more.
    """
    wanted: Container[int] = range(len(face.drawings))
    pieces, paths = dict[int, tuple[Piece, ...]](), dict[int, str]()
    if labels is not None:
        wanted = {claim.drawing for claim in face.claims if claim.label in labels}
        pieces, paths = _pieces_by_place(face, labels), _paths_by_place(face)
    drawn: list[DrawnGlyph] = []
    numbers: dict[tuple[str, tuple[float, ...]], int] = {}
    outlines: list[Outline] = []
    for place, drawing in enumerate(face.drawings):
        glyph = drawing.glyph
        if glyph is None:
            drawn.append(
                DrawnGlyph(
                    drawing.index,
                    drawing.name,
                    notdef=drawing.notdef,
                    broken=drawing.broken,
                    coloured=drawing.coloured,
                    advance=drawing.advance,
                )
            )
            continue
        shape, of = outline_hash(glyph.outline.to_bytes()).hex(), glyph.metrics
        metrics = (of.width, of.height, of.bottom, of.advance)
        raster = None
        if place in wanted:
            raster = numbers.setdefault((shape, metrics), len(numbers))
            if raster == len(outlines):
                outlines.append(glyph.outline)
        drawn.append(
            DrawnGlyph(
                drawing.index, drawing.name, shape, paths.get(place, ""), metrics, raster, drawing.notdef,
                pieces=pieces.get(place, ()),
            )
        )  # fmt: skip
    claims = [
        (claim.codepoint, claim.label.codepoint, claim.label.form, claim.drawing, claim.absent)
        for claim in face.claims
    ]
    message = {
        "kind": "face", "face": face.face, "instance": face.instance, "family": face.family,
        "style": face.style, "units_per_em": face.units_per_em, "claims": claims,
        "drawings": list(map(_values, drawn)), "rasters": len(outlines),
    }  # fmt: skip
    document = json.dumps(message).encode()
    if len(document) > most:
        raise BadFont(f"What is in it takes more than {most // _MIB} MiB to tell.")
    send(to, document)
    for first in range(0, len(outlines), CHUNK):
        # One that encloses nothing is blank: its glyph will look like nothing that is known.
        pixels = draw_all(outlines[first : first + CHUNK], settings, blanks=True)
        send(to, json.dumps({"kind": "rasters", "first": first}).encode(), pixels.tobytes())
    return len(document)


def _paths_by_place(face: ReadFace) -> dict[int, str]:
    """SVG paths of the drawings that have ink, which begins at x = 0; the baseline is y = 0."""
    glyphs = {
        place: drawing.glyph for place, drawing in enumerate(face.drawings) if drawing.glyph is not None
    }
    paths: list[str] = []
    waiting = iter(glyphs.values())
    while some := list(islice(waiting, _PATHS)):
        origins = [(0, glyph.origin[1]) for glyph in some]
        paths += svg_paths([glyph.outline for glyph in some], origins)
    return dict(zip(glyphs, paths, strict=True))


def _pieces_by_place(face: ReadFace, labels: frozenset[Label]) -> dict[int, tuple[Piece, ...]]:
    """The pieces of the drawings that letters with marks have."""
    glyphs = {
        claim.drawing: glyph
        for claim in face.claims
        if claim.label in labels
        and bears_marks(claim.label)
        and (glyph := face.drawings[claim.drawing].glyph) is not None
    }
    found = pieces_of(
        [glyph.outline for glyph in glyphs.values()], [glyph.metrics.bottom for glyph in glyphs.values()]
    )
    return dict(zip(glyphs, found, strict=True))


if __name__ == "__main__":
    serve(_answer)
