"""`glyphery train`, `export`: glyphs become a model, a model a bundle."""

from __future__ import annotations

import tempfile
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glyphery import show

if TYPE_CHECKING:
    from training.config import TrainConfig
    from training.teacher import Teacher
    from training.warm_start import Start

Data = Annotated[
    Path,
    typer.Option(
        help="A dataset (glyphs.db), EMNIST's files (emnist/byclass), a folder of images by class,"
        " or index_<name>.json lists."
    ),
]


def train(
    dataset: Data = Path("glyphs.db"),
    out: Annotated[
        Path | None,
        typer.Option(help="Run folder, runs/MODEL by default; an interrupted run in it is resumed."),
    ] = None,
    preset: Annotated[str, typer.Option(help="Named configuration; --presets lists them.")] = "default",
    model: Annotated[str, typer.Option(help="Model; `glyphery models` lists them.")] = "",
    override: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a field: samples=1e5, losses.smoothing=0.1. Repeatable."),
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Use at most so many training glyphs.")] = None,
    min_label_count: Annotated[
        int | None, typer.Option(help="Leave out labels with fewer training glyphs.")
    ] = None,
    drop_singletons: Annotated[
        bool, typer.Option("--drop-singletons", help="Leave out labels with one training glyph.")
    ] = False,
    find_rate: Annotated[
        Path | None,
        typer.Option(
            "--find-rate", help="Train nothing: search a learning rate and draw its plot here (PNG)."
        ),
    ] = None,
    list_presets: Annotated[
        bool, typer.Option("--presets", help="List the presets with their arithmetic.")
    ] = False,
    print_config: Annotated[
        bool, typer.Option("--show", help="Print the resolved configuration as JSON and stop.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Train a model. The run folder keeps its configuration, figures and checkpoints."""
    if list_presets:
        _list_presets(json)
        return
    flags = {
        "model": model or None,
        "limit": limit,
        "min_count": max(2, min_label_count or 0) if drop_singletons else min_label_count,
    }
    config = _configured(preset, override or [], {k: str(v) for k, v in flags.items() if v is not None})
    if print_config:
        show.as_json(config.to_dict())
        return

    from training.fit import find_learning_rate
    from training.fit import train as run

    if find_rate is not None:
        _check_place(find_rate)
    start = _start(Path(config.start)) if config.start else None
    teacher = _teacher(config)
    if find_rate is not None:
        rate = find_learning_rate(dataset, config, find_rate, start=start, teacher=teacher)
        if json:
            show.as_json({"learning_rate": rate, "plot": str(find_rate)})
        else:
            print(f"Suggested: --set learning_rate={rate:.1e}. Plot: {find_rate}")
        return
    best = run(dataset, out or Path("runs") / config.model, config, start=start, teacher=teacher)
    if json:
        show.as_json({"checkpoint": str(best)})
    else:
        print(best)


class _Precision(StrEnum):
    fp32 = "fp32"
    fp16 = "fp16"
    int8 = "int8"
    int8_dynamic = "int8_dynamic"


def export(
    run: Annotated[
        Path,
        typer.Argument(
            help="A run folder or a checkpoint; or a bundle, for its model in fewer bits, a cascade, or to"
            " broaden, compact or calibrate it."
        ),
    ],
    dataset: Data = Path("glyphs.db"),
    out: Annotated[Path, typer.Option(help="Folder of the bundle.")] = Path("runs/bundle"),
    name: Annotated[str, typer.Option(help="Name of the bundle; the model's by default.")] = "",
    precision: Annotated[
        _Precision,
        typer.Option(
            help="Put the model into the bundle in fewer bits, too, where FOLDER@int8 finds it: fp16 is for"
            " GPUs, int8 for CPUs, int8_dynamic needs no ranges of activations."
        ),
    ] = _Precision.fp32,
    program: Annotated[
        Path | None, typer.Option(help="Write the model as a torch.export program (.pt2) here, too.")
    ] = None,
    average: Annotated[
        list[Path] | None,
        typer.Option(
            help="Average the weights with those of this run or bundle, which RUN was trained on from or"
            " that from RUN; it may know fewer labels. Repeatable."
        ),
    ] = None,
    fast: Annotated[
        Path | None,
        typer.Option(help="Put the model of this bundle in front of that of the bundle RUN: a cascade."),
    ] = None,
    broaden: Annotated[
        bool,
        typer.Option(
            "--broaden",
            help="Let the embedding of the bundle RUN tell apart what it was never taught. The classifier"
            " stays; make its index anew afterwards, and its models in fewer bits.",
        ),
    ] = False,
    compact: Annotated[
        bool,
        typer.Option(
            "--compact",
            help="Keep the weights of the bundle RUN in half the bytes, rounded to float16; it computes in"
            " float32 as before.",
        ),
    ] = False,
    calibrate: Annotated[
        bool,
        typer.Option(
            "--calibrate",
            help="Of the bundle RUN choose temperature and threshold anew, on the dataset's validation"
            " glyphs; its model stays.",
        ),
    ] = False,
    lost: Annotated[
        float, typer.Option(min=0, max=5, help="Points of top-1 that a cascade may lose for being sooner.")
    ] = 0.2,
    most_mb: Annotated[
        float,
        typer.Option(
            min=0,
            max=1e6,
            help="Megabytes that an int8 model may take: where it takes more, weights that harm least go to 4"
            " bits, as long as answers stay.",
        ),
    ] = 9.0,
) -> None:
    """Turn a checkpoint into a bundle, after checking ONNX against torch on real glyphs.

    A model in fewer bits is refused if it loses 0.3 points or answers a glyph in a hundred otherwise. In a
    cascade the fast model's answer stands where it is sure; of the rest both are asked.
    """
    from glyphs.errors import BadInput
    from recognition.bundle import bundle_at

    bundle = bundle_at(run)
    lowered = precision is not _Precision.fp32
    changes = {
        "--broaden": (broaden, _broaden),
        "--compact": (compact, _compact),
        "--calibrate": (calibrate, _calibrate),
    }
    if chosen := [option for option, (wanted, _) in changes.items() if wanted]:
        option = chosen[0]
        if lowered or program or average or fast or name or len(chosen) > 1:
            raise BadInput(f"{option} changes a bundle as it is.", f"Give {option} alone.")
        _, change = changes[option]
        change(bundle or run, dataset, out)
        return
    if fast is not None:
        if lowered or program or average:
            raise BadInput("A cascade is made of bundles as they are.", "Give --fast alone.")
        _join(bundle or run, fast, dataset, out, name, lost / 100)
        return
    if bundle is not None:
        if not lowered or name or program or average:
            raise BadInput(
                f"{run} is a bundle already.",
                "Give a --precision, --fast, --broaden, --compact or --calibrate alone, or the run it was"
                " exported from.",
            )
        _lower(bundle, dataset, out, precision, most_mb)
        return

    if program is not None:
        _check_place(program)

    from export.bundle import export_bundle
    from export.to_program import to_program
    from training.checkpoint import load_checkpoint

    trained = load_checkpoint(run)
    if average:
        from training.soup import soup

        with show.console(stderr=True).status("Averaging"):
            trained = soup(trained, list(map(_start, average)), dataset)
    with tempfile.TemporaryDirectory() as scratch:
        whole = Path(scratch, "bundle") if lowered else out
        with show.console(stderr=True).status("Exporting and comparing"):
            parity = export_bundle(trained, dataset, whole, name=name)
        print(
            f"{out}: ONNX and torch differ by at most {parity.largest_difference:.1e} and agree on the best"
            f" label of {parity.same_top1} of {parity.glyphs} glyphs."
        )
        if lowered:
            _lower(whole, dataset, out, precision, most_mb)
    if program is not None:
        to_program(trained.model, program, size=trained.config.size)
        print(f"{program}: torch.export program")


def _calibrate(bundle: Path, dataset: Path, out: Path) -> None:
    from export.calibration import calibrate

    with show.console(stderr=True).status("Calibrating"):
        found = calibrate(bundle, dataset, out)
    for precision, one in found.items():
        print(
            f"{out} ({precision}): temperature {one.temperature:.3f}, known from a familiarity of"
            f" {one.known_threshold:.3f}"
        )


def _broaden(bundle: Path, dataset: Path, out: Path) -> None:
    from export.broad import broaden

    with show.console(stderr=True).status("Broadening and comparing"):
        before, after = broaden(bundle, dataset, out)
    print(
        f"{out}: a glyph of its label is among the ten nearest for {100 * after.unlearned:.1f} % of glyphs of"
        f" labels never learned (before: {100 * before.unlearned:.1f} %), for {100 * after.learned:.1f} % of"
        f" others ({100 * before.learned:.1f} %)"
    )


def _compact(bundle: Path, dataset: Path, out: Path) -> None:
    from export.precision import compact

    with show.console(stderr=True).status("Rounding and comparing"):
        done = compact(bundle, dataset, out)
    print(f"{out}: {done.bytes_after / 1e6:.1f} MB (before: {done.bytes_before / 1e6:.1f}): {done.agreement}")


def _lower(bundle: Path, dataset: Path, out: Path, precision: _Precision, most_mb: float) -> None:
    from export.precision import lower

    with show.console(stderr=True).status(f"Converting to {precision.value} and comparing"):
        lowered = lower(bundle, dataset, out, precision.value, round(1e6 * most_mb))
    megabytes = f"{lowered.bytes_after / 1e6:.1f} MB (float32 {lowered.bytes_before / 1e6:.1f})"
    how = (
        f"; ranges of activations by {lowered.calibration}; computed in float32 for accuracy:"
        f" {', '.join(lowered.kept) or 'nothing'}; weights of {len(lowered.narrow)} layers in 4 bits"
        if lowered.calibration
        else ""
    )
    print(f"{out}@{precision.value}: {megabytes}: {lowered.agreement}{how}")


def _join(accurate: Path, fast: Path, dataset: Path, out: Path, name: str, lost: float) -> None:
    from export.cascade import join

    with show.console(stderr=True).status("Bringing two models together and comparing"):
        joined = join(accurate, fast, dataset, out, name=name, lost=lost)
    print(
        f"{out}: the fast model answers {100 * joined.stands:.0f} % of glyphs alone, from a probability of"
        f" {joined.sure:.2f}; top-1 {100 * joined.top1:.1f} % (fast {100 * joined.fast:.1f} %, accurate"
        f" {100 * joined.accurate:.1f} %); embeddings agree by a cosine of {joined.cosine:.2f}"
    )


def _configured(preset: str, overrides: list[str], flags: dict[str, str]) -> TrainConfig:
    from glyphs.errors import BadInput
    from training.presets import PRESETS

    if preset not in PRESETS:
        raise BadInput(f"There is no preset {preset!r}.", f"Choose one of {', '.join(PRESETS)}.")
    for override in overrides:
        if "=" not in override:
            raise BadInput(
                f"{override!r} sets no field of a run.", "Write field=value, such as samples=100000."
            )
    changes = dict(override.split("=", 1) for override in overrides)
    return PRESETS[preset].config.changed(flags | changes)


def _check_place(file: Path) -> None:
    """Raises BadInput where a file could not be written, before what it is to hold is waited for."""
    from glyphs.folders import written

    with written(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("ab") if file.exists() else tempfile.TemporaryFile(dir=file.parent):
            pass


def _start(target: Path) -> Start:
    """The model of a run, a checkpoint or a bundle."""
    from recognition.bundle import bundle_at
    from training.checkpoint import load_checkpoint
    from training.warm_start import Start

    if bundle := bundle_at(target):
        from export.from_onnx import start_from_bundle

        return start_from_bundle(bundle)
    trained = load_checkpoint(target)
    return Start(trained.model, trained.vocabulary.classes, samples=trained.samples)


def _teacher(config: TrainConfig) -> Teacher | None:
    if not config.distillation.teacher:
        return None
    from recognition.bundle import bundle_at
    from training.teacher import Teacher

    path = Path(config.distillation.teacher)
    if bundle := bundle_at(path):
        from glyphery.evaluating import predictor
        from training.data import classes

        subject = predictor(bundle)
        return Teacher.of_function(
            lambda rasters, metrics: subject.predict(rasters, metrics)[0],
            classes(subject.labels, subject.names),
            subject.settings,
        )
    from training.checkpoint import load_checkpoint

    trained = load_checkpoint(path)
    return Teacher.of_model(trained.model, trained.vocabulary.classes, trained.config.raster)


def _list_presets(json: bool) -> None:
    from training.presets import PRESETS

    rows = [
        {"name": name, "about": of.about, "model": of.config.model, "samples": of.samples, "steps": of.steps,
         "hours on two cores": round(of.hours, 2), "hours on a GPU": round(of.gpu_hours, 3),
         "expect": of.expect}
        for name, of in PRESETS.items()
    ]  # fmt: skip
    if json:
        show.as_json(rows)
    else:
        show.table("Presets", rows[0], (row.values() for row in rows))
