"""`glyphery train`, `evaluate`, `export`: a dataset becomes a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glyphery import show

if TYPE_CHECKING:
    from index.search import ReferenceIndex
    from training.config import TrainConfig

Data = Annotated[Path, typer.Option(help="A finished dataset.")]


def train(
    dataset: Data = Path("glyphs.db"),
    out: Annotated[Path, typer.Option(help="Run folder; an interrupted run in it is resumed.")] = Path(
        "runs/levit_128s"
    ),
    preset: Annotated[str, typer.Option(help="Named configuration: default or tiny.")] = "default",
    override: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a field: samples=100000, augmentation.degrade=0.3. Repeatable."),
    ] = None,
) -> None:
    """Train a model on the training families of a dataset."""
    from training.fit import train as run

    best = run(dataset, out, _configured(preset, override or []))
    print(best)


def evaluate(
    target: Annotated[Path, typer.Argument(help="A bundle, a run folder or a checkpoint.")],
    dataset: Data = Path("glyphs.db"),
    split: Annotated[
        str, typer.Option(help="validation or test. Choose on validation; look at test once.")
    ] = "validation",
    limit: Annotated[int, typer.Option(help="Glyphs asked, drawn at random; 0: all.")] = 20_000,
    record: Annotated[bool, typer.Option(help="Write the figures into the bundle's manifest.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print every figure as JSON.")] = False,
) -> None:
    """Measure a model on families it never saw: strict, up to equivalence, and the ceiling."""
    from dataclasses import replace

    from glyphs.dataset.store import Dataset
    from glyphs.errors import BadInput
    from glyphs.splits import Split
    from recognition.bundle import Bundle, seal
    from training.evaluation import Examined
    from training.evaluation import evaluate as measure

    if split not in (Split.VALIDATION, Split.TEST):
        raise BadInput(f"There are no unseen families in split {split!r}.", "Choose validation or test.")
    # Loaded before the work: figures that cannot be recorded should not be waited for.
    manifest = Bundle.load(target).manifest if record else None
    asked = _predictor(target)
    with Dataset.open(dataset) as opened:
        examined = Examined.of(opened, Split(split), asked["labels"], limit=limit)
    with show.bar("Asking", len(examined.table)) as advance:
        figures = measure(examined, progress=advance, **asked)
    figures = {"split": split} | figures
    if manifest is not None:
        seal(target, replace(manifest, quality=figures))
    if json:
        show.as_json(figures)
        return
    rows = [
        (asked_with.replace("_", " "), prior, *(f"{100 * of[prior][name]:.1f}" for name in _FIGURES))
        for asked_with in ("with_metrics", "without_metrics")
        for of in [figures[asked_with]]
        for prior in ("uniform", "fonts")
    ]
    show.table(
        f"{figures['glyphs']:,} glyphs of {figures['families']} unseen families,"
        f" {figures['labels']:,} labels; per cent",
        ("metrics", "prior", *_FIGURES), rows,
    )  # fmt: skip
    ceiling = figures["ceiling"]
    print(
        f"Ceiling of strict top-1: {ceiling['with_metrics']:.1%} with metrics,"
        f" {ceiling['without_metrics']:.1%} without."
    )
    if "retrieval_top10" in figures:
        print(
            f"Same label among the ten nearest references: {figures['retrieval_top10']:.1%} with metrics,"
            f" {figures['retrieval_top10_without_metrics']:.1%} without."
        )
    show.table(
        "By script (with metrics, fonts prior)", ("script", "glyphs", "top1", "equivalent"),
        ((name, of["glyphs"], of["top1"], of["equivalent"])
         for name, of in sorted(figures["by_script"].items(), key=lambda item: -item[1]["glyphs"])[:20]),
    )  # fmt: skip


_FIGURES = ("top1", "top5", "top10", "equivalent", "macro_top1", "macro_equivalent", "ece")


def export(
    run: Annotated[Path, typer.Argument(help="A run folder or a checkpoint.")],
    dataset: Data = Path("glyphs.db"),
    out: Annotated[Path, typer.Option(help="Folder of the bundle.")] = Path("runs/bundle"),
    name: Annotated[str, typer.Option(help="Name of the bundle; the model's by default.")] = "",
) -> None:
    """Turn a checkpoint into a bundle, after checking ONNX against torch on real glyphs."""
    from export.bundle import export_bundle
    from training.checkpoint import load_checkpoint

    with show.console(stderr=True).status("Exporting and comparing"):
        parity = export_bundle(load_checkpoint(run), dataset, out, name=name)
    print(
        f"{out}: ONNX and torch differ by at most {parity.largest_difference:.1e} and agree on the best label"
        f" of {parity.same_top1} of {parity.glyphs} glyphs."
    )


def _configured(preset: str, overrides: list[str]) -> TrainConfig:
    from glyphs.errors import BadInput
    from training.config import PRESETS, TrainConfig

    if preset not in PRESETS:
        raise BadInput(f"There is no preset {preset!r}.", f"Choose one of {', '.join(PRESETS)}.")
    values: dict[str, Any] = PRESETS[preset].to_dict()
    for override in overrides:
        key, separator, text = override.partition("=")
        *path, field = key.split(".")
        place: Any = values
        for part in path:
            place = place.get(part) if isinstance(place, dict) else None
        old = place.get(field) if isinstance(place, dict) else None
        if not separator or not isinstance(old, int | float | str):
            raise BadInput(
                f"{override!r} sets no field of a run.", "Write field=value, such as samples=100000."
            )
        try:
            place[field] = text if isinstance(old, str) else _number(text, whole=isinstance(old, int))
        except ValueError:
            raise BadInput(f"{text!r} is no value for {key}.") from None
    return TrainConfig.from_dict(values)


def _number(text: str, *, whole: bool) -> float:
    """A number as people write it: 2_000_000, 2e6. Raises ValueError."""
    value = float(text.replace("_", ""))
    if whole and not value.is_integer():
        raise ValueError(text)
    return int(value) if whole else value


def _predictor(target: Path) -> dict[str, Any]:
    """What `training.evaluation.evaluate` asks: a bundle through ONNX Runtime, or a checkpoint."""
    from recognition.bundle import MANIFEST, Bundle

    if (target / MANIFEST).exists():
        from index.search import FILE, ReferenceIndex
        from recognition.recogniser import Recogniser

        bundle = Bundle.load(target)
        recogniser = Recogniser(bundle, threads=0)

        def predict(rasters: Any, metrics: Any) -> tuple[Any, Any]:
            answers = recogniser.answer(rasters, metrics)
            return answers.logits, answers.embeddings

        return {
            "predict": predict,
            "labels": bundle.labels,
            "families": bundle.families,
            "equivalence": bundle.equivalence,
            "settings": bundle.manifest.raster,
            "neighbours": _neighbours(ReferenceIndex.load(target)) if bundle.has(FILE) else None,
        }

    from training.checkpoint import load_checkpoint

    trained = load_checkpoint(target)
    return {
        "predict": trained.predict,
        "labels": trained.vocabulary.labels,
        "families": trained.vocabulary.families,
        "equivalence": trained.equivalence,
        "settings": trained.config.raster,
    }


def _neighbours(index: ReferenceIndex) -> Any:
    return lambda embeddings: [[n.reference.label for n in row] for row in index.search(embeddings, 10)]
