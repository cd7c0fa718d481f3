"""Reading a checkpoint back into a model, without running anything that is in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from glyphs.equivalence import Equivalence
from glyphs.errors import BadCheckpoint, BadInput
from glyphs.labels import Label
from training.config import TrainConfig
from training.data import Vocabulary
from training.models import Recogniser, create


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained model in evaluation mode, with what it was trained on."""

    model: Recogniser
    config: TrainConfig
    vocabulary: Vocabulary
    equivalence: Equivalence
    dataset: str  # content digest of the dataset it was trained on
    samples: int
    averaged: int = 1  # models whose weights it is the mean of

    @torch.inference_mode()
    def predict(
        self, rasters: NDArray[np.uint8], metrics: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(N, S, S) or (N, C, S, S) rasters, (N, 4) metrics -> (N, L) logits, (N, E) unit embeddings."""
        images = rasters if rasters.ndim == 4 else rasters[:, None]
        answers = self.model(torch.from_numpy(images), torch.from_numpy(metrics))
        return answers["logits"].float().numpy(), answers["embedding"].float().numpy()


def weights_of(target: Path) -> Path:
    """The best checkpoint of a run folder; a checkpoint itself."""
    return target / "checkpoints" / "best.ckpt" if target.is_dir() else target


def read(path: Path, remedy: str = "") -> dict[str, Any]:
    """What a checkpoint holds, tensors and plain values alone: it may come from anywhere.

    Raises:
        BadCheckpoint: torch cannot read it, or it holds something else; with the remedy.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # its readers raise whatever they met in a file that is none of torch's
        raise BadCheckpoint(f"{path} is no usable checkpoint: torch cannot read it.", remedy) from error
    if not isinstance(content, dict):  # of a tensor, torch would warn
        raise BadCheckpoint(f"{path} is no usable checkpoint: it holds no dictionary.", remedy)
    return content


def load_checkpoint(path: Path) -> Trained:
    """Load a checkpoint, or the best one of a run folder.

    Raises:
        BadCheckpoint: there is none, it is broken, its weights are not finite, or it was not made by
            `glyphery train`.
    """
    path = weights_of(path)
    if not path.is_file():
        raise BadCheckpoint(f"There is no checkpoint at {path}.", "Make one with `glyphery train`.")
    content = read(path)
    try:
        ours = content["glyphery"]
        config = TrainConfig.from_dict(ours["config"])
        # Logits that carry the prior of training must not be given it a second time.
        families = ours["families"] if config.losses.adjusted else [1] * len(ours["labels"])
        vocabulary = Vocabulary(
            tuple(Label.parse(text) for text in ours["labels"]),
            tuple(families),
            {Label.parse(text): str(name) for text, name in ours["names"].items()},
        )
        model = create(
            config.model, labels=len(vocabulary.labels), channels=config.channels, size=config.size,
            options=config.options,
        )  # fmt: skip
        prefix = "model."
        weights = {
            name.removeprefix(prefix): tensor
            for name, tensor in content["state_dict"].items()
            if name.startswith(prefix)
        }
        model.load_state_dict(weights)
        if not all(tensor.isfinite().all() for tensor in model.state_dict().values()):
            raise BadInput("its weights are no finite numbers. Train anew with a lower learning_rate.")
        equivalence = Equivalence.from_json(ours["equivalence"])
        samples = round(int(content["global_step"]) * config.batches * config.batch / config.steps)
        dataset = str(ours["dataset"])
    except KeyError as error:
        raise BadCheckpoint(f"{path} is no usable checkpoint: it has no {error}.") from None
    except (RuntimeError, TypeError, ValueError, IndexError, AttributeError, BadInput) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise BadCheckpoint(f"{path} is no usable checkpoint: {reason}") from None
    return Trained(model.eval(), config, vocabulary, equivalence, dataset, samples)
