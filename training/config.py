"""What a run is: one frozen record, saved with the run and inside every checkpoint."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from itertools import chain, pairwise
from operator import attrgetter
from typing import Any, Literal, Self, get_args, get_origin, get_type_hints

from glyphs.errors import BadInput
from glyphs.raster import RasterSettings
from training.models.options import ModelOptions

# Points (share of the run done, value); straight lines between them, level before and after.
Ramp = tuple[tuple[float, float], ...]
_LEAST = {
    "batch": 1, "accumulate": 1, "devices": 1, "limit": 0, "validation_samples": 0, "patience": 0, "seed": 0,
    "workers": 0,
}  # fmt: skip
_POSITIVE = "learning_rate", "losses.temperature", "losses.scale", "distillation.temperature"
_LARGEST_SEED = 2**24 - 1  # which leaves 40 of 64 bits for the number of a batch


def at(ramp: Ramp, done: float) -> float:
    """The value of a ramp when the share `done` (0..1) of the run is over."""
    for (before, low), (after, high) in pairwise(ramp):
        if done < after:
            return low if done <= before else low + (high - low) * (done - before) / (after - before)
    return ramp[-1][1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """How far a training sample may depart from its font. Ranges are drawn from evenly.

    On the outline, or on the ink of a picture (which has no points to move and no strokes to thin):
    rotation: degrees to either side; slant, aspect: shear and log-ratio of sides to either side;
    weight: stroke widening or thinning, thousandths of an em; jitter: of every point, likewise;
    bend: of an outline along smooth waves, thousandths of an em at most;
    elastic: sigma of a smooth bending of a picture, as a share of its height;
    shrink: of the box, at most; shift: of the centre, pixels.
    pen: share of the outlines that are redrawn as a pen would (`training.pen`), with twice the rotation
    and slant; wobble: their elastic.
    On the pixels, with probability `degrade`:
    smallest: pixels of the longer side when drawn small before being brought up to size again;
    blur: sigma in small pixels, at most; noise: sigma in grey levels, at most; then JPEG and
    thresholding now and then. threshold: grey levels off half, at most; specks: share of pixels that
    are turned to ink or paper, at most.
    erase: probability of a blank rectangle (Zhong et al., "Random Erasing", AAAI 2020).
    crop, mirror: of colour pictures: the least share of the area that is kept, and the probability
    of a reflection.
    hide_metrics: share of samples without metrics, beside which a tenth have only some;
    metrics_noise: relative sigma of the rest, of each; metrics_scale: of all together, since designs
    fill their em more or less.
    """

    rotation: float = 5.0
    slant: float = 0.15
    aspect: float = 0.15
    weight: float = 16.0
    jitter: float = 3.0
    bend: float = 0.0
    elastic: float = 0.03
    pen: float = 0.0
    wobble: float = 0.05
    shrink: float = 0.12
    shift: float = 3.0
    degrade: float = 0.5
    smallest: int = 14
    blur: float = 1.0
    noise: float = 16.0
    threshold: int = 38
    specks: float = 0.0
    erase: float = 0.0
    crop: float = 0.5
    mirror: float = 0.0
    hide_metrics: float = 0.3
    metrics_noise: float = 0.03
    metrics_scale: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """What is minimised: a classification loss plus `embedding_weight` times an embedding loss.

    adjusted: take the sampling back out of the logits (logit adjustment), which leaves them even
    class_weights: of the cross-entropy or the balanced BCE, by how often the training glyphs have a class
    beta: of the effective number of samples (Cui et al., CVPR 2019)
    grouping: what counts as the same for the contrastive loss: the label; labels and their equivalents;
        the Arabic joining group alone; or hybrid, the joining group and else the character class
    temperature: of the contrastive loss; margin (radians), scale: of ArcFace
    """

    classification: Literal["cross_entropy", "balanced_bce"] = "cross_entropy"
    adjusted: bool = True
    class_weights: Literal["none", "inverse", "square_root", "effective"] = "none"
    beta: float = 0.999
    smoothing: float = 0.05
    embedding: Literal["contrastive", "arcface", "none"] = "contrastive"
    embedding_weight: float = 0.25
    grouping: Literal["label", "equivalence", "joining", "hybrid"] = "label"
    temperature: float = 0.07
    margin: float = 0.3
    scale: float = 32.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PrimitiveLosses:
    """How the primitives of a unified MLP are taught.

    targets: by the ink's geometry in each cell, or by online k-means over the cells' patches
    alpha: weight of the primitive loss over the run; entropy: of the regularisation with k-means
    temperature: of Gumbel-softmax over the run
    """

    targets: Literal["shapes", "kmeans"] = "shapes"
    alpha: Ramp = ((0.0, 1.0), (1.0, 0.3))
    entropy: float = 0.1
    temperature: Ramp = ((0.0, 2.0), (0.8, 0.5))


@dataclass(frozen=True, slots=True, kw_only=True)
class Distillation:
    """Learning from a teacher's answers (Hinton et al., "Distilling the Knowledge", 2015).

    teacher: a bundle, run folder or checkpoint; empty for none
    weight: share of the teacher's loss in the classification loss, over the run: by default a quarter of
        the run is supervised alone, then distilled
    """

    teacher: str = ""
    temperature: float = 3.0
    weight: Ramp = ((0.0, 0.0), (0.25, 0.0), (0.25, 0.7), (1.0, 0.7))


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixing:
    """Blending pairs of a batch: Beta parameters, 0 for never; `share` of the batches are mixed.

    mixup: Zhang et al., ICLR 2018; cutmix: Yun et al., ICCV 2019. With both, either at random.
    """

    mixup: float = 0.0
    cutmix: float = 0.0
    share: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """One training run.

    start: a bundle, run folder or checkpoint whose weights the run begins with; empty for fresh ones
    channels: 1 for ink, 3 for colour pictures
    min_families, min_count: labels that fewer training families, or glyphs, have are left out
    limit: training glyphs used at most, drawn at random; 0 for all
    samples: drawn in all; epoch_samples: between two checkpoints
    batch: glyphs a step, over all devices; accumulate: batches a step of the optimiser
    balance: a label is drawn with weight (families that have it) ** balance; 0 is class-balanced
    favoured: a file that names families, one a line: of a label that they have, `favoured_share` of the
        samples are drawn from them alone, the rest from all; to train on with fonts that are new
    partner: every second sample shows the same label as the one before, or one of its contrastive
        group, or is drawn on its own
    learning_rate: of the backbone, peak; head_rate: that of the heads, as a multiple of it
    schedule: after `warmup` (share of all steps) a cosine down to zero, or constant, or constant and
        divided by ten when validation stands still for two epochs (plateau)
    ema: decay of the averaged weights that are validated and saved; 0 for none
    patience: epochs without a better validation before the run stops; 0 for never
    devices: processes that share a batch (DDP); precision: `auto` is bf16 where it is computed
    """

    model: str = "levit_128s"
    options: ModelOptions = ModelOptions()
    start: str = ""
    channels: Literal[1, 3] = 1
    size: int = 128
    box: int = 112
    min_families: int = 15
    min_count: int = 1
    limit: int = 0
    samples: int = 2_000_000
    epoch_samples: int = 100_000
    batch: int = 256
    accumulate: int = 1
    balance: float = 0.5
    favoured: str = ""
    favoured_share: float = 0.5
    partner: Literal["label", "group", "none"] = "label"
    learning_rate: float = 2e-3
    head_rate: float = 1.0
    schedule: Literal["cosine", "plateau", "constant"] = "cosine"
    weight_decay: float = 0.05
    warmup: float = 0.04
    clip: float = 1.0
    ema: float = 0.0
    patience: int = 0
    losses: Losses = Losses()
    primitives: PrimitiveLosses = PrimitiveLosses()
    distillation: Distillation = Distillation()
    mixing: Mixing = Mixing()
    augmentation: Augmentation = Augmentation()
    validation_samples: int = 4096
    seed: int = 0
    workers: int = 1
    devices: int = 1
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = "auto"

    def __post_init__(self) -> None:
        _check(self)
        for name, least in _LEAST.items():
            if getattr(self, name) < least:
                raise BadInput(f"{name} cannot be {getattr(self, name)}.", f"It is {least} at least.")
        if self.seed > _LARGEST_SEED:
            raise BadInput(f"seed cannot be {self.seed}.", f"It is {_LARGEST_SEED} at most.")
        for name in _POSITIVE:
            if (value := attrgetter(name)(self)) <= 0:
                raise BadInput(f"{name} cannot be {value}.", "It is more than 0.")
        if not 0 <= self.losses.beta < 1:
            raise BadInput(f"losses.beta cannot be {self.losses.beta}.", "It is from 0 up to less than 1.")
        if not 0 <= self.favoured_share <= 1:
            raise BadInput(f"favoured_share cannot be {self.favoured_share}.", "It is a share: 0 to 1.")
        try:
            RasterSettings(self.size, self.box)
        except ValueError as error:
            raise BadInput(f"Not so: {error}.", "Set size and box together.") from None
        if self.batch % (2 * self.devices):
            raise BadInput(
                f"A batch of {self.batch} cannot be shared out in pairs over {self.devices} device(s).",
                "Samples come in pairs of a label: use a multiple of twice the devices.",
            )
        if self.samples < self.batch or self.epoch_samples < self.batch:
            raise BadInput("samples and epoch_samples must be at least one batch.")
        if not self.losses.adjusted and self.losses.classification == "balanced_bce":
            raise BadInput(
                "Balanced BCE is balanced by adjusted logits.",
                "Leave losses.adjusted on, or use cross_entropy.",
            )

    @property
    def raster(self) -> RasterSettings:
        return RasterSettings(self.size, self.box)

    @property
    def batches_per_epoch(self) -> int:
        return min(self.samples, self.epoch_samples) // self.batch

    @property
    def epochs(self) -> int:
        return max(1, round(self.samples / (self.batches_per_epoch * self.batch)))

    @property
    def batches(self) -> int:
        """In the whole run."""
        return self.epochs * self.batches_per_epoch

    @property
    def steps(self) -> int:
        """Of the optimiser, in the whole run; Lightning lets none of an epoch's batches wait for the next."""
        return self.epochs * math.ceil(self.batches_per_epoch / self.accumulate)

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The inverse of `to_dict`, also after JSON, which knows no tuples.

        Raises:
            BadInput: a field that does not exist, or a value that it cannot have.
        """
        found = _read(cls, values, "")
        assert isinstance(found, cls)
        return found

    def changed(self, changes: dict[str, str]) -> Self:
        """With fields set from text, as a command line gives them: {"losses.smoothing": "0.1"}.

        Raises:
            BadInput: no such field, or no such value.
        """
        values = self.to_dict()
        for key, text in changes.items():
            place, kind = values, type(self)
            *path, field = key.split(".")
            for part in path:
                kind = get_type_hints(kind).get(part, object)
                place = place.get(part, {}) if isinstance(place, dict) else {}
            if not dataclasses.is_dataclass(kind) or field not in place or isinstance(place[field], dict):
                raise BadInput(
                    f"{key!r} is no field of a run.",
                    "`glyphery train --show` lists them; nested ones are written losses.smoothing.",
                )
            place[field] = _from_text(text, get_type_hints(kind)[field], key)
        return self.from_dict(values)


def _from_text(text: str, kind: Any, key: str) -> Any:
    """A value as people write it: 2e6, 2_000_000, yes, 0:1,1:0.3 for a ramp."""
    try:
        if kind is bool:
            return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[
                text.lower()
            ]
        if kind == Ramp:
            points = [point.split(":") for point in text.split(",")]
            return tuple((float(done), float(value)) for done, value in points)
        if kind is int or (get_origin(kind) is Literal and isinstance(get_args(kind)[0], int)):
            value = float(text.replace("_", ""))
            if not value.is_integer():
                raise ValueError(text)
            return int(value)
        return float(text.replace("_", "")) if kind is float else text
    except (ValueError, KeyError):
        raise BadInput(f"{text!r} is no value for {key}.") from None


def _read(kind: Any, values: Any, where: str) -> Any:
    hints = get_type_hints(kind)
    if not isinstance(values, dict) or not set(values) <= set(hints):
        unknown = ", ".join(sorted(set(values) - set(hints))) if isinstance(values, dict) else repr(values)
        raise BadInput(f"Not a training configuration: {where or 'a run'} has no field {unknown}.")
    read: dict[str, Any] = {}
    for name, value in values.items():
        if dataclasses.is_dataclass(hints[name]):
            value = _read(hints[name], value, name)
        elif hints[name] == Ramp and isinstance(value, list):
            value = tuple(tuple(point) for point in value)
        read[name] = value
    return kind(**read)


def _check(record: Any) -> None:
    """Raises BadInput for a value of the wrong type, no finite number, or one that is not among a field's
    choices.
    """
    for name, kind in get_type_hints(type(record)).items():
        value = getattr(record, name)
        if dataclasses.is_dataclass(value):
            _check(value)
        elif get_origin(kind) is Literal:
            if value not in get_args(kind):
                raise BadInput(
                    f"{value!r} is no {name}.", f"Choose one of {', '.join(map(str, get_args(kind)))}."
                )
        elif kind == Ramp:
            if (
                not value
                or any(b[0] < a[0] for a, b in pairwise(value))
                or not all(map(math.isfinite, chain.from_iterable(value)))
            ):
                raise BadInput(
                    f"{value!r} is no ramp for {name}.", "Write share:value points in order: 0:1,1:0.3."
                )
        elif not isinstance(value, int if kind in (int, bool) else (int, float) if kind is float else kind):
            raise BadInput(f"{value!r} is no value for {name}.")
        elif kind is float and not math.isfinite(value):
            raise BadInput(f"{name} cannot be {value}.", "Write a finite number.")
