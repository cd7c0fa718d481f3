"""What a run is: one frozen record, saved with the run and inside every checkpoint."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Self

from glyphs.errors import BadInput
from glyphs.raster import RasterSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """How far a training sample may depart from its font. Ranges are drawn from evenly.

    On the outline:
    rotation: degrees to either side; slant, aspect: shear and log-ratio of sides to either side;
    weight: stroke widening or thinning, thousandths of an em; jitter: of every point, likewise;
    shrink: of the box, at most; shift: of the centre, pixels.
    On the pixels, with probability `degrade`:
    smallest: pixels of the longer side when drawn small before being brought up to size again;
    blur: sigma in small pixels, at most; noise: sigma in grey levels, at most; then JPEG and
    thresholding now and then.
    hide_metrics: share of samples without metrics; metrics_noise: relative sigma of the rest.
    """

    rotation: float = 5.0
    slant: float = 0.15
    aspect: float = 0.15
    weight: float = 16.0
    jitter: float = 3.0
    shrink: float = 0.12
    shift: float = 3.0
    degrade: float = 0.5
    smallest: int = 14
    blur: float = 1.0
    noise: float = 16.0
    hide_metrics: float = 0.3
    metrics_noise: float = 0.03


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """One training run.

    min_families: labels that fewer training families have are left out
    samples: drawn in all; epoch_samples: between two checkpoints
    balance: a label is drawn with weight (families that have it) ** balance; 0 is class-balanced
    learning_rate: peak, after `warmup` (share of all steps), then a cosine down to zero
    """

    model: str = "levit_128s"
    size: int = 128
    box: int = 112
    min_families: int = 15
    samples: int = 2_000_000
    epoch_samples: int = 100_000
    batch: int = 256
    balance: float = 0.5
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    warmup: float = 0.04
    clip: float = 1.0
    smoothing: float = 0.05
    contrastive: float = 0.25
    temperature: float = 0.07
    validation_samples: int = 4096
    seed: int = 0
    workers: int = 1
    augmentation: Augmentation = Augmentation()

    def __post_init__(self) -> None:
        if self.batch % 2:
            raise BadInput(
                f"A batch of {self.batch} is odd.", "Samples come in pairs of a label: use an even batch."
            )
        if self.samples < self.batch or self.epoch_samples < self.batch:
            raise BadInput("samples and epoch_samples must be at least one batch.")

    @property
    def raster(self) -> RasterSettings:
        return RasterSettings(self.size, self.box)

    @property
    def steps_per_epoch(self) -> int:
        return self.epoch_samples // self.batch

    @property
    def epochs(self) -> int:
        return max(1, round(self.samples / (self.steps_per_epoch * self.batch)))

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Raises BadInput for a field that does not exist."""
        try:
            values = dict(values)
            return cls(augmentation=Augmentation(**values.pop("augmentation", {})), **values)
        except TypeError as error:
            raise BadInput(f"Not a training configuration: {error}.") from None


# 7,800 steps of 256: 2.0 M samples, 80 to 100 minutes on two cores in bf16. Expect on
# validation, with metrics and the font prior: top-1 80 %, top-5 95 %, up to equivalence 85 %.
DEFAULT = TrainConfig()
# A smoke run: seconds, to see that everything turns. Expect nothing of its answers.
TINY = TrainConfig(
    min_families=1, samples=4 * 64, epoch_samples=2 * 64, batch=64, validation_samples=64, workers=0
)
PRESETS = {"default": DEFAULT, "tiny": TINY}
