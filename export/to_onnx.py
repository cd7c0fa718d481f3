"""A trained model becomes one ONNX file with a free batch size."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from copy import deepcopy
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from recognition.bundle import EMBEDDING, IMAGE, LOGITS, METRICS, PRIMITIVES
from training.models import Recogniser
from training.primitives import primitive_numbers

OPSET = 18


class _Exported(nn.Module):
    """The same model with its answers in a tuple, as ONNX has them."""

    def __init__(self, model: Recogniser) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor, metrics: Tensor) -> tuple[Tensor, ...]:
        answers = self.model(image, metrics)
        heads = answers["logits"], answers["embedding"]
        return (*heads, primitive_numbers(answers["primitives"])) if "primitives" in answers else heads


def to_onnx(model: Recogniser, path: Path, *, size: int) -> None:
    """Write `model` (in evaluation mode) to `path`: image uint8 (N, 1, S, S), metrics float32 (N, 4).

    A model that names primitives also puts out their numbers, int64 (N, G, G).

    Batch normalisations are folded into the layers before them. The weights lie inside the one
    file, not beside it.
    """
    folded = deepcopy(model).float().eval()
    folded.fold()
    # Two examples: a batch of one would be taken for a constant.
    example = (torch.zeros(2, 1, size, size, dtype=torch.uint8), torch.zeros(2, 4))
    batch = torch.export.Dim("batch", min=1, max=65536)
    outputs = [LOGITS, EMBEDDING, *([PRIMITIVES] if hasattr(model.backbone, "explain") else [])]
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Exported(folded).eval(), example, path, dynamo=True, opset_version=OPSET, external_data=False,
            input_names=[IMAGE, METRICS], output_names=outputs,
            dynamic_shapes=({0: batch}, {0: batch}), verbose=False,
        )  # fmt: skip
    save(onnx.load(path), path)


def save(network: onnx.ModelProto, path: Path) -> None:
    """Write a network without the exporter's notes on its nodes, which tell where on whose machine its source
    lay, and are a twentieth of a small model's bytes.
    """
    for node in network.graph.node:
        del node.metadata_props[:]
    onnx.save(network, path)
