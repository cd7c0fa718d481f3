"""`glyphery evaluate`, `compare`: how good models are on families they never saw."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glyphery import show

if TYPE_CHECKING:
    from glyphs.labels import Label
    from glyphs.splits import Split
    from index.search import ReferenceIndex
    from training.evaluation import Neighbours, Subject
    from training.models.inventory import ModelCard

Data = Annotated[Path, typer.Option(help="A dataset, EMNIST's files, a folder of images, or their lists.")]
UnseenSplit = Annotated[
    str, typer.Option(help="validation or test. Choose on validation; look at test once.")
]
Json = Annotated[bool, typer.Option("--json", help="Print every figure as JSON.")]

_FIGURES = ("top1", "top5", "top10", "equivalent", "macro_top1", "macro_equivalent", "ece")


def evaluate(
    targets: Annotated[
        list[Path], typer.Argument(help="A bundle, a run folder or a checkpoint; several are an ensemble.")
    ],
    dataset: Data = Path("glyphs.db"),
    split: UnseenSplit = "validation",
    limit: Annotated[int, typer.Option(min=0, help="Glyphs asked, drawn at random; 0: all.")] = 20_000,
    tta: Annotated[
        int, typer.Option(min=1, max=27, help="Ask about so many slightly moved copies, and average.")
    ] = 1,
    out: Annotated[
        Path | None, typer.Option(help="Folder for a report: HTML, figures, answers, classes.")
    ] = None,
    record: Annotated[bool, typer.Option(help="Write the figures into the bundle's manifest.")] = False,
    json: Json = False,
) -> None:
    """Measure a model on families it never saw: strict, up to equivalence, and the ceiling."""
    from dataclasses import replace

    from bundles import is_shipped
    from glyphs.errors import BadInput
    from recognition.bundle import Bundle, seal

    chosen = _unseen(split)
    if record and (len(targets) > 1 or tta > 1):
        raise BadInput("A bundle records what it answers by itself.", "Leave --record out.")
    # Loaded before the work: figures that cannot be recorded should not be waited for.
    bundle = Bundle.load_whole(targets[0]) if record else None
    if bundle is not None and is_shipped(bundle.path):
        raise BadInput("A shipped bundle is not changed in place.", "Record in a copy of it.")

    from training.data import check_names, open_source
    from training.evaluation import Examined, examine
    from training.evaluation.ensembles import ensemble, moved

    if out is not None:
        from training.evaluation.report import Report, check_free

        check_free(out)
    subject = ensemble([predictor(target) for target in targets])
    if tta > 1:
        subject = replace(subject, predict=moved(subject.predict, tta))
    with open_source(dataset, colour=subject.channels == 3) as source:
        check_names(subject.names, source.names(), source.path)
        examined = Examined.of(source, chosen, subject.labels, limit=limit)
        with show.bar("Asking", len(examined.table)) as advance:
            figures, answers = examine(examined, subject, progress=advance)
        figures = {"split": split} | figures
        if out is not None:
            title = " + ".join(target.name for target in targets) + (f", {tta} copies" if tta > 1 else "")
            Report(title, figures, answers, examined, source, _histories(targets)).write(out)
    if bundle is not None:
        bundle.check_in_place()
        seal(bundle.path, replace(bundle.manifest, quality=figures))
    if json:
        show.as_json(figures)
    else:
        _print(figures)


def compare(
    targets: Annotated[list[Path], typer.Argument(help="Bundles, run folders or checkpoints.")],
    dataset: Data = Path("glyphs.db"),
    split: UnseenSplit = "validation",
    limit: Annotated[int, typer.Option(min=0, help="Glyphs asked, drawn at random; 0: all.")] = 5000,
    prior: Annotated[
        str, typer.Option(help="What is likely: fonts, as training has them, or uniform.")
    ] = "fonts",
    out: Annotated[Path | None, typer.Option(help="Folder for the table and its plots.")] = None,
    json: Json = False,
) -> None:
    """Put models side by side: how good on the same glyphs, how large, how fast on one thread."""
    from glyphs.errors import BadInput

    chosen = _unseen(split)
    if prior not in ("fonts", "uniform"):
        raise BadInput(f"There is no prior {prior!r}.", "Choose fonts or uniform.")

    from training.data import check_names, open_source
    from training.evaluation.compare import Comparison, common_labels

    if out is not None:
        from training.evaluation.report import check_free

        check_free(out)
    subjects = [predictor(target, threads=1) for target in targets]
    colour = {subject.channels == 3 for subject in subjects}
    if len(colour) > 1:
        raise BadInput("Some of these models see colours, others ink.", "Compare them apart.")
    with open_source(dataset, colour=colour.pop()) as source:
        for subject in subjects:
            check_names(subject.names, source.names(), source.path)
        comparison = Comparison.on(source, chosen, common_labels(subjects), limit=limit, prior=prior)
    with show.bar("Comparing", len(targets)) as advance:
        for done, (target, subject) in enumerate(zip(targets, subjects, strict=True), 1):
            comparison.add(_called(target, targets), subject, _card(target), _weights(target).stat().st_size)
            advance(done)
    if out is not None:
        comparison.write(out)
    if json:
        show.as_json(comparison.to_dict())
    else:
        show.table(comparison.title, *comparison.table())


def predictor(target: Path, *, threads: int = 0) -> Subject:
    """A bundle through ONNX Runtime, or a checkpoint through torch; threads: 0 for one a core.

    Raises:
        BadBundle, BadCheckpoint: it cannot be used.
    """
    from recognition.bundle import Bundle, bundle_at
    from training.evaluation import Subject

    if bundle_at(target):
        from index.search import FILE, ReferenceIndex
        from recognition.familiarity import familiarity, posterior
        from recognition.recogniser import Recogniser

        bundle = Bundle.load(target)
        recogniser = Recogniser(bundle, threads=threads)

        def predict(rasters: Any, metrics: Any) -> tuple[Any, Any]:
            answers = recogniser.answer(rasters, metrics)
            return answers.logits, answers.embeddings

        def familiar(logits: Any, embeddings: Any) -> Any:
            probabilities = posterior(logits, bundle.log_prior, bundle.manifest.temperature)
            return familiarity(probabilities, embeddings, bundle.prototypes)

        return Subject(
            predict=predict,
            labels=bundle.labels,
            families=bundle.families,
            equivalence=bundle.equivalence,
            settings=bundle.manifest.raster,
            names=bundle.names,
            temperature=bundle.manifest.temperature,
            familiar=familiar,
            neighbours=_neighbours(ReferenceIndex.load(bundle.path)) if bundle.has(FILE) else None,
        )

    from training.checkpoint import load_checkpoint

    trained = load_checkpoint(target)
    if threads:
        import torch

        torch.set_num_threads(threads)
    return Subject(
        predict=trained.predict,
        labels=trained.vocabulary.labels,
        families=trained.vocabulary.families,
        equivalence=trained.equivalence,
        settings=trained.config.raster,
        channels=trained.config.channels,
        names=trained.vocabulary.names,
        model=trained.model,
    )


def _unseen(split: str) -> Split:
    from glyphs.errors import BadInput
    from glyphs.splits import Split

    if split not in (Split.VALIDATION, Split.TEST):
        raise BadInput(f"There are no unseen families in split {split!r}.", "Choose validation or test.")
    return Split(split)


def _neighbours(index: ReferenceIndex) -> Neighbours:
    def nearest(embeddings: Any) -> list[list[Label]]:
        return [[n.reference.label for n in row] for row in index.search(embeddings, 10)]

    return nearest


def _called(target: Path, among: Sequence[Path]) -> str:
    """The last part of the path, or all of it where that is no name for one target alone."""
    return target.name if [other.name for other in among].count(target.name) == 1 else str(target)


def _weights(target: Path) -> Path:
    """The file that is loaded."""
    from recognition.bundle import bundle_at, model_at

    if bundle := bundle_at(target):
        return model_at(bundle)
    from training.checkpoint import weights_of

    return weights_of(target)


def _card(target: Path) -> ModelCard | None:
    """Parameters and arithmetic of the model; None for a bundle that does not say which it holds."""
    from recognition.bundle import Bundle, bundle_at
    from training.checkpoint import load_checkpoint
    from training.models import MODELS, ModelOptions
    from training.models.inventory import describe

    if bundle_at(target):
        bundle = Bundle.load(target)
        try:
            config = bundle.manifest.provenance["config"]
            name, options = config["model"], ModelOptions(**config.get("options", {}))
        except (KeyError, TypeError, AttributeError):
            return None
        if str(name) not in MODELS:
            return None
        size = bundle.manifest.raster.size
        return describe(name, labels=len(bundle.labels), size=size, options=options)
    trained = load_checkpoint(target)
    config, labels = trained.config, len(trained.vocabulary.labels)
    return describe(
        config.model, labels=labels, channels=config.channels, size=config.size, options=config.options
    )


def _histories(targets: Sequence[Path]) -> list[Path]:
    """What those targets logged that are runs."""
    return [log for target in targets if (log := target / "metrics.jsonl").is_file()]


def _print(figures: dict[str, Any]) -> None:
    ceiling = figures["ceiling"]
    rows = [
        (asked.replace("_", " "), prior, *(f"{100 * figures[asked][prior][name]:.1f}" for name in _FIGURES))
        for asked in ceiling
        for prior in ("uniform", "fonts")
    ]
    show.table(
        f"{figures['glyphs']:,} glyphs of {figures['families']} unseen families,"
        f" {figures['labels']:,} labels; per cent",
        ("metrics", "prior", *_FIGURES), rows,
    )  # fmt: skip
    shares = ", ".join(f"{share:.1%} {asked.replace('_metrics', '')}" for asked, share in ceiling.items())
    print(f"Ceiling of strict top-1: {shares} metrics.")
    if "retrieval_top10" in figures:
        retrieved = figures["retrieval_top10"], figures["retrieval_top10_without_metrics"]
        shares = ", ".join(
            f"{share:.1%} {asked.replace('_metrics', '')}"
            for asked, share in zip(ceiling, retrieved, strict=False)
        )
        print(f"Same label among the ten nearest references: {shares} metrics.")
    show.table(
        "By script (fonts prior)", ("script", "glyphs", "top1", "equivalent"),
        ((name, of["glyphs"], of["top1"], of["equivalent"])
         for name, of in sorted(figures["by_script"].items(), key=lambda item: -item[1]["glyphs"])[:20]),
    )  # fmt: skip
