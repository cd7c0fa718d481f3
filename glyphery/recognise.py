"""`glyphery classify`, `similar`: a bundle at work without a server, or a server asked."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Unpack

import typer

from glyphery import show
from glyphs.errors import BadInput, GlypheryError

if TYPE_CHECKING:
    from glyphery.client import Context, ServiceError
    from glyphs.labels import Label
    from glyphs.raster import Raster, RasterSettings
    from recognition.priors import Prior

BundlePath = Annotated[
    Path | None,
    typer.Option(help="Folder of a bundle; the shipped one by default. With @int8 after it, in fewer bits."),
]
Scripts = Annotated[str, typer.Option(help="Only these scripts, as Latn,Arab.")]
Charset = Annotated[str, typer.Option(help="Only these characters, written one after another.")]
Server = Annotated[
    str | None, typer.Option(envvar="GLYPHERY_SERVER", help="Address of a service that shall answer instead.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")]
_FEW = 3  # pictures that a service is asked for one by one, ahead of everybody's batches
# How types of problems end that are those of one file.
_OF_FILES = (
    "-image", ":image-too-large", "-font", ":too-many-glyphs", "-document", ":too-many-codes", "-body",
    ":body-too-large",
)  # fmt: skip


def classify(
    pictures: Annotated[list[Path], typer.Argument(help="Pictures of one glyph each.")],
    k: Annotated[int, typer.Option("-k", min=1, help="How many predictions.")] = 5,
    bundle: BundlePath = None,
    prior: Annotated[str, typer.Option(help="What is likely: fonts, text or uniform.")] = "fonts",
    scripts: Scripts = "",
    charset: Charset = "",
    width: Annotated[float | None, typer.Option(min=0, max=64, help="Of the ink, in em.")] = None,
    height: Annotated[float | None, typer.Option(min=0, max=64, help="Of the ink, in em.")] = None,
    bottom: Annotated[
        float | None, typer.Option(min=-64, max=64, help="Foot of the ink above the baseline, in em.")
    ] = None,
    advance: Annotated[
        float | None, typer.Option(min=0, max=64, help="Width with the space around the ink, in em.")
    ] = None,
    server: Server = None,
    json: Json = False,
) -> None:
    """Say which character and joining form each picture shows."""
    one_of(bundle, server)
    told = {"width": width, "height": height, "bottom": bottom, "advance": advance}
    metrics = {name: value for name, value in told.items() if value is not None}
    if metrics and len(pictures) > 1:
        raise BadInput("Metrics are those of one glyph.", f"Ask for each of the {len(pictures)} by itself.")
    answers: Iterable[dict[str, Any]]
    if server:
        answers = _classified_by(
            server, pictures, metrics, k=k, prior=prior, scripts=scripts, charset=charset
        )
    else:
        answers = _classified(pictures, bundle, metrics, k=k, prior=prior, scripts=scripts, charset=charset)
    for picture, answer in zip(pictures, answers, strict=True):
        if json:
            show.as_json({"file": str(picture), **answer})
            continue
        doubt = "" if answer["known"] else " (like nothing that was learned)"
        rows = [
            (p["character"], p["label"], f"{p['probability']:.1%}", p["name"],
             " ".join(map(_character, p["equivalents"])))
            for p in answer["predictions"]
        ]  # fmt: skip
        show.table(f"{picture}{doubt}", ("", "label", "probability", "name", "looks the same"), rows)


def similar(
    asked: Annotated[str, typer.Argument(help="A picture of a glyph, or a label such as 1593_init.")],
    k: Annotated[int, typer.Option("-k", min=1, help="How many neighbours.")] = 10,
    bundle: BundlePath = None,
    scripts: Scripts = "",
    distinct: Annotated[bool, typer.Option("--distinct", help="Of each label only the nearest.")] = False,
    others: Annotated[
        bool, typer.Option("--others", help="Only other labels than the one asked for.")
    ] = False,
    server: Server = None,
    json: Json = False,
) -> None:
    """Show which reference glyphs look most like a picture or a label."""
    one_of(bundle, server)
    if server:
        neighbours = _similar_by(server, asked, k=k, scripts=scripts, distinct=distinct, others=others)
    else:
        neighbours = _similar(asked, bundle, k=k, scripts=scripts, distinct=distinct, others=others)
    if json:
        show.as_json({"neighbours": neighbours})
        return
    rows = [
        (n["character"], n["label"], f"{n['similarity']:.3f}", n["family"], n["style"], n["name"])
        for n in neighbours
    ]
    show.table(asked, ("", "label", "similarity", "family", "style", "name"), rows)


def prior_of(name: str) -> Prior:
    """Raises BadInput where there is no such prior."""
    from recognition.priors import Prior

    if name not in set(Prior):
        raise BadInput(f"There is no prior {name!r}.", f"Choose one of {', '.join(Prior)}.")
    return Prior(name)


def one_of(bundle: Path | None, server: str | None) -> None:
    """Raises BadInput where both are given."""
    if bundle and server:
        raise BadInput(
            f"Either {bundle} answers or a server.", "Give --bundle or --server (GLYPHERY_SERVER)."
        )


def _classified(
    pictures: list[Path],
    bundle: Path | None,
    metrics: Mapping[str, float],
    *,
    k: int,
    prior: str,
    scripts: str,
    charset: str,
) -> Iterator[dict[str, Any]]:
    """An answer for each picture, as they are made; what comes before a bad one is answered."""
    import numpy as np

    from glyphs.characters import iso_15924
    from glyphs.errors import BadPicture
    from glyphs.fonts import Metrics
    from recognition.bundle import Bundle
    from recognition.candidates import Candidates, described
    from recognition.recogniser import LARGEST_BATCH, Recogniser

    likely, codes = prior_of(prior), iso_15924(scripts)
    recogniser = Recogniser(Bundle.load(_path(bundle)), threads=0)
    candidates = Candidates(recogniser.bundle, prior=likely, scripts=codes, charset=charset)
    known = [metrics.get(field.name, np.nan) for field in fields(Metrics)]
    for start in range(0, len(pictures), LARGEST_BATCH):
        rasters: list[Raster] = []
        bad: BadPicture | None = None
        try:
            for picture in pictures[start : start + LARGEST_BATCH]:
                rasters.append(_raster(picture, recogniser.bundle.manifest.raster))
        except BadPicture as error:
            bad = error
        if rasters:
            answers = recogniser.answer(np.stack(rasters), np.array([known] * len(rasters), np.float32))
            yield from map(described, candidates.recognise(answers, k))
        if bad:
            raise bad


def _classified_by(
    server: str, pictures: list[Path], metrics: Mapping[str, float], **context: Unpack[Context]
) -> Iterator[dict[str, Any]]:
    """An answer for each picture, as they come."""
    from glyphery.client import Client, ServiceError

    answered = 0
    with Client(server) as client:
        if len(pictures) > _FEW:
            found = client.classify_batch(pictures, **context)
        else:
            found = (client.classify(picture, metrics=metrics, **context) for picture in pictures)
        try:
            for recognition in found:
                answer = asdict(recognition)
                del answer["model"]
                yield answer
                answered += 1
        except ServiceError as error:
            raise named(pictures[answered], error) from None


def _similar(
    asked: str, bundle: Path | None, *, k: int, scripts: str, distinct: bool, others: bool
) -> list[dict[str, Any]]:
    from glyphs.characters import iso_15924
    from glyphs.errors import BadLabel
    from index.search import Filter, ReferenceIndex, described
    from recognition.bundle import Bundle

    path, codes = Path(asked), iso_15924(scripts)
    label = None if _exists(path) else _label(asked)
    chosen = Bundle.load(_path(bundle))
    references = ReferenceIndex.load(chosen.path)
    if label:
        found = references.embedding_of(label)
        if found is None:
            raise BadLabel(f"The index has no reference of {label}.")
        embedding = found
    else:
        from recognition.candidates import Candidates
        from recognition.recogniser import Recogniser

        answers = Recogniser(chosen, threads=0).answer(_raster(path, chosen.manifest.raster)[None])
        embedding = answers.embeddings
        if others:
            label = Candidates(chosen).recognise(answers, 1)[0].predictions[0].label
    only = Filter(scripts=frozenset(codes), without=frozenset({label} if others and label else ()))
    return described(references.search(embedding, k, only, distinct=distinct)[0], chosen.names)


def _similar_by(
    server: str, asked: str, *, k: int, scripts: str, distinct: bool, others: bool
) -> list[dict[str, Any]]:
    from glyphery.client import Client, Search, ServiceError

    path = Path(asked)
    search: Search = {"k": k, "scripts": scripts, "distinct": distinct, "exclude_same": others}
    with Client(server) as client:
        try:
            if _exists(path):
                neighbours = client.similar(path, **search)
            else:
                neighbours = client.similar_to(str(_label(asked)), **search)
        except ServiceError as error:
            raise named(path, error) from None
    return [asdict(neighbour) for neighbour in neighbours]


def named(file: object, error: ServiceError) -> GlypheryError:
    """The error of one of several files says of which."""
    if error.index is None and not error.type.endswith(_OF_FILES):
        return error
    named = GlypheryError(f"{file}: {error.detail}")
    named.exit_code = error.exit_code
    return named


def without_picture(members: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """For `asdict`: what a service tells of a glyph, as it is told here."""
    return {name: value for name, value in members if name != "picture"}


def _exists(path: Path) -> bool:
    return os.path.exists(path)  # pathlib's own raises where the name is too long


def _label(text: str) -> Label:
    from glyphs.errors import BadLabel
    from glyphs.labels import Label

    try:
        return Label.parse(text)
    except BadLabel as error:
        raise BadLabel(f"{text!r} is neither a file nor a label.", error.remedy) from None


def _character(label: str) -> str:
    return _label(label).character.text


def _raster(picture: Path, settings: RasterSettings) -> Raster:
    """Raises BadPicture, which names it, where it cannot be used."""
    from glyphs.errors import BadPicture
    from glyphs.picture import read_picture

    try:
        return read_picture(picture.read_bytes(), settings)
    except OSError as error:
        raise BadPicture(f"{picture} cannot be read: {error.strerror}.") from None
    except BadPicture as error:
        raise BadPicture(f"{picture}: {error.message}", error.remedy) from None


def _path(bundle: Path | None) -> Path:
    from bundles import default_bundle

    return bundle or default_bundle()
