"""`glyphery repair`: documents whose text can be seen but neither searched nor copied. A bundle at work
without a server, or a server asked.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glyphery import show
from glyphery.recognise import BundlePath, Json, Scripts, Server, named, one_of, without_picture
from glyphery.scoring import check_apart, sigterm_as_exit
from glyphs.errors import BadInput

if TYPE_CHECKING:
    from documents.sandbox import Limits

Font = Mapping[str, Any]  # as clients see it
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
    k: Annotated[
        int, typer.Option("-k", min=1, max=8, help="How many predictions of a code, with --json.")
    ] = 3,
    bundle: BundlePath = None,
    scripts: Scripts = "",
    max_seconds: Annotated[
        int,
        typer.Option(
            min=1,
            max=86_400,
            help="Computing that reading the document may take; a server has its own limit.",
        ),
    ] = 600,
    max_codes: Annotated[
        int,
        typer.Option(
            min=1,
            help="Different codes that its fonts may set, over all of them; a server has its own limit.",
        ),
    ] = 100_000,
    max_memory: Annotated[
        int,
        typer.Option(
            min=1, max=1 << 20, help="Of the process that reads it, GiB; a server has its own limit."
        ),
    ] = 4,
    server: Server = None,
    json: Json = False,
) -> None:
    """Make the text of a PDF searchable and copyable where its fonts do not say what their codes stand for.

    Every code of a font is drawn and recognised, together with the font's others and with the text it stands
    in. Pages look as they did; nothing is changed but what fonts say of themselves (ToUnicode).
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy is there, as `identify` has it
    from documents.sandbox import Limits
    from glyphs.folders import put, written
    from scoring.reports.report import check_place

    one_of(bundle, server)
    check_apart([out], [document])
    if out:
        check_place(out)
    if not document.is_file():
        raise BadInput(f"{document} is no file.")
    with sigterm_as_exit(), show.console(stderr=True).status("Reading"):
        if server:
            done = _repaired_by(server, document, scripts, k, max_seconds, everything=all_)
        else:
            limits = Limits(max_codes, max_seconds, max_memory << 30)
            done = _repaired(document, bundle, limits, scripts, k, everything=all_, write=out is not None)
        if out:
            with written(out):
                put(document.read_bytes() if done.document is None else done.document, out)
    if done.damaged:
        show.say(f"{document} is damaged: more may have been in it than was found.")
    if done.signed and done.document is not None:
        show.say(f"{document} is signed; no signature vouches for what is repaired.")
    if json:
        for font in done.fonts:
            show.as_json(font)
    else:
        _print(document, done)
        if done.unread:
            show.say(f"{done.unread:,} of {done.pages:,} pages cannot be read.")
        _advise(document, out, done.fonts, everything=all_)


@dataclass(frozen=True, slots=True)
class _Done:
    """document: None where nothing was to be repaired, or written"""

    pages: int
    unread: int
    signed: bool
    damaged: bool
    fonts: Sequence[Font]
    document: bytes | None


def _repaired(
    document: Path,
    bundle: Path | None,
    limits: Limits,
    scripts: str,
    k: int,
    *,
    everything: bool,
    write: bool,
) -> _Done:
    """A bundle repairs."""
    from bundles import default_bundle
    from documents.repair import read_fonts
    from documents.sandbox import BadDocument, Reader
    from glyphs.characters import iso_15924
    from recognition.bundle import Bundle
    from recognition.candidates import Candidates
    from recognition.priors import Prior
    from recognition.recogniser import Recogniser

    with Reader(limits) as reader:
        reader.start()  # which takes as long as the model takes to load
        recogniser = Recogniser(Bundle.load(bundle or default_bundle()), threads=0)
        used = recogniser.bundle
        candidates = Candidates(used, prior=Prior.TEXT, scripts=iso_15924(scripts))
        try:
            text, fonts = reader.read(document.read_bytes(), used.manifest.raster)
            read = read_fonts(text, fonts, recogniser.answer, candidates, everything=everything)
            texts = {font.font.number: font.texts() for font in read if font.repaired}
            whole = reader.written(texts) if write and texts else None
        except BadDocument as error:
            raise BadDocument(f"{document}: {error.message}", error.remedy) from None
    return _Done(
        text.pages, text.unread, text.signed, text.damaged, [font.to_dict(k) for font in read], whole
    )


def _repaired_by(
    server: str, document: Path, scripts: str, k: int, seconds: int, *, everything: bool
) -> _Done:
    """A service repairs."""
    from glyphery.client import Client, ServiceError

    with Client(server) as client:
        try:
            found = client.repair(document, everything=everything, scripts=scripts, k=k, timeout=seconds)
        except ServiceError as error:
            raise named(str(document), error) from None
    fonts = [asdict(font, dict_factory=without_picture) for font in found.fonts]
    return _Done(found.pages, found.unread, found.signed, found.damaged, fonts, found.document)


def _print(document: Path, done: _Done) -> None:
    show.table(
        f"{document}: {done.pages:,} page{'s' * (done.pages != 1)}",
        ("font", "kind", "codes", "said nothing", "repaired", "unknown", "contradicted", "shows"),
        (
            (
                font["font"], font["kind"], len(font["codes"]), font["silent"], font["repaired"],
                font["unknown"], font["contradicted"], font["reason"] or _shown(font),
            )
            for font in done.fonts
        ),
    )  # fmt: skip


def _shown(font: Font) -> str:
    shown = "".join(code["text"] for code in font["codes"] if code["predictions"])
    return shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 1]}…"


def _advise(document: Path, out: Path | None, fonts: Sequence[Font], *, everything: bool) -> None:
    repaired = sum(font["repaired"] for font in fonts)
    if out:
        done = f"{repaired:,} codes say what they show" if repaired else "nothing was to be repaired"
        show.say(f"{out} is written: {done}.")
    elif repaired:
        show.say(f"{repaired:,} codes can be repaired: --out writes the document.")
    lying = sum(font["contradicted"] for font in fonts)
    if lying and not everything:
        show.say(f"{lying:,} codes say what they do not show. --all believes the pictures.")
