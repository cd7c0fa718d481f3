"""`glyphery repair`: documents whose text can be seen but neither searched nor copied."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glyphery import show
from glyphery.recognise import BundlePath, Json, Scripts
from glyphery.scoring import check_apart, sigterm_as_exit
from glyphs.errors import BadInput

if TYPE_CHECKING:
    from documents.repair import ReadDocumentFont

_SHOWN = 40  # characters of a font in the table


def repair(
    document: Annotated[Path, typer.Argument(help="A PDF.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the repaired PDF here; without it, only look.")
    ] = None,
    all_: Annotated[
        bool,
        typer.Option("--all", help="Believe the pictures, also where the document says something else."),
    ] = False,
    bundle: BundlePath = None,
    scripts: Scripts = "",
    max_seconds: Annotated[
        int, typer.Option(min=1, max=86_400, help="Computing that reading the document may take.")
    ] = 600,
    max_codes: Annotated[
        int, typer.Option(min=1, help="Different codes that its fonts may set, over all of them.")
    ] = 100_000,
    max_memory: Annotated[int, typer.Option(min=1, help="Of the process that reads it, GiB.")] = 4,
    json: Json = False,
) -> None:
    """Make the text of a PDF searchable and copyable where its fonts do not say what their codes stand for.

    Every code of a font is drawn and recognised, together with the font's others and with the text it stands
    in. Pages look as they did; nothing is changed but what fonts say of themselves (ToUnicode).
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy is there, as `identify` has it
    from bundles import default_bundle
    from documents.repair import read_fonts
    from documents.sandbox import BadDocument, Limits, Reader
    from glyphs.characters import iso_15924
    from glyphs.folders import put, written
    from recognition.bundle import Bundle
    from recognition.candidates import Candidates
    from recognition.priors import Prior
    from recognition.recogniser import Recogniser
    from scoring.reports.report import check_place

    check_apart([out], [document])
    if out:
        check_place(out)
    if not document.is_file():
        raise BadInput(f"{document} is no file.")
    limits = Limits(max_codes, max_seconds, max_memory << 30)
    with sigterm_as_exit(), Reader(limits) as reader:
        reader.start()  # which takes as long as the model takes to load
        recogniser = Recogniser(Bundle.load(bundle or default_bundle()), threads=0)
        used = recogniser.bundle
        candidates = Candidates(used, prior=Prior.TEXT, scripts=iso_15924(scripts))
        try:
            data = document.read_bytes()
            with show.console(stderr=True).status("Reading"):
                text, fonts = reader.read(data, used.manifest.raster)
                read = read_fonts(text, fonts, recogniser.answer, used, candidates, everything=all_)
            maps = {font.font.number: font.cmap() for font in read if font.repaired}
            whole = reader.written(maps) if out and maps else data
        except BadDocument as error:
            raise BadDocument(f"{document}: {error.message}", error.remedy) from None
        if out:
            with written(out):
                put(whole, out)
    if json:
        for font in read:
            show.as_json(font.to_dict())
    else:
        _print(document, text.pages, read)
        if text.unread:
            show.say(f"{text.unread:,} of {text.pages:,} pages cannot be read.")
        _advise(document, out, read, everything=all_)


def _print(document: Path, pages: int, read: list[ReadDocumentFont]) -> None:
    show.table(
        f"{document}: {pages:,} page{'s' * (pages != 1)}",
        ("font", "kind", "codes", "said nothing", "repaired", "unknown", "contradicted", "shows"),
        (
            (
                font.font.name, font.font.kind, len(font.codes), sum(code.silent for code in font.codes),
                font.repaired, font.unknown, font.contradicted, font.font.obstacle or _shown(font),
            )
            for font in read
        ),
    )  # fmt: skip


def _shown(font: ReadDocumentFont) -> str:
    shown = "".join(code.text for code in font.codes if code.recognition)
    return shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 1]}…"


def _advise(document: Path, out: Path | None, read: list[ReadDocumentFont], *, everything: bool) -> None:
    repaired = sum(font.repaired for font in read)
    if out:
        done = f"{repaired:,} codes say what they show" if repaired else "nothing was to be repaired"
        show.say(f"{out} is written: {done}.")
    elif repaired:
        show.say(f"{repaired:,} codes can be repaired: --out writes the document.")
    lying = sum(font.contradicted for font in read)
    if lying and not everything:
        show.say(f"{lying:,} codes say what they do not show. --all believes the pictures.")
