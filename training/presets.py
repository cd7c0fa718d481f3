"""Named configurations, with their arithmetic and what to expect of them.

Rates are images a second in training on two cores (AVX-512 with bf16), drawing and augmentation
included: measured for `default` (as two processes, `devices=2`; as one it makes 1,200) and
`long_tail`, for the others estimated from the rate of the backbone alone. A GPU's rate is that of `gpu` on an
H200 with 16 cores, validation and checkpoints included.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from training.config import Augmentation, Distillation, Losses, TrainConfig

_GPU_RATE = 88_000.0


@dataclass(frozen=True, slots=True)
class Preset:
    """rate: images a second on two cores; expect: of validation, and when it was measured."""

    config: TrainConfig
    about: str
    rate: float
    expect: str

    @property
    def steps(self) -> int:
        return self.config.steps

    @property
    def samples(self) -> int:
        return self.config.batches * self.config.batch

    @property
    def hours(self) -> float:
        """On two cores."""
        return self.samples / self.rate / 3600

    @property
    def gpu_hours(self) -> float:
        """At the rate of LeViT's there, scaled by what the model costs against it."""
        return self.samples / (_GPU_RATE * min(1.0, self.rate / PRESETS["default"].rate)) / 3600


# Shown 2 million drawings of 128 pixels, LeViT knew glyphs of the families that it learned from no better
# than others': it had seen too few. At 64 pixels it sees four times as many in the same time. Specks, coarse
# thresholds and rotation are what the benchmark found the first models weakest at.
_LEVIT = TrainConfig(
    size=64, box=56, samples=6_000_000, epoch_samples=250_000, batch=512, learning_rate=2.5e-3,
    losses=Losses(smoothing=0.0),
    augmentation=Augmentation(rotation=7.0, threshold=64, specks=0.02, hide_metrics=0.4),
)  # fmt: skip
# Then wider distortions, at half the rate; the mean of the weights of both was 0.2.0. 0.5.0, of which the
# shipped unified MLP learned, was the mean of that, twice, and of two runs that went on with more fonts.
_CONTINUED = replace(
    _LEVIT, start="runs/levit_128s", samples=2_000_000, epoch_samples=200_000, learning_rate=1.2e-3,
    augmentation=replace(
        _LEVIT.augmentation, bend=45.0, weight=28.0, aspect=0.2, slant=0.2, metrics_scale=0.07
    ),
)  # fmt: skip
# A third of its drawings for the others, of which `distilled` alone was trained so, with 1.5 million.
_SHORTER = replace(_LEVIT, samples=2_000_000)
# Handwriting: 28 pixel pictures, some 1,500 of a letter, drawn as often as they come (balance 1) and
# scored as they come (no adjustment), since the test is drawn as the training was.
_EMNIST = TrainConfig(
    model="residual_cnn", size=32, box=28, min_families=1, balance=1.0, partner="none", samples=720_000,
    epoch_samples=90_000, batch=128, learning_rate=1e-3, weight_decay=0.05, ema=0.999,
    losses=Losses(adjusted=False, smoothing=0.05, embedding="none"), validation_samples=0,
    augmentation=Augmentation(rotation=10, slant=0.2, aspect=0.15, elastic=0.04, shrink=0.15, shift=2,
                              degrade=0.1, smallest=28, blur=0.6, erase=0.1),
)  # fmt: skip
# A 2 x 2 grid of patches: coarse, but from scratch more steps serve better than more tokens.
_LONG_TAIL = TrainConfig(
    model="vit_micro", size=32, box=28, min_families=1, balance=1.0, partner="none", samples=100_000,
    epoch_samples=25_000, batch=64, learning_rate=1e-3, weight_decay=0.05, warmup=0.1,
    losses=Losses(smoothing=0.0, embedding="none"), validation_samples=0,
)  # fmt: skip
# Large batches, for what a GPU takes longest over is to be told what to do; averaged weights. What is shipped
# since 0.13.0 began so, and learned from its predecessor then (docs/RESULTS.md, "Trained on a GPU").
_GPU = replace(
    _LEVIT, samples=24_000_000, epoch_samples=6_000_000, batch=4096, learning_rate=5e-3, ema=0.9995,
    augmentation=_CONTINUED.augmentation, workers=14,
)  # fmt: skip
PRESETS = {
    "default": Preset(
        _LEVIT, "LeViT-128S on a dataset of fonts: the first part of what is shipped", 1500,
        "with metrics and the font prior: top-1 84 %, top-5 98 %, up to equivalence 89 %",
    ),
    "continued": Preset(
        _CONTINUED, "the second part, from runs/levit_128s on; export it with --average of that run", 1350,
        "averaged, of glyphs of each label alike: up to equivalence 85 %, half a point more",
    ),
    "gpu": Preset(
        _GPU, "LeViT-128S with four times the samples and wider distortions, for a GPU and 16 cores",
        1500,
        "with metrics and the font prior: top-1 85 %, top-5 98 %, up to equivalence 90 %",
    ),
    "unified_mlp": Preset(
        replace(_SHORTER, model="unified_mlp"),
        "the unified MLP, its primitives taught by the ink's geometry", 1600, "not yet trained in full",
    ),
    "distilled": Preset(
        replace(_SHORTER, model="unified_mlp", distillation=Distillation(teacher="levit_128s")),
        "the unified MLP, a quarter of the run alone and then with the shipped model as its teacher", 1300,
        "with metrics and the font prior: top-1 84 %, top-5 98 %, up to equivalence 89 %",
    ),
    "residual_cnn": Preset(
        replace(_SHORTER, model="residual_cnn"), "a residual CNN on a dataset of fonts", 650,
        "not yet trained in full",
    ),
    "vit_tiny": Preset(
        replace(_SHORTER, model="vit_tiny", learning_rate=1e-3), "ViT-Tiny on a dataset of fonts", 800,
        "not yet trained in full",
    ),
    "emnist": Preset(_EMNIST, "handwriting: a residual CNN on EMNIST's files", 600,
        "62 labels: top-1 86 %, folded to 47 labels 90 %"),
    "long_tail": Preset(
        _LONG_TAIL, "few pictures of most classes: a small ViT on any source", 880,
        "500 labels, 6 to 256 glyphs of each: top-1 54 %, of the rarest third 48 %",
    ),
    "tiny": Preset(
        TrainConfig(min_families=1, samples=4 * 64, epoch_samples=2 * 64, batch=64, validation_samples=64,
                    workers=0),
        "a smoke run of seconds, to see that everything turns", 100, "nothing of its answers",
    ),
}  # fmt: skip
TINY = PRESETS["tiny"].config
