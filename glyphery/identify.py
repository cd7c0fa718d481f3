"""`glyphery identify`: what every glyph of a font shows, whatever the font says."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glyphery import show
from glyphery.recognise import BundlePath, Charset, Json, Scripts, prior_of
from glyphery.scoring import check_apart
from glyphs.errors import BadFont, BadInput

if TYPE_CHECKING:
    from scoring.identify import IdentifiedFace, IdentifiedGlyph
    from scoring.places import Place
    from scoring.sandbox import Limits


def identify(
    fonts: Annotated[list[str], typer.Argument(help="Font files, or folders to search for them.")],
    out: Annotated[
        list[Path] | None,
        typer.Option(
            help="Write what was found here; repeat for more. The suffix says how: .jsonl has a line a glyph,"
            " .csv the same as a table, .cmap is a PDF's ToUnicode map of one font's glyph indices."
        ),
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, max=64, help="How many predictions of a glyph.")] = 3,
    bundle: BundlePath = None,
    prior: Annotated[
        str,
        typer.Option(
            help="What the glyphs are: fonts, (most of) what a font has; text, those that some text needs, as"
            " in fonts that documents embed; uniform, any."
        ),
    ] = "fonts",
    scripts: Scripts = "",
    charset: Charset = "",
    max_seconds: Annotated[
        float, typer.Option(min=1, max=86_400, help="Computing that reading one font may take.")
    ] = 60,
    max_glyphs: Annotated[int, typer.Option(min=1, help="Glyphs that one font may have.")] = 65_535,
    json: Json = False,
) -> None:
    """Say which character and joining form every glyph of fonts shows, whatever their character maps say.

    For fonts without a character map, as documents embed them, or with a false one, as web fonts have
    against copying. The glyphs of a font are recognised together: it draws a character once, and has those
    that go together.
    """
    # Before numpy is there: threads of its matrix products would wait, spinning, for what the model has.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from scoring import places
    from scoring.reports.identified import SUFFIXES, Lines, records, to_unicode
    from scoring.reports.report import check_place, write
    from scoring.sandbox import Limits

    files = places.find(map(places.place, fonts))
    maps = [path for path in out or [] if path.suffix.lower() == ".cmap"]
    for path in out or []:
        if path.suffix.lower() not in (".jsonl", ".ndjson", ".csv", ".cmap"):
            raise BadInput(f"{path} says nothing of how to write it.", f"There are {SUFFIXES}.")
    if maps and len(files) > 1:
        raise BadInput(f"{maps[0]} is the map of one font.", f"Name one, not {len(files)}.")
    check_apart(out or [], [of for of in files if isinstance(of, Path)])
    for path in maps:
        check_place(path)
    limits = Limits(max_glyphs=max_glyphs, seconds=max_seconds)
    with ExitStack() as open_:
        lines = [open_.enter_context(Lines(path)) for path in out or [] if path not in maps]
        for file, faces in _identified(files, limits, bundle, k, prior, scripts, charset):
            name = places.name(file)
            for one in lines:
                one.add(name, faces)
            for path in maps:
                if len(faces) > 1:
                    raise BadInput(f"{path} is the map of one font, {name} holds {len(faces)}.")
                write(path, to_unicode(faces[0]))
            if json:
                for line in records(name, faces):
                    show.as_json(line)
            else:
                for face in faces:
                    _print(name if len(faces) == 1 else f"{name}, face {face.face}", face)


def _identified(
    files: Sequence[Place],
    limits: Limits,
    bundle: Path | None,
    k: int,
    prior: str,
    scripts: str,
    charset: str,
) -> Iterator[tuple[Place, list[IdentifiedFace]]]:
    """Font by font, as they are read; what comes before a bad one is told."""
    from contextlib import closing

    from bundles import default_bundle
    from glyphs.characters import iso_15924
    from recognition.bundle import Bundle
    from recognition.candidates import Candidates
    from recognition.recogniser import Recogniser
    from scoring import places
    from scoring.identify import identify
    from scoring.sandbox import Sandbox

    likely, codes = prior_of(prior), iso_15924(scripts)
    with closing(Sandbox(limits)) as sandbox:
        sandbox.start()  # which takes as long as the model takes to load
        recogniser = Recogniser(Bundle.load(bundle or default_bundle()), threads=0)
        used = recogniser.bundle
        sandbox.draw_for(used.labels, used.manifest.raster, every_glyph=True)
        candidates = Candidates(used, prior=likely, scripts=codes, charset=charset)
        with show.bar("Identifying", len(files)) as advance:
            for number, file in enumerate(files):
                name = places.name(file)
                advance(number, note=name)
                try:
                    read = sandbox.read(places.read(file))
                    faces = list(identify(read, recogniser.answer, used, candidates, k))
                except BadFont as error:
                    raise BadFont(f"{name}: {error.message}", error.remedy) from None
                yield file, faces
            advance(len(files))


def _print(title: str, face: IdentifiedFace) -> None:
    shown = [glyph for glyph in face.glyphs if glyph.recognition]
    show.table(
        f"{title}: {len(shown)} of {len(face.glyphs)} glyphs have something to see",
        ("glyph", "name", "mapped", "", "label", "probability", "shows"),
        map(_cells, shown),
    )


def _cells(glyph: IdentifiedGlyph) -> tuple[str, ...]:
    from glyphs.characters import code

    assert glyph.recognition is not None
    best, known = glyph.recognition.predictions[0], glyph.recognition.known
    form = f", {best.label.form.words}" if best.label.form.joined else ""
    doubt = "" if known else " (like nothing that was learned)"
    return (
        str(glyph.index), glyph.name, " ".join(map(code, glyph.mapped)), best.label.character.text,
        str(best.label), f"{best.probability:.1%}", f"{best.name}{form}{doubt}",
    )  # fmt: skip
