"""`glyphery index`: the reference glyphs of a bundle, chosen from a dataset or added from fonts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glyphery import show

if TYPE_CHECKING:
    from index.add import Added
    from index.kinds import Kind, Tell
    from index.search import ReferenceIndex
    from recognition.bundle import Bundle

_TYPE = "flat looks at every reference, ivf at a few lists of them; auto is flat up to 100,000."
_RECALL = "Of ivf: least share of the 10 nearest references to be found, measured as the index is built."
_SHIPPED = "A shipped bundle is not changed in place."

app = typer.Typer(
    no_args_is_help=True, help="Give a bundle the reference glyphs that `similar` finds: build, or add fonts."
)


@app.command()
def build(
    bundle: Annotated[Path, typer.Argument(help="Folder of a bundle; the index is added to it.")],
    dataset: Annotated[Path, typer.Option(help="A finished dataset.")] = Path("glyphs.db"),
    per_label: Annotated[
        int, typer.Option(min=1, help="References kept of each label, out of four times as many families.")
    ] = 6,
    type_: Annotated[str, typer.Option("--type", metavar="auto|flat|ivf", help=_TYPE)] = "auto",
    recall: Annotated[float, typer.Option(min=0.5, max=1.0, help=_RECALL)] = 0.99,
) -> None:
    """Index reference glyphs of the training families, so that `similar` has something to find."""
    from bundles import is_shipped, shipped_or
    from glyphs.dataset.store import Dataset
    from glyphs.errors import BadInput
    from index.build import IndexBuilder
    from recognition.bundle import Bundle, replacing
    from recognition.recogniser import Recogniser

    if is_shipped(shipped_or(bundle)):
        raise BadInput(_SHIPPED, "Copy its folder and name the copy.")
    recogniser = Recogniser(Bundle.load_whole(bundle), threads=0)
    with Dataset.open(dataset) as opened:
        builder = IndexBuilder(
            opened,
            recogniser.bundle.labels,
            per_label=per_label,
            settings=recogniser.bundle.manifest.raster,
            kind=_kind(type_),
            recall=recall,
        )
    with show.bar("Indexing", len(builder)) as advance:
        for done in builder.run(
            lambda rasters, metrics: recogniser.answer(rasters, metrics).embeddings, _telling(advance)
        ):
            advance(done)
    assert builder.index is not None
    with replacing(bundle) as work:
        _write(work, recogniser.bundle, builder.index)
    print(f"{len(builder.index.references):,} references of {len(builder):,} candidates indexed in {bundle}")
    _tell_kind(builder.index)


@app.command()
def add(
    fonts: Annotated[list[Path], typer.Argument(help="Font files, or folders to search for them.")],
    bundle: Annotated[
        Path | None, typer.Option(help="Folder of a bundle; the shipped one by default, which needs --out.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the bundle to write; by default --bundle is changed.")
    ] = None,
    scripts: Annotated[
        str, typer.Option(help="Only these scripts, as Ethi,Deva; all but Hani and Hang by default.")
    ] = "",
    charset: Annotated[str, typer.Option(help="Only these characters, written one after another.")] = "",
    replace: Annotated[
        bool,
        typer.Option(
            "--replace/--keep", help="What becomes of references of the same label, family and style."
        ),
    ] = True,
    type_: Annotated[
        str,
        typer.Option("--type", metavar="auto|flat|ivf", help=f"{_TYPE} By default as the bundle has it."),
    ] = "",
    recall: Annotated[
        float | None, typer.Option(min=0.5, max=1.0, help=f"{_RECALL} By default as the bundle has it.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Add the glyphs of fonts as references, also of characters that the model never learned."""
    from bundles import default_bundle, is_shipped, shipped_or
    from glyphs.characters import iso_15924
    from glyphs.errors import BadInput
    from index.add import ReferenceAdder, Selection
    from index.kinds import asked_before
    from index.search import FILE, ReferenceIndex
    from recognition.bundle import Bundle, replacing
    from recognition.recogniser import Recogniser

    target = out or shipped_or(bundle or default_bundle())
    if is_shipped(target):
        raise BadInput(_SHIPPED, "Name a folder for the new one with --out.")
    recogniser = Recogniser(Bundle.load_whole(bundle or default_bundle()), threads=0)
    old = recogniser.bundle
    named = ({"asked": _kind(type_)} if type_ else {}) | ({} if recall is None else {"asked_recall": recall})
    kind, least = asked_before({**old.manifest.index, **named})
    adder = ReferenceAdder(
        fonts,
        settings=old.manifest.raster,
        selection=Selection(iso_15924(scripts), charset),
        into=ReferenceIndex.load(old.path) if old.has(FILE) else None,
        replace=replace,
        kind=kind,
        recall=least,
        anew=bool(named),
    )
    with replacing(target) as work:
        with show.bar("Reading fonts", len(adder)) as advance:
            for step in adder.run(
                lambda rasters, metrics: recogniser.answer(rasters, metrics).embeddings, _telling(advance)
            ):
                advance(step.done, note=f"{step.glyphs:,} glyphs")
        assert adder.added is not None
        _write(work, old, adder.added.index)
    _summarise(adder.added, target, old, json)


def _kind(text: str) -> Kind:
    from glyphs.errors import BadInput
    from index.kinds import Kind

    try:
        return Kind(text)
    except ValueError:
        raise BadInput(f"There is no type of index {text}.", f"Choose from {', '.join(Kind)}.") from None


def _telling(advance: show.Advance) -> Tell:
    """Shows on the bar how an index is built."""
    return lambda doing, done, total: advance(done, total, doing)


def _write(work: Path, bundle: Bundle, index: ReferenceIndex) -> None:
    """Make `work` the bundle with this index."""
    from dataclasses import replace

    from recognition.bundle import seal

    manifest = bundle.manifest
    # An index that was loaded, and to which nothing came, has its files and its entry already.
    if index.built is None:
        bundle.copy(work)
    else:
        bundle.copy(work, index=False)
        index.save(work)
        manifest = replace(manifest, index=index.built.described())
    seal(work, manifest)


def _tell_kind(index: ReferenceIndex) -> None:
    """One line on what was built."""
    if built := index.built:
        found = (
            "" if built.recall is None else f", recall@10 {built.recall:.4f} over {built.queries:,} queries"
        )
        print(f"Index: {built.kind}, {built.bytes_per_reference:.0f} bytes a reference{found}")


def _summarise(added: Added, target: Path, bundle: Bundle, json: bool) -> None:
    unknown = len(added.labels.difference(bundle.labels))
    if json:
        show.as_json(
            {
                "bundle": str(target),
                "fonts": added.fonts,
                "labels": len(added.labels),
                "labels_unknown_to_the_model": unknown,
                "new": added.new,
                "replaced": added.replaced,
                "kept": added.kept,
                "references": len(added.index.references),
                "index": dict(added.index.built.described())
                if added.index.built
                else dict(bundle.manifest.index),
                "refused": [{"file": file, "reason": reason} for file, reason in added.refused],
            }
        )
        return
    if added.refused:
        show.table("Fonts not used", ("file", "why"), added.refused)
    print(
        f"{added.new:,} references added, {added.replaced:,} replaced, {added.kept:,} kept, from"
        f" {added.fonts:,} fonts: {len(added.labels):,} labels, {unknown:,} of them unknown to the model."
        f" {target} has {len(added.index.references):,} references."
    )
    _tell_kind(added.index)
