"""`glyphery classify`, `similar`: a bundle at work without a server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glyphery import show

if TYPE_CHECKING:
    from recognition.recogniser import Answers, Recogniser

BundlePath = Annotated[Path | None, typer.Option(help="Folder of a bundle; the shipped one by default.")]
Scripts = Annotated[str, typer.Option(help="Only these scripts, as Latn,Arab.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")]


def classify(
    pictures: Annotated[list[Path], typer.Argument(help="Pictures of one glyph each.")],
    k: Annotated[int, typer.Option("-k", min=1, help="How many predictions.")] = 5,
    bundle: BundlePath = None,
    prior: Annotated[str, typer.Option(help="What is likely: fonts or uniform.")] = "fonts",
    scripts: Scripts = "",
    charset: Annotated[str, typer.Option(help="Only these characters, written one after another.")] = "",
    json: Json = False,
) -> None:
    """Say which character and joining form each picture shows."""
    from glyphs.errors import BadInput
    from recognition.candidates import Candidates, Prior, described

    if prior not in set(Prior):
        raise BadInput(f"There is no prior {prior!r}.", f"Choose one of {', '.join(Prior)}.")
    recogniser, answers = _answer(pictures, bundle)
    candidates = Candidates(recogniser.bundle, prior=Prior(prior), scripts=listed(scripts), charset=charset)
    for picture, recognition in zip(pictures, candidates.recognise(answers, k), strict=True):
        if json:
            show.as_json({"file": str(picture), **described(recognition)})
            continue
        doubt = "" if recognition.known else " (like nothing that was learned)"
        rows = [
            (p.label.character.text, str(p.label), f"{p.probability:.1%}", p.name,
             " ".join(label.character.text for label in p.equivalents))
            for p in recognition.predictions
        ]  # fmt: skip
        show.table(f"{picture}{doubt}", ("", "label", "probability", "name", "looks the same"), rows)


def similar(
    asked: Annotated[str, typer.Argument(help="A picture of a glyph, or a label such as 1593_init.")],
    k: Annotated[int, typer.Option("-k", min=1, help="How many neighbours.")] = 10,
    bundle: BundlePath = None,
    scripts: Scripts = "",
    others: Annotated[bool, typer.Option(help="Only other labels than the one asked for.")] = False,
    json: Json = False,
) -> None:
    """Show which reference glyphs look most like a picture or a label."""
    from glyphs.errors import BadLabel
    from glyphs.labels import Label
    from index.search import Filter, ReferenceIndex, described
    from recognition.candidates import Candidates

    path = Path(asked)
    label: Label | None = None
    if path.exists():
        recogniser, answers = _answer([path], bundle)
        embedding = answers.embeddings
        if others:
            label = Candidates(recogniser.bundle).recognise(answers, 1)[0].predictions[0].label
        chosen = recogniser.bundle
    else:
        try:
            label = Label.parse(asked)
        except BadLabel as error:
            raise BadLabel(f"{asked!r} is neither a file nor a label.", error.remedy) from None
        from recognition.bundle import Bundle

        chosen = Bundle.load(_path(bundle))
        found = ReferenceIndex.load(chosen.path).embedding_of(label)
        if found is None:
            raise BadLabel(f"The index has no reference of {label}.")
        embedding = found
    references = ReferenceIndex.load(chosen.path)
    only = Filter(scripts=frozenset(listed(scripts)), without=frozenset({label} if others and label else ()))
    neighbours = references.search(embedding, k, only)[0]
    if json:
        show.as_json({"neighbours": described(neighbours, chosen.names)})
        return
    rows = [
        (n.reference.label.character.text, str(n.reference.label), f"{n.similarity:.3f}", n.reference.family,
         n.reference.style, chosen.names.get(n.reference.label, n.reference.label.character.name))
        for n in neighbours
    ]  # fmt: skip
    show.table(asked, ("", "label", "similarity", "family", "style", "name"), rows)


def _answer(pictures: list[Path], bundle: Path | None) -> tuple[Recogniser, Answers]:
    import numpy as np

    from glyphs.errors import BadPicture
    from glyphs.picture import read_picture
    from recognition.bundle import Bundle
    from recognition.recogniser import Recogniser

    recogniser = Recogniser(Bundle.load(_path(bundle)), threads=0)
    rasters: list[Any] = []
    for picture in pictures:
        try:
            rasters.append(read_picture(picture.read_bytes(), recogniser.bundle.manifest.raster))
        except OSError as error:
            raise BadPicture(f"{picture} cannot be read: {error.strerror}.") from None
        except BadPicture as error:
            raise BadPicture(f"{picture}: {error.message}", error.remedy) from None
    return recogniser, recogniser.answer(np.stack(rasters))


def _path(bundle: Path | None) -> Path:
    from bundles import default_bundle

    return bundle or default_bundle()


def listed(text: str) -> list[str]:
    """The parts of a text such as `Latn,Arab`."""
    return [part.strip() for part in text.split(",") if part.strip()]
