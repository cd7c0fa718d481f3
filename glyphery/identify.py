"""`glyphery identify`: what every glyph of a font shows, whatever the font says. A bundle at work without a
server, or a server asked.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glyphery import show
from glyphery.recognise import (
    BundlePath,
    Charset,
    Json,
    Scripts,
    Server,
    named,
    one_of,
    prior_of,
    without_picture,
)
from glyphery.scoring import check_apart, sigterm_as_exit
from glyphs.errors import BadFont, BadInput

if TYPE_CHECKING:
    from glyphery.client import Context
    from scoring.places import Place
    from scoring.reports.identified import Face
    from scoring.sandbox import Limits

_OF_FONTS = ":bad-font", ":too-many-glyphs", ":body-too-large"  # how types of problems of one font end
Identify = Callable[[str, bytes], "Sequence[Face]"]  # a font's name, for errors, and its bytes -> its faces


def identify(
    fonts: Annotated[list[str], typer.Argument(help="Font files, or folders to search for them.")],
    out: Annotated[
        list[Path] | None,
        typer.Option(
            help="Write what was found here; repeat for more. The suffix says how: .jsonl has a line a glyph,"
            " .csv the same as a table."
        ),
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, max=64, help="How many predictions of a glyph.")] = 3,
    bundle: BundlePath = None,
    prior: Annotated[
        str,
        typer.Option(
            help="What the glyphs are: text, those that some text needs, as in fonts that documents embed;"
            " fonts, (most of) what a font has; uniform, any."
        ),
    ] = "text",
    scripts: Scripts = "",
    charset: Charset = "",
    max_seconds: Annotated[
        float,
        typer.Option(
            min=1, max=86_400, help="Computing that reading one font may take; a server has its own."
        ),
    ] = 60,
    max_glyphs: Annotated[
        int,
        typer.Option(
            min=1, help="Glyphs that one file may have, over all its faces; a server has its own limit."
        ),
    ] = 200_000,
    server: Server = None,
    json: Json = False,
) -> None:
    """Say which character and joining form every glyph of fonts shows, whatever their character maps say.

    For fonts without a character map, as documents embed them (`repair` is for documents themselves), or with
    a false one, as web fonts have against copying. The glyphs of a font are recognised together: it draws a
    character once, and has those that go together.
    """
    # Before numpy is there: threads of its matrix products would wait, spinning, for what the model has.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from scoring import places
    from scoring.reports.identified import SUFFIXES, Lines, records
    from scoring.sandbox import Limits

    one_of(bundle, server)
    files = places.find(map(places.place, fonts))
    for path in out or []:
        if path.suffix.lower() not in SUFFIXES:
            raise BadInput(f"{path} says nothing of how to write it.", f"There are {', '.join(SUFFIXES)}.")
    check_apart(out or [], [of for of in files if isinstance(of, Path)])
    context: Context = {"k": k, "prior": prior, "scripts": scripts, "charset": charset}
    answering = (
        _by(server, context)
        if server
        else _with(bundle, Limits(max_glyphs=max_glyphs, seconds=max_seconds), k, prior, scripts, charset)
    )
    with sigterm_as_exit(), ExitStack() as open_:
        lines = [open_.enter_context(Lines(path)) for path in out or []]
        unreadable = 0
        for name, faces in _identified(files, open_.enter_context(answering)):
            if isinstance(faces, BadFont):
                unreadable += 1
                if unreadable == len(files):
                    raise faces  # nothing is written
                show.say(str(faces))
                continue
            for one in lines:
                one.add(name, faces)
            if json:
                for line in records(name, faces):
                    show.as_json(line)
            else:
                for face in faces:
                    _print(name if len(faces) == 1 else f"{name}, face {face['face']}", face)
    if unreadable:
        raise typer.Exit(BadFont.exit_code)


def _identified(files: Sequence[Place], ask: Identify) -> Iterator[tuple[str, Sequence[Face] | BadFont]]:
    """Font by font, as they are read, by name: their faces, or why there are none."""
    from scoring import places

    with show.bar("Identifying", len(files)) as advance:
        for number, file in enumerate(files):
            name = places.name(file)
            advance(number, note=name)
            faces: Sequence[Face] | BadFont
            try:
                faces = ask(name, places.read(file))
            except BadFont as error:
                faces = BadFont(f"{name}: {error.message}", error.remedy)
            yield name, faces
        advance(len(files))


@contextmanager
def _with(
    bundle: Path | None, limits: Limits, k: int, prior: str, scripts: str, charset: str
) -> Iterator[Identify]:
    """A bundle identifies."""
    from bundles import default_bundle
    from glyphs.characters import iso_15924
    from recognition.bundle import Bundle
    from recognition.candidates import Candidates
    from recognition.recogniser import Recogniser
    from scoring.identify import identify
    from scoring.sandbox import Sandbox

    likely, codes = prior_of(prior), iso_15924(scripts)
    with closing(Sandbox(limits)) as sandbox:
        sandbox.start()  # which takes as long as the model takes to load
        recogniser = Recogniser(Bundle.load(bundle or default_bundle()), threads=0)
        sandbox.draw_for(None, recogniser.bundle.manifest.raster)
        candidates = Candidates(recogniser.bundle, prior=likely, scripts=codes, charset=charset)

        def identified(name: str, font: bytes) -> list[dict[str, Any]]:
            found = identify(sandbox.read(font), recogniser.answer, candidates, k)
            return [face.to_dict() for face in found]

        yield identified


@contextmanager
def _by(server: str, context: Context) -> Iterator[Identify]:
    """A service identifies."""
    from glyphery.client import Client, ServiceError

    with Client(server) as client:

        def identified(name: str, font: bytes) -> list[dict[str, Any]]:
            try:
                faces = client.identify_font(font, **context).faces
                return [asdict(face, dict_factory=without_picture) for face in faces]
            except ServiceError as error:
                if error.type.endswith(_OF_FONTS):
                    raise BadFont(error.detail) from None
                raise named(name, error) from None

        yield identified


def _print(title: str, face: Face) -> None:
    glyphs = face["glyphs"]
    shown = [glyph for glyph in glyphs if glyph["predictions"]]
    show.table(
        f"{title}: {len(shown)} of {len(glyphs)} glyphs have something to see",
        ("glyph", "name", "mapped", "", "label", "probability", "shows"),
        map(_cells, shown),
    )


def _cells(glyph: Mapping[str, Any]) -> tuple[str, ...]:
    from glyphs.labels import Form

    best = glyph["predictions"][0]
    form = Form(best["form"] or "")
    joined = f", {form.words}" if form.joined else ""
    doubt = "" if glyph["known"] else " (like nothing that was learned)"
    return (
        str(glyph["glyph"]), glyph["name"], " ".join(glyph["mapped"]), best["character"], best["label"],
        f"{best['probability']:.1%}", f"{best['name']}{joined}{doubt}",
    )  # fmt: skip
